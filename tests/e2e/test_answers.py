"""Clients work through the gateway as they work without it: the real SDKs, plain and streamed."""

from __future__ import annotations

import json

import anthropic
import boto3
import openai
import pytest
from botocore.awsrequest import AWSRequest

from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

HELLO = [{"role": "user", "content": "Say hello to the tollgate."}]


def test_openai_chat(system: System) -> None:
    said = system.openai("alpha").chat.completions.with_raw_response.create(model="standin-small", messages=HELLO)
    answer = said.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    expected = answer.usage.prompt_tokens * 1_000 + answer.usage.completion_tokens * 4_000
    nano = round(float(said.headers["x-tollgate-cost-usd"]) * 1e9)
    assert nano == expected
    assert float(said.headers["x-tollgate-budget-remaining-usd"]) < 100
    assert int(said.headers["x-ratelimit-remaining-tokens"]) <= 1_000_000 - answer.usage.total_tokens


@pytest.mark.parametrize("asks_for_usage", [False, True])
def test_openai_chat_stream(system: System, asks_for_usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if asks_for_usage else {}
    chunks = list(
        system.openai("alpha").chat.completions.create(model="standin-small", messages=HELLO, stream=True, **options)
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    # The usage chunk is always asked for upstream, and shown only to those who asked.
    assert any(chunk.usage for chunk in chunks) is asks_for_usage
    assert all(chunk.choices for chunk in chunks) is not asks_for_usage


def test_openai_responses_plain_and_streamed(system: System) -> None:
    client = system.openai("alpha")
    assert client.responses.create(model="standin-small", input="Hello").output_text
    events = list(client.responses.create(model="standin-small", input="Hello", stream=True))
    assert events[-1].type == "response.completed"


def test_openai_embeddings_through_an_alias(system: System) -> None:
    answer = system.openai("alpha").embeddings.create(model="embedder", input=["one", "two"], encoding_format="float")
    assert [len(each.embedding) > 0 for each in answer.data] == [True, True]
    assert system.provider.calls()[-1].model == "standin-embedding"


def test_models_are_those_the_consumer_may_use(system: System) -> None:
    assert [model.id for model in system.openai("limited").models.list()] == ["standin-small"]
    assert "claude-standin" in [model.id for model in system.openai("alpha").models.list()]
    assert system.openai("limited").models.retrieve("standin-small").id == "standin-small"
    with pytest.raises(openai.NotFoundError):
        system.openai("limited").models.retrieve("claude-standin")
    assert [model.id for model in system.anthropic("alpha").models.list()] == ["claude-500", "claude-standin"]


def test_anthropic_messages_plain_streamed_and_counted(system: System) -> None:
    client = system.anthropic("alpha")
    answer = client.messages.create(model="claude-standin", max_tokens=100, messages=HELLO)
    assert answer.content[0].type == "text"
    with client.messages.stream(model="claude-standin", max_tokens=100, messages=HELLO) as stream:
        assert stream.get_final_message().usage.output_tokens > 0
    assert client.messages.count_tokens(model="claude-standin", messages=HELLO).input_tokens > 0


def test_bedrock_with_boto3(system: System) -> None:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{system.url}/bedrock",
        region_name="eu-west-1",
        aws_access_key_id="unused",
        aws_secret_access_key="unused",
    )
    key = system.key("alpha")

    def carry_the_key(request: AWSRequest, **_: object) -> None:
        request.headers["x-api-key"] = key
        # API Gateway turns the answer's base64 into bytes where the caller accepts nothing but a binary type.
        if request.url.endswith("/converse-stream"):
            request.headers["accept"] = "application/vnd.amazon.eventstream"

    client.meta.events.register("before-sign.bedrock-runtime.*", carry_the_key)
    messages = [{"role": "user", "content": [{"text": "Hello"}]}]
    answer = client.converse(modelId="nova-standin", messages=messages)
    assert answer["output"]["message"]["content"][0]["text"]
    events = list(client.converse_stream(modelId="nova-standin", messages=messages)["stream"])
    assert events[-1]["metadata"]["usage"]["outputTokens"] > 0


def test_providers_own_errors_pass_through(system: System) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        system.openai("alpha", max_retries=0).chat.completions.create(model="standin-500", messages=HELLO)
    assert caught.value.status_code == 500
    with pytest.raises(anthropic.BadRequestError):
        system.anthropic("alpha").messages.create(model="claude-standin", max_tokens=100, messages=[])


def test_a_function_of_ones_own_behind_the_same_keys(system: System) -> None:
    assert system.call("POST", "/tools/echo", {"a": 1}).status == 401
    answer = system.call("PUT", "/tools/echo", {"a": 1}, {"x-api-key": system.key("alpha")})
    assert answer.status == 200
    said = json.loads(answer.data)
    assert (said["method"], said["key_id"]) == ("PUT", system.key_id("alpha"))


def test_a_key_issued_outside_terraform_works(system: System) -> None:
    gateway, ledger = system.cloud.client("apigateway"), system.cloud.client("dynamodb")
    key = gateway.create_api_key(name="tollgate-e2e-issued-by-hand", enabled=True)
    plan = next(each for each in gateway.get_usage_plans()["items"] if each["name"] == "tollgate-e2e-open")
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    item = {
        "pk": {"S": f"KEY#{key['id']}"},
        "sk": {"S": "KEY"},
        "consumer": {"S": "issued"},
        "name": {"S": "by-hand"},
        "created_by": {"S": "operator"},
    }
    ledger.put_item(TableName=system.outputs["table"], Item=item)
    answer = system.call("GET", "/v1/models", headers={"x-api-key": key["value"]})
    assert answer.status == 200
    # Keys of operators are none of Terraform's business.
    assert system.deployment.plan() == ""
    gateway.delete_api_key(apiKey=key["id"])
