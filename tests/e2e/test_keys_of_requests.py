"""Which keys open the API, in whichever header: every kind of key on every route, and an authorizer that is down."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import boto3
import openai
import pytest
import urllib3
from botocore.exceptions import ClientError

from lambda_src.contract import KEY_SK, ROUTES, key_pk
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.temporary_changes import AUTHORIZER, findings, temporarily

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

HELLO = [{"role": "user", "content": "Hello"}]
BODIES: dict[str, Any] = {
    "chat": {"model": "standin-small", "messages": HELLO},
    "responses": {"model": "standin-small", "input": "Hello"},
    "embeddings": {"model": "embedder", "input": "Hello"},
    "messages": {"model": "claude-standin", "max_tokens": 9, "messages": HELLO},
    "count_tokens": {"model": "claude-standin", "messages": HELLO},
    "converse": {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]},
    "converse_stream": {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]},
}
MODELS = {"model": "standin-small", "converse": "nova-standin", "converse_stream": "nova-standin"}
OWN = [
    (path, route.method, path.replace("{model}", MODELS.get(route.name, "")), BODIES.get(route.name))
    for route in ROUTES
    for path in route.paths
]
CUSTOM = ("echo", "POST", "/tools/echo", {"a": 1})
UNKNOWN = "sk-no-key-of-this-gateway-0123456789"

# Placeholders are replaced by the values of keys.
ACCEPTED = {
    "bearer": {"authorization": "Bearer GOOD"},
    "lower-case scheme": {"authorization": "bearer GOOD"},
    "x-api-key": {"x-api-key": "GOOD"},
    "x-api-key and an unknown bearer": {"x-api-key": "GOOD", "authorization": f"Bearer {UNKNOWN}"},
    "x-api-key and a malformed bearer": {"x-api-key": "GOOD", "authorization": "Bearer unused"},
    "x-api-key and Basic": {"x-api-key": "GOOD", "authorization": "Basic dXNlcjpwYXNzd29yZA=="},
}
UNAUTHORIZED = {
    "none": {},
    "Basic": {"authorization": "Basic dXNlcjpwYXNzd29yZA=="},
    "without scheme": {"authorization": "GOOD"},
    "empty bearer": {"authorization": "Bearer "},
    "too short": {"authorization": "Bearer unused"},
    "white space inside": {"authorization": "Bearer GOOD GOOD"},
    "very long": {"authorization": "Bearer " + "k" * 4_000},
    "non-ASCII": {"authorization": "Bearer GOODé"},
    "malformed x-api-key and a good bearer": {"x-api-key": "unused", "authorization": "Bearer GOOD"},
}
INVALID = {
    "unknown": {"authorization": f"Bearer {UNKNOWN}"},
    "unknown x-api-key": {"x-api-key": UNKNOWN},
    "disabled": {"authorization": "Bearer DISABLED"},
    "in no plan": {"authorization": "Bearer UNPLANNED"},
    "in another API's plan": {"authorization": "Bearer ELSEWHERE"},
    "unknown x-api-key and a good bearer": {"x-api-key": UNKNOWN, "authorization": "Bearer GOOD"},
}


@pytest.fixture(scope="module")
def values(system: System) -> Iterator[dict[str, str]]:
    """Values of keys by the placeholder that stands for them."""
    gateway, ledger = system.cloud.client("apigateway"), system.cloud.client("dynamodb")
    plan = system.outputs["plan_ids"]["open"]
    other = gateway.create_usage_plan(name=f"another-{uuid.uuid4().hex}")["id"]
    keys: dict[str, dict[str, Any]] = {}
    for name, plan_id in (("DISABLED", plan), ("UNPLANNED", None), ("ELSEWHERE", other), ("EXPIRED", plan)):
        keys[name] = gateway.create_api_key(name=f"tollgate-e2e-keys-{name.lower()}", enabled=name != "DISABLED")
        if plan_id is not None:
            gateway.create_usage_plan_key(usagePlanId=plan_id, keyId=keys[name]["id"], keyType="API_KEY")
        item = {"pk": key_pk(keys[name]["id"]), "sk": KEY_SK, "consumer": "alpha", "name": name.lower()}
        item |= {"created_by": "operator", "expires": "2020-01-01T00:00:00+00:00"}
        ledger.put_item(
            TableName=system.outputs["table"], Item={member: {"S": value} for member, value in item.items()}
        )
    yield {"GOOD": system.key("alpha"), **{name: key["value"] for name, key in keys.items()}}
    for key in keys.values():
        gateway.delete_api_key(apiKey=key["id"])
        ledger.delete_item(TableName=system.outputs["table"], Key={"pk": {"S": key_pk(key["id"])}, "sk": {"S": KEY_SK}})
    gateway.delete_usage_plan(usagePlanId=other)


def filled(headers: dict[str, str], values: dict[str, str]) -> dict[str, str]:
    """`headers` with the values of keys."""
    for name, value in values.items():
        headers = {header: text.replace(name, value) for header, text in headers.items()}
    return headers


def on_every_route(system: System, headers: dict[str, str]) -> dict[str, urllib3.BaseHTTPResponse]:
    """The response of each route, ours by path and the custom function's as `echo`."""
    with ThreadPoolExecutor(5) as pool:
        responses = pool.map(lambda route: system.call(*route[1:], headers), (*OWN, CUSTOM))
        return dict(zip([name for name, *_ in (*OWN, CUSTOM)], responses, strict=True))


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted_on_every_route(system: System, values: dict[str, str], case: str) -> None:
    responses = on_every_route(system, filled(ACCEPTED[case], values))
    assert {name: response.status for name, response in responses.items()} == dict.fromkeys(responses, 200)
    assert json.loads(responses["echo"].data)["key_id"] == system.key_id("alpha")


