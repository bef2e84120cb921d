"""API Gateway's data plane: the event, the access log, refusals, binary answers, failures of a function."""

import base64
import json
import time

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function

ECHO = """
import json, time
def handler(event, context):
    wanted = json.loads(event["body"]) if event["body"] and not event["isBase64Encoded"] else {}
    time.sleep(wanted.get("sleep", 0))
    if wanted.get("fail"):
        raise ValueError("a secret inner detail")
    if "answer" in wanted:
        return wanted["answer"]
    return {"statusCode": 201, "headers": {"x-one": "1"}, "multiValueHeaders": {"x-two": ["a", "b"]},
            "body": json.dumps(event)}
"""
STREAM = "application/vnd.amazon.eventstream"
REFUSAL = (
    '{"type":"$context.error.responseType","text":$context.error.messageString,"key":"$context.identity.apiKeyId"}'
)
REFUSED = {"responseTemplates": {"application/json": REFUSAL}}


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return deploy_function(cloud, archive({"app.py": ECHO}), Timeout=10)


@pytest.fixture(scope="module")
def api(cloud: Cloud, function: str) -> Api:
    headers = {"gatewayresponse.header.x-tollgate-request-id": "context.requestId"}
    return deploy_api(
        cloud,
        function,
        timeout_ms=1_000,
        binary=(STREAM,),
        responses={
            "INVALID_API_KEY": {"statusCode": "401", **REFUSED},
            "DEFAULT_4XX": {"responseParameters": headers, **REFUSED},
            "INTEGRATION_TIMEOUT": {
                "statusCode": "504",
                "responseParameters": {"gatewayresponse.header.x-should-retry": "'false'"},
                **REFUSED,
            },
            "DEFAULT_5XX": REFUSED,
        },
    )


def test_the_event_says_whose_key_it_was(api: Api) -> None:
    answer = api.call(headers={"x-api-key": api.key, "user-agent": "probe/1"})
    event = answer.json()
    context = event["requestContext"]
    assert answer.status == 201
    assert context["identity"]["apiKeyId"] == api.key_id
    assert context["identity"]["apiKey"] == api.key
    assert context["identity"]["userAgent"] == "probe/1"
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["requestId"] == answer.headers["x-amzn-requestid"]
    assert context["resourcePath"] == event["resource"] == "/item/{id}"
    assert (context["stage"], context["path"], event["path"]) == ("v1", "/v1/item/7", "/item/7")
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 5


def test_repeated_headers_and_parameters_arrive_one_by_one(api: Api) -> None:
    from urllib3 import HTTPHeaderDict

    headers = HTTPHeaderDict({"x-api-key": api.key})
    headers.add("x-tag", "one")
    headers.add("x-tag", "two")
    event = api.call("/item/7?q=1&q=2", headers=headers).json()
    assert event["multiValueHeaders"]["x-tag"] == ["one", "two"]
    assert event["headers"]["x-tag"] == "two"
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert event["queryStringParameters"] == {"q": "2"}
    assert event["headers"]["X-Forwarded-Proto"] == "https"


def test_a_function_answers_headers_with_several_values(api: Api) -> None:
    answer = api.call()
    assert answer.headers["x-one"] == "1"
    assert answer.headers.getlist("x-two") == ["a", "b"]


