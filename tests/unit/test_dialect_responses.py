"""The facts that each dialect parses from a response: usage, delivered text, and how it ended."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import pytest

from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse
from lambda_src.core.dialects.response_reader import parse_response
from lambda_src.core.tokens import Tokens
from tests.linear_time import linear_time
from tests.unit.test_parsed_request import ROUTE


def parse(route: str, body: object, *, stream: bool = False, complete: bool = True) -> ParsedResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = ParsedRequest(body={}, model="m", stream=stream)
    response = parse_response(ROUTE[route], request, raw, complete)
    assert response.body == raw
    return response


def sse(*events: object, end: bytes = b"") -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + end


def frame(kind: str, payload: dict[str, Any], header: str = ":event-type") -> bytes:
    """One event of a binary event stream."""
    name, value = header.encode(), kind.encode()
    headers = struct.pack("!B", len(name)) + name + struct.pack("!BH", 7, len(value)) + value
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    head = prelude + struct.pack("!I", zlib.crc32(prelude))
    return head + headers + body + struct.pack("!I", zlib.crc32(head + headers + body))


@pytest.mark.parametrize("route", ["chat", "responses", "embeddings", "messages", "converse"])
@pytest.mark.parametrize("complete", [True, False])
def test_invalid_json_counts_as_text(route: str, complete: bool) -> None:
    response = parse(route, b"<html>" * 5, complete=complete)
    assert (response.usage.reported, response.usage.tokens, response.delivered_bytes) == (False, Tokens(), 30)
    assert response.failed is not complete


TEXT = "nineteen characters"
WITHOUT_USAGE = {
    "chat": {"id": "id-is-not-text", "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}}]},
    "responses": {"id": "id-is-not-text", "output": [{"content": [{"type": "output_text", "text": TEXT}]}]},
    "messages": {"id": "id-is-not-text", "content": [{"type": "text", "text": TEXT}]},
    "converse": {"output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}}},
}


@pytest.mark.parametrize("route", WITHOUT_USAGE)
@pytest.mark.parametrize("complete", [True, False])
def test_text_without_usage_is_measured(route: str, complete: bool) -> None:
    response = parse(route, WITHOUT_USAGE[route], complete=complete)
    assert (response.usage.reported, response.delivered_bytes, response.usage.raw) == (False, 19, None)
    assert response.failed is not complete


@pytest.mark.parametrize(
    ("route", "usage", "reported"),
    [
        ("chat", {"prompt_tokens": 0, "completion_tokens": 1}, False),
        ("chat", {"prompt_tokens": 1, "completion_tokens": 0}, True),
        ("chat", {"prompt_tokens": 0, "completion_tokens": 0}, False),
        ("messages", {"input_tokens": 0, "output_tokens": 1}, False),
        ("messages", {"input_tokens": 0, "cache_read_input_tokens": 1, "output_tokens": 1}, True),
        ("messages", {"input_tokens": 5}, False),
        ("messages", {"output_tokens": 5}, False),
        ("messages", {"input_tokens": 0, "output_tokens": 0}, False),
        ("converse", {"inputTokens": 0, "outputTokens": 1}, False),
        ("converse", {"inputTokens": 0, "cacheReadInputTokens": 1, "outputTokens": 1}, True),
        ("converse", {"inputTokens": 5}, False),
        ("converse", {"outputTokens": 5}, False),
        ("converse", {"inputTokens": 0, "outputTokens": 0}, False),
    ],
)
def test_usage_is_complete_if_it_has_output_and_an_input_that_is_not_zero(
    route: str, usage: dict[str, int], reported: bool
) -> None:
    response = parse(route, {"usage": usage})
    assert response.usage.reported is reported
    assert response.usage.raw == usage


def test_openai_usage_details() -> None:
    details = {
        "cached_tokens": 1, "cache_write_tokens": 12, "audio_tokens": 100, "image_tokens": 1_000,
        "cache_write_tokens_details": {"ttl_12h_tokens": 5, "ttl_30m_tokens": 7},
    }  # fmt: skip
    usage = {
        "input_tokens": 10_000, "output_tokens": 300, "input_tokens_details": details,
        "output_tokens_details": {"reasoning_tokens": 9, "audio_tokens": 40},
    }  # fmt: skip
    assert parse("responses", {"usage": usage}).usage.tokens == Tokens(
        input=8_887, cache_read=1, cache_write_5m=7, cache_write_1h=5, input_audio=100, input_image=1_000, output=260,
        output_audio=40, reasoning=9,
    )  # fmt: skip


def test_openai_details_beyond_their_total_lie_beside_it() -> None:
    details = {"cached_tokens": 80, "audio_tokens": 50, "image_tokens": 40}
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": details,
             "completion_tokens_details": {"audio_tokens": 9}}  # fmt: skip
    counted = parse("chat", {"usage": usage}).usage
    assert counted.tokens == Tokens(input=100, cache_read=80, input_audio=50, input_image=40, output=5, output_audio=9)
    assert counted.doubtful


def test_breakdown_of_cache_writes_is_used_if_the_total_is_missing() -> None:
    created = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 4}
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_creation": created}
    assert parse("messages", {"usage": usage}).usage.tokens == Tokens(1, 0, 30, 4, 0, 0, 2)
    details = [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 30}]
    written = {"inputTokens": 1, "outputTokens": 2, "cacheWriteInputTokens": 34, "cacheDetails": details}
    assert parse("converse", {"usage": written}).usage.tokens == Tokens(1, 0, 30, 4, 0, 0, 2)


CHUNK = {"choices": [{"delta": {"content": "abcd"}}], "model": "m-1", "service_tier": "flex"}
RUNNING = {**CHUNK, "usage": {"prompt_tokens": 3, "completion_tokens": 1}}


@pytest.mark.parametrize(
    ("body", "complete", "reported", "failed"),
    [
        (sse(CHUNK, RUNNING, end=b"data: [DONE]\n\n"), True, True, False),
        (sse(CHUNK, RUNNING), True, False, True),
        (sse(CHUNK, RUNNING, end=b"data: [DONE]\n\n"), False, False, True),
        (sse(CHUNK, {"choices": [], "usage": RUNNING["usage"]}), False, True, True),
        (sse(CHUNK, {**RUNNING, "choices": [{"delta": {}, "finish_reason": "stop"}]}), True, True, False),
        (sse(CHUNK, {"choices": [{"delta": {}, "finish_reason": "stop"}]}), True, False, False),
        (sse(CHUNK, end=b"data: [DONE]\n\n: bye\n\n"), True, False, False),
        (sse(CHUNK, RUNNING, CHUNK, CHUNK, end=b"data: [DONE]\n\n"), True, True, False),
    ],
)
def test_running_count_is_complete_only_if_the_stream_ended_normally(
    body: bytes, complete: bool, reported: bool, failed: bool
) -> None:
    response = parse("chat", body, stream=True, complete=complete)
    assert (response.usage.reported, response.failed) == (reported, failed)
    assert (response.usage.model or "m-1", response.usage.service_tier) == ("m-1", "flex")
    assert response.delivered_bytes == 4 * body.count(b"abcd")


def final(kind: str, **response: object) -> dict[str, object]:
    return {"type": kind, "response": {"model": "m-1", **response}}


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
def test_responses_stream_ends_with_a_final_event(kind: str) -> None:
    usage = {"input_tokens": 3, "output_tokens": 1}
    delta = {"type": "response.output_text.delta", "delta": "abcd"}
    response = parse("responses", sse(delta, final(kind, usage=usage, service_tier="auto")), stream=True)
    assert (response.usage.reported, response.failed, response.usage.service_tier) == (True, False, None)
    bare = parse("responses", sse(delta, final(kind, usage=None)), stream=True)
    assert (bare.usage.reported, bare.failed, bare.delivered_bytes, bare.usage.model) == (False, False, 4, "m-1")
    truncated = parse("responses", sse(final("response.created", service_tier="flex"), delta), stream=True)
    assert (truncated.usage.reported, truncated.failed, truncated.usage.service_tier) == (False, True, "flex")
    late = parse("responses", sse(delta, final(kind, usage=usage)), stream=True, complete=False)
    assert (late.usage.reported, late.failed) == (True, True)


START = {"type": "message_start", "message": {"model": "c-1", "usage": {"input_tokens": 9, "output_tokens": 1}}}
BLOCK = {"type": "content_block_start", "content_block": {"type": "text", "text": "ab"}}
DELTA = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "cde"}}


@pytest.mark.parametrize(
    ("stopped", "counts", "end", "reported", "output"),
    [
        ("end_turn", {"output_tokens": 8}, True, True, 8),
        ("end_turn", {"output_tokens": 8}, False, True, 8),
        (None, {"output_tokens": 8}, True, False, 8),
        ("end_turn", {"output_tokens": None}, True, False, 1),
        ("end_turn", {}, True, False, 1),
    ],
)
def test_message_stream_is_counted_by_the_delta_with_a_stop_reason(
    stopped: str | None, counts: dict[str, Any], end: bool, reported: bool, output: int
) -> None:
    delta = {"type": "message_delta", "delta": {"stop_reason": stopped}, "usage": counts}
    events = [START, BLOCK, DELTA, {"type": "ping"}, delta, *([{"type": "message_stop"}] if end else [])]
    response = parse("messages", sse(*events), stream=True)
    assert (response.usage.reported, response.failed, response.delivered_bytes) == (reported, not end, 5)
    assert response.usage.tokens == Tokens(input=9, output=output)
    assert response.usage.model == "c-1"
    assert response.usage.raw == {"input_tokens": 9, "output_tokens": output}


@pytest.mark.parametrize("first", [b"event: message_start\ndata: ", b": hello\n\ndata: "])
def test_stream_is_recognized_by_its_lines(first: bytes) -> None:
    body = first + json.dumps(START).encode() + b"\n\n"
    assert parse("messages", body, stream=True).usage.tokens.input == 9


def test_bedrock_stream_is_counted_by_its_metadata() -> None:
    text = frame("contentBlockDelta", {"delta": {"text": "abcd"}})
    usage = {"inputTokens": 3, "outputTokens": 1}
    end = frame("metadata", {"usage": usage, "serviceTier": {"type": "flex"}})
    response = parse("converse_stream", text + end, stream=True)
    assert (response.usage.reported, response.failed, response.delivered_bytes) == (True, False, 4)
    assert (response.usage.service_tier, response.usage.raw) == ("flex", usage)
    truncated = parse("converse_stream", text + end[:-5], stream=True)
    assert (truncated.usage.reported, truncated.failed, truncated.delivered_bytes, truncated.usage.service_tier) == (
        False,
        True,
        4,
        None,
    )
    broken = parse("converse_stream", text + frame("throttlingException", {}, ":exception-type"), stream=True)
    assert (broken.usage.reported, broken.failed, broken.delivered_bytes) == (False, True, 4)


def test_usage_objects_that_grow_are_read_in_linear_time() -> None:
    body = sse(*({"usage": {f"n{number}": number + 1}} for number in range(200_000)))
    with linear_time():
        response = parse("chat", body, stream=True)
    assert response.usage.raw is not None
    assert len(response.usage.raw) > 2_500
    assert response.usage.doubtful
