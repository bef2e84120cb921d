"""Requests to a stage: the event, the access log, API Gateway's own errors, the integration timeout."""

import json
import time

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function

FUNCTION = """
import json, time
def handler(event, context):
    order = json.loads(event["body"] or "{}")
    time.sleep(order.get("sleep", 0))
    if order.get("fail"):
        raise ValueError("no")
    return {"statusCode": 201, "body": json.dumps(event)}
"""
ERROR = {
    "responseTemplates": {
        "application/json": '{"type":"$context.error.responseType","text":$context.error.messageString,'
        '"id":"$context.extendedRequestId"}'
    },
    "responseParameters": {"gatewayresponse.header.x-tollgate-request-id": "context.extendedRequestId"},
}
RESPONSES = {"INVALID_API_KEY": {"statusCode": "401", **ERROR}, "DEFAULT_4XX": ERROR, "DEFAULT_5XX": ERROR}


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return deploy_function(cloud, archive({"app.py": FUNCTION}), Timeout=60)


@pytest.fixture(scope="module")
def api(cloud: Cloud, function: str) -> Api:
    return deploy_api(cloud, function, responses=RESPONSES)


def test_event_names_the_key_and_the_real_address(api: Api) -> None:
    response = api.call(headers={"x-api-key": api.key, "x-forwarded-for": "192.0.2.1"})
    context = response.json()["requestContext"]
    assert (response.status, context["resourcePath"]) == (201, "/item/{id}")
    assert (context["identity"]["apiKeyId"], context["identity"]["apiKey"]) == (api.key_id, api.key)
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 5


def test_access_log_has_a_line_for_every_request_without_the_key(cloud: Cloud, function: str) -> None:
    api = deploy_api(cloud, function)
    response = api.call(headers={"x-api-key": api.key, "user-agent": 'probe "2"'})
    rejected = api.call(headers={"x-api-key": "wrong-wrong-wrong-wrong"})
    assert (response.status, rejected.status) == (201, 403)
    first, second = api.log_lines(2)
    assert first["id"] == response.json()["requestContext"]["extendedRequestId"] != second["id"]
    assert (first["key"], first["status"], first["agent"]) == (api.key_id, "201", 'probe "2"')
    assert (first["integration_status"], first["type"]) == ("201", "-")
    assert int(first["latency"]) >= int(first["integration"])
    assert int(first["length"]) == len(response.data)
    assert (second["key"], second["status"], second["type"]) == ("-", "403", "INVALID_API_KEY")
    assert (second["integration"], second["integration_status"]) == ("-", "-")
    assert api.key not in json.dumps([first, second])


def test_error_has_the_id_of_the_access_log(api: Api) -> None:
    response = api.call(headers={})
    assert (response.status, response.json()["type"]) == (401, "INVALID_API_KEY")
    assert response.json()["id"] == response.headers["x-tollgate-request-id"]
    assert response.json()["id"] in {line["id"] for line in api.log_lines(1)}


@pytest.mark.parametrize(
    ("authorization", "error_type", "text"),
    [
        (None, "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token"),
        ("Bearer unused", "DEFAULT_4XX", "Authorization header requires 'Credential' parameter"),
        ("AWS4-HMAC-SHA256 Credential=A/1/r/bedrock/aws4_request", "INVALID_SIGNATURE", "'execute-api'"),
    ],
)
def test_unknown_path(api: Api, authorization: str | None, error_type: str, text: str) -> None:
    """OpenAI's SDKs always send an Authorization header, and boto3 one of another service."""
    response = api.call("/nowhere", headers={} if authorization is None else {"authorization": authorization})
    assert (response.status, response.json()["type"]) == (403, error_type)
    assert text in response.json()["text"]


def test_slow_function_ends_in_a_timeout(cloud: Cloud, function: str) -> None:
    api = deploy_api(cloud, function, timeout_ms=1_000, responses=RESPONSES)
    started = time.monotonic()
    response = api.call(body=json.dumps({"sleep": 50}))
    assert time.monotonic() - started < 25, "API Gateway does not wait for the function"
    assert (response.status, response.json()["type"]) == (504, "INTEGRATION_TIMEOUT")


def test_failed_function_is_502(api: Api) -> None:
    assert api.call(body=json.dumps({"fail": True})).status == 502


def test_function_at_its_reserved_concurrency_is_500(cloud: Cloud) -> None:
    name = deploy_function(cloud, archive({"app.py": FUNCTION}))
    cloud.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    response = deploy_api(cloud, name).call()
    assert (response.status, response.json()) == (500, {"message": "Internal server error"})


def test_disabled_key_and_key_of_another_stage_are_rejected(cloud: Cloud, function: str, api: Api) -> None:
    other = deploy_api(cloud, function)
    assert api.call(headers={"x-api-key": other.key}).status == 401
    disable = {"op": "replace", "path": "/enabled", "value": "false"}
    cloud.client("apigateway").update_api_key(apiKey=other.key_id, patchOperations=[disable])
    assert other.call().status == 403
