"""Wrong keys and too many calls are refused, in shapes that clients parse, and never reach the provider."""

from __future__ import annotations

import json
import time

import anthropic
import boto3
import openai
import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

CHAT = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}


def test_no_key_and_a_wrong_key_are_refused(system: System) -> None:
    before = len(system.provider.calls())
    for headers in ({}, {"x-api-key": "wrong-key-wrong-key-wrong-key"}):
        answer = system.call("POST", "/v1/chat/completions", CHAT, headers)
        assert answer.status == 401
        body = json.loads(answer.data)
        assert body["type"] == "error"
        assert body["error"]["message"]
        assert body["request_id"] == answer.headers["x-tollgate-request-id"]
        assert answer.headers["x-should-retry"] == "false"
    assert len(system.provider.calls()) == before


def test_the_sdks_raise_their_own_exceptions(system: System) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        openai.OpenAI(base_url=f"{system.url}/v1", api_key="unused").models.list()
    assert "x-api-key" in str(refused.value)
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=system.url, api_key="wrong").models.list()


@pytest.mark.parametrize(("key", "status", "words"), [("wrong", 401, "valid API key"), ("alpha", 404, "no such path")])
def test_boto3_says_why(system: System, key: str, status: int, words: str) -> None:
    """It shows no message but one at the top of the body. API Gateway refuses the key, or the verb, by itself."""
    session = boto3.Session(aws_access_key_id="of", aws_secret_access_key="nobody", region_name="eu-west-1")
    client = session.client("bedrock-runtime", endpoint_url=f"{system.url}/bedrock")
    value = "wrong-key-wrong-key" if key == "wrong" else system.key(key)
    client.meta.events.register(
        "before-send.bedrock-runtime.*", lambda request, **_: request.headers.update({"x-api-key": value})
    )
    asked = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]} if key == "wrong" else {"body": b"{}"}
    call = client.converse if key == "wrong" else client.invoke_model
    with pytest.raises(ClientError, match=words) as refused:
        call(modelId="nova-standin", **asked)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_an_unknown_path_is_refused(system: System) -> None:
    """Whoever asks is told so: boto3, whose signature is of another service, too, and OpenAI's client, whose token API
    Gateway takes for a signature gone wrong."""
    for headers in ({}, {"authorization": "AWS4-HMAC-SHA256 Credential=A/1/us-east-1/bedrock/aws4_request"}):
        answer = system.call("GET", "/v1/nothing", headers={"x-api-key": system.key("alpha"), **headers})
        assert (answer.status, json.loads(answer.data)["error"]["code"]) == (404, "route_not_found")
    client = system.openai("alpha").with_options(base_url=f"{system.url}/v2")
    with pytest.raises(openai.PermissionDeniedError, match=r"The API has no such path.*base URL") as refused:
        client.models.list()
    assert "requires 'Credential' parameter" in str(refused.value.body)


def test_a_disabled_key_is_refused(system: System) -> None:
    key_id, key = system.key_id("disabled"), system.key("disabled")
    assert system.call("GET", "/v1/models", headers={"x-api-key": key}).status == 200
    gateway = system.cloud.client("apigateway")
    switch = {"op": "replace", "path": "/enabled"}
    gateway.update_api_key(apiKey=key_id, patchOperations=[{**switch, "value": "false"}])
    assert system.call("GET", "/v1/models", headers={"x-api-key": key}).status == 401
    gateway.update_api_key(apiKey=key_id, patchOperations=[{**switch, "value": "true"}])


def test_a_plan_throttles(system: System) -> None:
    headers = {"x-api-key": system.key("throttled")}
    answers = [system.call("GET", "/v1/models", headers=headers) for _ in range(8)]
    refused = [answer for answer in answers if answer.status == 429]
    assert answers[0].status == 200
    assert refused
    assert json.loads(refused[0].data)["error"]["code"] == "rate_limit_exceeded"
    assert "x-should-retry" not in refused[0].headers


def test_a_quota_ends(system: System) -> None:
    headers = {"x-api-key": system.key("quota")}
    answers = [system.call("GET", "/v1/models", headers=headers) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert json.loads(answers[-1].data)["error"]["code"] == "quota_exceeded"
    assert answers[-1].headers["x-should-retry"] == "false"


def test_a_model_outside_the_policy(system: System) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        system.openai("limited").embeddings.create(model="embedder", input="x")
    assert "standin-small" in str(refused.value)


def test_a_spent_budget_is_refused_once_and_for_all(system: System) -> None:
    before = len(system.provider.calls())
    client = system.openai("poor", max_retries=5)
    began = time.monotonic()
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="standin-small", messages=CHAT["messages"], max_tokens=1000)
    assert refused.value.code == "budget_exceeded"
    assert "0.001 USD" in str(refused.value)
    # x-should-retry: false keeps the SDK from its five tries, of which the last would come many seconds later.
    assert time.monotonic() - began < 5
    assert len(system.provider.calls()) == before


def test_a_time_out_after_the_provider_was_called_is_not_sent_again(system: System) -> None:
    before = len(system.provider.calls())
    with pytest.raises(openai.APIStatusError) as failed:
        system.openai("alpha", max_retries=3).chat.completions.create(model="standin-slow-3", messages=CHAT["messages"])
    assert failed.value.status_code == 504
    assert len(system.provider.calls()) == before + 1
