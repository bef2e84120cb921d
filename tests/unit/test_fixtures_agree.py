"""The bodies in `tests/fixtures/providers` parse with the SDKs, and genai-prices finds the same usage in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from anthropic.types import Message, MessageDeltaUsage, Usage
from botocore.eventstream import EventStreamBuffer
from genai_prices.data import providers
from genai_prices.types import Usage as Extracted
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response
from pydantic import BaseModel

from lambda_src.contract import ROUTES, TOKEN_CLASSES

HERE: Final = Path(__file__).parent.parent / "fixtures" / "providers"
EXTRACTORS: Final = {
    "chat": ("openai", "chat"),
    "responses": ("openai", "responses"),
    "embeddings": ("openai", "embeddings"),
    "messages": ("anthropic", "default"),
    "converse": ("aws", "default"),
    "converse_stream": ("aws", "default"),
}
TYPES: Final[dict[str, type[BaseModel]]] = {
    "chat": ChatCompletion,
    "responses": Response,
    "embeddings": CreateEmbeddingResponse,
    "messages": Message,
}
NAMES: Final = sorted(path.name.removesuffix(".expected.json") for path in HERE.glob("*.expected.json"))


def expectation(name: str) -> dict[str, Any]:
    return dict(json.loads((HERE / f"{name}.expected.json").read_text()))


def body_of(name: str) -> Path:
    (body,) = [path for end in ("json", "sse", "eventstream") if (path := HERE / f"{name}.{end}").exists()]
    return body


def events_of(name: str) -> list[dict[str, Any]]:
    """The JSON of a stream's complete events."""
    path = body_of(name)
    if path.suffix == ".eventstream":
        buffer = EventStreamBuffer()
        buffer.add_data(path.read_bytes())
        return [json.loads(event.payload) for event in buffer]
    events = path.read_text().split("\n\n")[:-1]
    data = [line.removeprefix("data: ") for event in events for line in event.splitlines() if line.startswith("data: ")]
    return [json.loads(text) for text in data if text != "[DONE]"]


def usage_body(name: str) -> dict[str, Any] | None:
    """The part of a body with usage, for an extractor; None if the usage is spread over several events."""
    expected = expectation(name)
    if not expected["reported"] or (expected["stream"] and expected["route"] == "messages"):
        return None
    if not expected["stream"]:
        return dict(json.loads(body_of(name).read_text()))
    bodies = [event.get("response", event) for event in events_of(name)]
    return next(dict(body) for body in reversed(bodies) if body.get("usage"))


@pytest.mark.parametrize("name", [name for name in NAMES if usage_body(name) is not None])
def test_expectations_agree_with_genai_prices(name: str) -> None:
    expected = expectation(name)
    provider, flavor = EXTRACTORS[expected["route"]]
    model, usage = next(entry for entry in providers if entry.id == provider).extract_usage(
        usage_body(name), api_flavor=flavor
    )
    tokens = expected["tokens"]
    written = tokens["cache_write_5m"] + tokens["cache_write_1h"]
    assert model == expected["model"]
    assert usage.reported_value("input_tokens") == sum(tokens[name] for name in TOKEN_CLASSES if "output" not in name)
    assert usage.reported_value("output_tokens") == tokens["output"] + tokens["output_audio"]
    assert usage.reported_value("cache_read_tokens") == tokens["cache_read"]
    assert usage.reported_value("cache_write_tokens") == written
    assert usage.reported_value("cache_write_1h_tokens") == tokens["cache_write_1h"]
    assert usage.reported_value("input_audio_tokens") == tokens["input_audio"]
    assert usage.reported_value("output_audio_tokens") == tokens["output_audio"]
    assert usage.reported_value("output_reasoning_tokens") == tokens["reasoning"]


def test_anthropic_deltas_override_the_usage_at_the_start() -> None:
    """genai-prices gets the fields in effect at the end, selected here by hand."""
    final = {"input_tokens": 9530, "cache_creation_input_tokens": 640, "cache_read_input_tokens": 2048,
             "output_tokens": 288, "output_tokens_details": {"thinking_tokens": 77}}  # fmt: skip
    anthropic = next(entry for entry in providers if entry.id == "anthropic")
    _, usage = anthropic.extract_usage({"model": "claude-sonnet-4-6", "usage": final})
    tokens = expectation("anthropic-stream-deltas")["tokens"]
    assert usage == Extracted(
        input_tokens=tokens["input"] + tokens["cache_read"] + tokens["cache_write_5m"],
        cache_write_tokens=tokens["cache_write_5m"],
        cache_read_tokens=tokens["cache_read"],
        output_tokens=tokens["output"],
        output_reasoning_tokens=tokens["reasoning"],
    )


@pytest.mark.parametrize("name", [name for name in NAMES if expectation(name)["route"] in TYPES])
def test_bodies_parse_with_the_sdks(name: str) -> None:
    expected = expectation(name)
    if not expected["stream"]:
        TYPES[expected["route"]].model_validate_json(body_of(name).read_text())
        return
    events = events_of(name)
    assert events
    for event in events:
        if expected["route"] == "chat" and "error" not in event:
            ChatCompletionChunk.model_validate(event)
        elif "response" in event:
            Response.model_validate(event["response"])
        elif event.get("type") == "message_start":
            Usage.model_validate(event["message"]["usage"])
        elif event.get("type") == "message_delta":
            MessageDeltaUsage.model_validate(event["usage"])


@pytest.mark.parametrize("name", [name for name in NAMES if (HERE / f"{name}.eventstream").exists()])
def test_binary_streams_contain_the_events_listed_beside_them(name: str) -> None:
    readable = [event["payload"] for event in json.loads((HERE / f"{name}.events.json").read_text())]
    complete = expectation(name)["whole"]
    assert events_of(name) == (readable if complete else readable[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_expectations_reveal_every_mistake(name: str) -> None:
    expected = expectation(name)
    assert expected["route"] in {route.name for route in ROUTES}
    assert set(expected["tokens"]) == {*TOKEN_CLASSES, "reasoning"}
    numbers = [number for number in expected["tokens"].values() if number]
    assert len(numbers) == len(set(numbers)), "two classes have the same number, so a swap would pass"
    assert ("delivered_text" in expected) is not expected["reported"]
    assert f"| `{body_of(name).name}` | {expected['why']} |" in (HERE / "README.md").read_text()


def test_every_body_has_an_expectation() -> None:
    bodies = {path.name.partition(".")[0] for path in HERE.iterdir() if path.name != "README.md"}
    assert bodies == set(NAMES)
    assert {expectation(name)["route"] for name in NAMES} == {route.name for route in ROUTES if route.billable}
