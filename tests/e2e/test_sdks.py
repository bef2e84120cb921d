"""The real SDKs work through the gateway as without it, with and without streaming."""

from __future__ import annotations

import base64
import json

import anthropic
import boto3
import openai
import pytest

from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

HELLO = [{"role": "user", "content": "Say hello to the tollgate."}]


def test_openai_chat(system: System) -> None:
    raw_response = system.openai("alpha").chat.completions.with_raw_response.create(
        model="standin-small", messages=HELLO
    )
    completion = raw_response.parse()
    assert completion.choices[0].message.content
    assert completion.usage is not None
    expected = completion.usage.prompt_tokens * 1_000 + completion.usage.completion_tokens * 4_000
    nano = round(float(raw_response.headers["x-tollgate-cost-usd"]) * 1e9)
    assert nano == expected
    assert float(raw_response.headers["x-tollgate-budget-remaining-usd"]) < 100
    assert int(raw_response.headers["x-ratelimit-remaining-tokens"]) <= 1_000_000 - completion.usage.total_tokens


@pytest.mark.parametrize("include_usage", [False, True])
def test_openai_chat_stream(system: System, include_usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    chunks = list(
        system.openai("alpha").chat.completions.create(model="standin-small", messages=HELLO, stream=True, **options)
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    # The gateway always requests the usage chunk, and removes it unless the client requested it too.
    assert any(chunk.usage for chunk in chunks) is include_usage
    assert all(chunk.choices for chunk in chunks) is not include_usage


def test_openai_responses(system: System) -> None:
    client = system.openai("alpha")
    assert client.responses.create(model="standin-small", input="Hello").output_text
    events = list(client.responses.create(model="standin-small", input="Hello", stream=True))
    assert events[-1].type == "response.completed"


def test_openai_embeddings_with_an_upstream_name(system: System) -> None:
    response = system.openai("alpha").embeddings.create(model="embedder", input=["one", "two"], encoding_format="float")
    assert [len(item.embedding) > 0 for item in response.data] == [True, True]
    assert system.provider.calls()[-1].model == "standin-embedding"


def test_model_list_is_limited_to_the_policy(system: System) -> None:
    assert [model.id for model in system.openai("limited").models.list()] == ["standin-small"]
    assert "claude-standin" in [model.id for model in system.openai("alpha").models.list()]
    assert system.openai("limited").models.retrieve("standin-small").id == "standin-small"
    with pytest.raises(openai.NotFoundError):
        system.openai("limited").models.retrieve("claude-standin")
    assert [model.id for model in system.anthropic("alpha").models.list()] == ["claude-500", "claude-standin"]


def test_anthropic_messages_and_token_count(system: System) -> None:
    client = system.anthropic("alpha")
    message = client.messages.create(model="claude-standin", max_tokens=100, messages=HELLO)
    assert message.content[0].type == "text"
    with client.messages.stream(model="claude-standin", max_tokens=100, messages=HELLO) as stream:
        assert stream.get_final_message().usage.output_tokens > 0
    assert client.messages.count_tokens(model="claude-standin", messages=HELLO).input_tokens > 0


def test_bedrock_with_boto3(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", system.key("alpha"))
    client = boto3.client("bedrock-runtime", endpoint_url=f"{system.url}/bedrock", region_name="eu-west-1")
    messages = [{"role": "user", "content": [{"text": "Hello"}]}]
    response = client.converse(modelId="nova-standin", messages=messages)
    assert response["output"]["message"]["content"][0]["text"]
    events = list(client.converse_stream(modelId="nova-standin", messages=messages)["stream"])
    assert events[-1]["metadata"]["usage"]["outputTokens"] > 0


def test_provider_errors_pass_through(system: System) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        system.openai("alpha", max_retries=0).chat.completions.create(model="standin-500", messages=HELLO)
    assert caught.value.status_code == 500
    with pytest.raises(anthropic.BadRequestError):
        system.anthropic("alpha").messages.create(model="claude-standin", max_tokens=100, messages=[])


def test_custom_function_requires_the_same_keys(system: System) -> None:
    assert system.call("POST", "/tools/echo", {"a": 1}).status == 401
    response = system.call("PUT", "/tools/echo", {"a": 1}, {"x-api-key": system.key("alpha")})
    assert response.status == 200
    event = json.loads(response.data)
    assert (event["method"], event["key_id"]) == ("PUT", system.key_id("alpha"))
    assert json.loads(base64.b64decode(event["body"])) == {"a": 1}


def test_key_created_outside_terraform_works(system: System) -> None:
    gateway, ledger = system.cloud.client("apigateway"), system.cloud.client("dynamodb")
    key = gateway.create_api_key(name="tollgate-e2e-issued-by-hand", enabled=True)
    plan = next(plan for plan in gateway.get_usage_plans()["items"] if plan["name"] == "tollgate-e2e-open")
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    item = {
        "pk": {"S": f"KEY#{key['id']}"},
        "sk": {"S": "KEY"},
        "consumer": {"S": "issued"},
        "name": {"S": "by-hand"},
        "created_by": {"S": "operator"},
    }
    ledger.put_item(TableName=system.outputs["table"], Item=item)
    response = system.call("GET", "/v1/models", headers={"x-api-key": key["value"]})
    assert response.status == 200
    # Terraform ignores keys that operators created.
    assert system.deployment.plan() == ""
    gateway.delete_api_key(apiKey=key["id"])
