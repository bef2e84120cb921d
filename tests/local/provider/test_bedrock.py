"""boto3 works with the stand-in's Bedrock dialect."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError, EventStreamError

from local.provider.server import StandInProvider
from tests.local.provider.conftest import bedrock_client

HELLO = [{"role": "user", "content": [{"text": "Hello, world!"}]}]
ECHO = "You said: Hello, world!"
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


def test_converse(bedrock: Any, provider: StandInProvider) -> None:
    response = bedrock.converse(modelId=MODEL, messages=HELLO, system=[{"text": "Be kind."}])
    assert response["output"]["message"] == {"role": "assistant", "content": [{"text": ECHO}]}
    assert response["stopReason"] == "end_turn"
    assert {name: response["usage"][name] for name in ("inputTokens", "outputTokens", "totalTokens")} == {
        "inputTokens": 7, "outputTokens": 6, "totalTokens": 13,
    }  # fmt: skip
    assert [(call.model, call.dialect, call.operation) for call in provider.calls()] == [(MODEL, "bedrock", "converse")]


def test_converse_stream(bedrock: Any, provider: StandInProvider) -> None:
    model = f"{MODEL}+cached+cachewrite+reasoning"
    arguments = {"messages": [{"role": "user", "content": [{"text": "x" * 396}]}], "serviceTier": {"type": "flex"}}
    events = list(bedrock.converse_stream(modelId=model, inferenceConfig={"maxTokens": 44}, **arguments)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta["text"] for delta in deltas if "text" in delta) == "You said: xxxxxx"
    assert any("reasoningContent" in delta for delta in deltas)
    assert [next(iter(event)) for event in events[-2:]] == ["messageStop", "metadata"]
    assert events[-2]["messageStop"]["stopReason"] == "max_tokens"
    assert events[-1]["metadata"]["serviceTier"] == {"type": "flex"}
    assert events[-1]["metadata"]["usage"] == {
        "inputTokens": 11,
        "outputTokens": 44,
        "totalTokens": 144,
        "cacheReadInputTokens": 50,
        "cacheWriteInputTokens": 39,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 25}, {"ttl": "1h", "inputTokens": 14}],
    }
    tokens = provider.calls()[0].tokens
    assert (tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h) == (11, 50, 25, 14)
    assert (tokens.output, tokens.reasoning) == (44, 40)


def test_errors_raise_botos_exceptions(bedrock: Any) -> None:
    with pytest.raises(bedrock.exceptions.ThrottlingException):
        bedrock.converse(modelId="standin-429", messages=HELLO)
    with pytest.raises(bedrock.exceptions.ServiceUnavailableException):
        bedrock.converse(modelId="standin-503", messages=HELLO)
    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        list(bedrock.converse_stream(modelId="standin-error-event", messages=HELLO)["stream"])


def test_signatures_are_checked(provider: StandInProvider) -> None:
    with pytest.raises(ClientError) as error:
        bedrock_client(provider.url, "another-secret").converse(modelId=MODEL, messages=HELLO)
    assert error.value.response["Error"]["Code"] == "InvalidSignatureException"
    unsigned = urllib3.request("POST", f"{provider.url}/model/{MODEL}/converse", json={"messages": HELLO})
    assert (unsigned.status, unsigned.json()) == (403, {"message": "Missing Authentication Token"})
    assert [call.status for call in provider.calls()] == [403, 403]