@pytest.mark.parametrize("case", [*UNAUTHORIZED, *INVALID])
def test_rejected_on_every_route(system: System, values: dict[str, str], case: str) -> None:
    """By API Gateway, before any function and any provider."""
    headers = filled({**UNAUTHORIZED, **INVALID}[case], values)
    before, lines = len(system.provider.calls()), len(system.log_lines("/tollgate/e2e/usage"))
    for name, response in on_every_route(system, headers).items():
        error = json.loads(response.data)
        assert (response.status, error["error"]["code"]) == (401, "invalid_api_key"), name
        assert (error["type"], error["error"]["type"]) == ("error", "authentication_error")
        assert error["message"] == error["error"]["message"]
        assert "as your SDK's api_key" in error["message"]
        assert ("No API key" in error["message"]) is (case in UNAUTHORIZED)
        assert response.headers["x-should-retry"] == "false"
        assert error["request_id"] == response.headers["x-tollgate-request-id"]
    assert len(system.provider.calls()) == before
    assert len(system.log_lines("/tollgate/e2e/usage")) == lines


def test_expired_key_is_rejected_by_the_gateway(system: System, values: dict[str, str]) -> None:
    """Custom functions do not read the ledger, as README.md says: they accept the key until it is revoked."""
    before = len(system.provider.calls())
    headers = {"authorization": f"Bearer {values['EXPIRED']}"}
    responses = on_every_route(system, headers)
    assert responses.pop("echo").status == 200
    for name, response in responses.items():
        assert response.status == 403, name
        assert b"expired" in response.data
    assert len(system.provider.calls()) == before


@pytest.mark.parametrize("value", ["UNKNOWN", "unused", "DISABLED"])
def test_sdks_raise_authentication_errors(
    system: System, values: dict[str, str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    key = {**values, "UNKNOWN": UNKNOWN}.get(value, value)
    with pytest.raises(openai.AuthenticationError, match="as your SDK's api_key"):
        openai.OpenAI(base_url=f"{system.url}/v1", api_key=key).responses.create(model="standin-small", input="Hello")
    with pytest.raises(anthropic.AuthenticationError, match="as your SDK's api_key"):
        anthropic.Anthropic(base_url=system.url, api_key=key).messages.create(**BODIES["messages"])
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
    client = boto3.client("bedrock-runtime", endpoint_url=f"{system.url}/bedrock", region_name="eu-west-1")
    with pytest.raises(ClientError, match="as your SDK's api_key") as rejected:
        client.converse(modelId="nova-standin", **BODIES["converse"])
    assert rejected.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401


@pytest.mark.parametrize("broken", ["throttled", "crashing"])
def test_authorizer_that_is_down_opens_nothing(
    system: System, tollgate: Command, values: dict[str, str], broken: str
) -> None:
    """With valid keys, without one and with an unknown one. Nothing was charged, so clients may retry."""
    client, before = system.cloud.client("lambda"), len(system.provider.calls())
    handler = client.get_function_configuration(FunctionName=AUTHORIZER)["Handler"]
    changes = {
        "throttled": (
            lambda: client.put_function_concurrency(FunctionName=AUTHORIZER, ReservedConcurrentExecutions=0),
            lambda: client.delete_function_concurrency(FunctionName=AUTHORIZER),
        ),
        "crashing": (
            lambda: client.update_function_configuration(FunctionName=AUTHORIZER, Handler="lambda_src.nothing.here"),
            lambda: client.update_function_configuration(FunctionName=AUTHORIZER, Handler=handler),
        ),
    }
    with temporarily(*changes[broken]):
        for headers in (ACCEPTED["bearer"], ACCEPTED["x-api-key"], UNAUTHORIZED["none"], INVALID["unknown"]):
            for name, response in on_every_route(system, filled(headers, values)).items():
                error = json.loads(response.data)
                assert (response.status, error["error"]["code"]) == (503, "authorizer_unavailable"), name
                assert "nothing was charged" in error["message"]
                assert response.headers["retry-after"] == "1"
                assert "x-should-retry" not in response.headers
        with pytest.raises(openai.InternalServerError):
            system.openai("alpha", max_retries=0).models.list()
        with pytest.raises(anthropic.InternalServerError):
            system.anthropic("alpha", max_retries=0).models.list()
        if broken == "throttled":
            (found,) = findings(tollgate, "functions", accepted=1)
            assert found["found"] == f"{AUTHORIZER} cannot run: its reserved concurrency is 0"
        (found,) = findings(tollgate, "answers", accepted=1)
        assert "returned 503, not 401" in found["found"]
    assert len(system.provider.calls()) == before
    assert system.openai("alpha").models.list().data