def test_binary_bodies_pass_both_ways_for_the_binary_media_type(api: Api) -> None:
    raw = bytes(range(256))
    sent = api.call(body=raw, headers={"x-api-key": api.key, "content-type": STREAM}).json()
    assert (sent["isBase64Encoded"], base64.b64decode(sent["body"])) == (True, raw)
    reply = {"statusCode": 200, "body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
    body = json.dumps({"answer": reply})
    accepted = api.call(body=body, headers={"x-api-key": api.key, "accept": f"{STREAM}, */*"})
    assert accepted.data == raw
    other = api.call(body=body, headers={"x-api-key": api.key, "accept": "*/*"})
    assert other.data == base64.b64encode(raw)


def test_the_access_log_has_a_line_for_every_call_and_never_the_key(cloud: Cloud, function: str) -> None:
    own = deploy_api(cloud, function)
    answered = own.call(headers={"x-api-key": own.key, "user-agent": "probe/2"})
    refused = own.call(headers={"x-api-key": "wrong-wrong-wrong-wrong"})
    lines = {line["id"]: line for line in own.log_lines(2)}
    good = lines[answered.headers["x-amzn-requestid"]]
    bad = lines[refused.headers["x-amzn-requestid"]]
    assert len(lines) == 2
    assert (good["key"], good["status"], good["method"], good["resource"]) == (own.key_id, "201", "POST", "/item/{id}")
    assert (good["path"], good["agent"], good["ip"], good["protocol"]) == (
        "/v1/item/7",
        "probe/2",
        "127.0.0.1",
        "HTTP/1.1",
    )
    assert (good["integration_status"], good["error"], good["integration_error"]) == ("200", "-", "-")
    assert int(good["length"]) == len(answered.data)
    assert int(good["latency"]) >= int(good["integration"]) >= 0
    assert abs(int(good["time"]) / 1000 - time.time()) < 60
    assert (bad["key"], bad["status"], bad["type"], bad["error"]) == ("-", "403", "INVALID_API_KEY", "Forbidden")
    assert (bad["integration"], bad["integration_status"]) == ("-", "-")
    assert own.key not in json.dumps([good, bad])


def test_quotes_of_a_caller_do_not_end_the_line_of_the_access_log(cloud: Cloud, function: str) -> None:
    own = deploy_api(cloud, function)
    agent = 'probe "3", "key": "forged" \\'
    own.call(headers={"x-api-key": own.key, "user-agent": agent})
    (line,) = own.log_lines(1)
    assert (line["agent"], line["key"]) == (agent, own.key_id)


def test_a_wrong_key_gets_the_customized_refusal(api: Api) -> None:
    answer = api.call(headers={"x-api-key": "wrong-wrong-wrong-wrong"})
    assert answer.status == 401
    assert answer.json() == {"type": "INVALID_API_KEY", "text": "Forbidden", "key": ""}


def test_an_unknown_path_falls_back_to_the_default_refusal(api: Api) -> None:
    answer = api.call("/nowhere")
    assert answer.status == 403
    assert answer.json()["type"] == "MISSING_AUTHENTICATION_TOKEN"
    assert answer.headers["x-tollgate-request-id"] == answer.headers["x-amzn-requestid"]


def test_an_unknown_path_asks_for_a_signature_where_there_is_an_authorization_header(api: Api) -> None:
    """As OpenAI's SDKs always send one, and boto3 another."""
    bearer = api.call("/nowhere", headers={"authorization": "Bearer unused"})
    assert (bearer.status, bearer.headers["x-amzn-errortype"]) == (403, "IncompleteSignatureException")
    assert "Authorization header requires 'Credential' parameter" in bearer.json()["text"]
    signed = api.call("/nowhere", headers={"authorization": "AWS4-HMAC-SHA256 Credential=A/1/r/bedrock/aws4_request"})
    assert (signed.status, signed.json()["type"]) == (403, "INVALID_SIGNATURE")
    assert "'execute-api'" in signed.json()["text"]


@pytest.mark.parametrize("size", [6 * 1024 * 1024, 10 * 1024 * 1024 + 1])
def test_a_body_too_large_is_refused(api: Api, size: int) -> None:
    answer = api.call(body=b"x" * size)
    assert answer.status == 413
    assert answer.json()["type"] == "REQUEST_TOO_LARGE"


def test_a_disabled_key_is_refused(cloud: Cloud, function: str) -> None:
    own = deploy_api(cloud, function)
    assert own.call().status == 201
    operation = {"op": "replace", "path": "/enabled", "value": "false"}
    cloud.client("apigateway").update_api_key(apiKey=own.key_id, patchOperations=[operation])
    assert own.call().status == 403


def test_a_key_of_another_stage_is_refused(cloud: Cloud, function: str, api: Api) -> None:
    stranger = deploy_api(cloud, function)
    assert api.call(headers={"x-api-key": stranger.key}).status == 401


def test_throttled_calls_get_429_and_name_the_key_in_the_log(cloud: Cloud, function: str) -> None:
    own = deploy_api(cloud, function, throttle={"rateLimit": 0.01, "burstLimit": 1}, responses={"THROTTLED": REFUSED})
    assert own.call().status == 201
    answer = own.call()
    assert answer.status == 429
    assert answer.json() == {"type": "THROTTLED", "text": "Too Many Requests", "key": own.key_id}
    assert [line["key"] for line in own.log_lines(2)] == [own.key_id, own.key_id]


def test_a_spent_quota_gets_429(cloud: Cloud, function: str) -> None:
    own = deploy_api(cloud, function, quota={"limit": 1, "period": "DAY"}, responses={"QUOTA_EXCEEDED": REFUSED})
    assert own.call().status == 201
    answer = own.call()
    assert (answer.status, answer.json()["type"]) == (429, "QUOTA_EXCEEDED")


def test_a_slow_function_ends_in_the_time_out_response(api: Api) -> None:
    started = time.monotonic()
    answer = api.call(body=json.dumps({"sleep": 3}))
    assert time.monotonic() - started < 2.5
    assert answer.status == 504
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["type"] == "INTEGRATION_TIMEOUT"


@pytest.mark.parametrize("body", [{"fail": True}, {"answer": "text"}, {"answer": {"status": 200}}])
def test_a_failed_function_is_502_without_its_words(api: Api, body: dict[str, object]) -> None:
    answer = api.call(body=json.dumps(body))
    assert answer.status == 502
    assert answer.json() == {"type": "DEFAULT_5XX", "text": "Internal server error", "key": api.key_id}


def test_a_function_at_its_reserved_concurrency_is_500(cloud: Cloud) -> None:
    name = deploy_function(cloud, archive({"app.py": ECHO}))
    cloud.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    answer = deploy_api(cloud, name).call()
    assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})


@pytest.mark.parametrize(
    "source_arn",
    [
        "arn:aws:execute-api:*:*:{api}/v2/*",
        "arn:aws:execute-api:*:*:other/*/*/*",
        "arn:aws:execute-api:*:111111111111:{api}/*",
    ],
)
def test_a_permission_for_something_else_is_500_and_says_so_in_the_log(
    cloud: Cloud, function: str, source_arn: str
) -> None:
    own = deploy_api(cloud, function, source_arn=source_arn)
    assert own.call().status == 500
    assert own.log_lines(1)[0]["integration_error"] == "Invalid permissions on Lambda function"
