"""Streams of any length are read in the memory of a short one, and in linear time however they are split."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse
from lambda_src.core.dialects.response_reader import ResponseReader
from lambda_src.core.dialects.tool_calls import MOST_CALLS
from tests.linear_time import linear_time
from tests.unit.test_dialect_responses import frame
from tests.unit.test_parsed_request import ROUTE

_PIECE = 4_096
_LONG = "x" * 10_000
Event = Callable[[int], bytes]
"""The n-th event of a stream."""


def sse(event: Callable[[int], object]) -> Event:
    return lambda number: f"data: {json.dumps(event(number))}\n\n".encode()


def item(number: int, **members: object) -> object:
    return {"type": "response.output_item.done", "item": {"id": str(number), **members}}


def usage_of_iterations(number: int) -> object:
    return {"type": "message_delta", "usage": {f"iterations{number}": [{"type": "a"}], "iterations": [{"n": number}]}}


STREAMS: dict[str, tuple[str, Event]] = {
    "chunks": ("chat", sse(lambda n: {"choices": [{"index": 0, "delta": {"content": f"word {n}"}}]})),
    "usage in every chunk": ("chat", sse(lambda n: {"choices": [], "usage": {"prompt_tokens": n}})),
    "usage with other names": ("chat", sse(lambda n: {"choices": [], "usage": {f"n{n}": 1}})),
    "usage with other members": ("chat", sse(lambda n: {"choices": [], "usage": {"a": {"b": {f"n{n}": 1}}}})),
    "usage with longer texts": ("chat", sse(lambda n: {"choices": [], "usage": {f"n{n // 100}": _LONG}})),
    "choices": ("chat", sse(lambda n: {"choices": [{"index": n, "delta": {"content": ""}}]})),
    "choices with long indexes": ("chat", sse(lambda n: {"choices": [{"index": f"{n}{_LONG}"}]})),
    "executed tools": (
        "chat",
        sse(lambda n: {"choices": [{"index": 0, "delta": {"executed_tools": [{"type": "search", "index": n}]}}]}),
    ),
    "deltas": ("responses", sse(lambda n: {"type": "response.output_text.delta", "delta": f"word {n}"})),
    "output items": ("responses", sse(lambda n: item(n, type="message", content=_LONG))),
    "searches": ("responses", sse(lambda n: item(n, type="web_search_call", query=_LONG))),
    "containers": ("responses", sse(lambda n: item(n, type="code_interpreter_call", container_id=f"{n}{_LONG}"))),
    "responses": ("responses", sse(lambda n: {"type": "response.in_progress", "response": {"id": n, "a": _LONG}})),
    "blocks": ("messages", sse(lambda n: {"type": "content_block_delta", "delta": {"text": f"word {n}"}})),
    "results": (
        "messages",
        sse(lambda n: {"type": "content_block_start", "content_block": {"type": "web_fetch_tool_result", "a": n}}),
    ),
    "iterations": ("messages", sse(usage_of_iterations)),
    "messages": ("converse_stream", lambda n: frame("contentBlockDelta", {"delta": {"text": f"word {n}"}})),
    "messages of many types": ("converse_stream", lambda n: frame(f"type{n}", {"a": n})),
    "guardrails": (
        "converse_stream",
        lambda n: frame("metadata", {"trace": {"guardrail": {"invocationMetrics": {"usage": {f"n{n}": 1}}}}}),
    ),
}  # fmt: skip


def reader_of(route: str) -> ResponseReader:
    return ResponseReader(ROUTE[route], ParsedRequest(body={}, model="m", stream=True))


def pieces(event: Event, size: int, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """The events from `first`, as pieces of together about `size` bytes, each with the number of the next event."""
    piece, sent = b"", 0
    while sent < size:
        piece += event(first)
        first += 1
        if len(piece) >= _PIECE:
            sent += len(piece)
            yield first, piece
            piece = b""


@pytest.mark.parametrize("name", STREAMS)
def test_memory_does_not_grow_with_the_stream(name: str) -> None:
    route, event = STREAMS[name]
    reader, following = reader_of(route), 0
    tracemalloc.start()
    try:
        for following, piece in pieces(event, 400_000):  # noqa: B007 - used below
            reader.feed(piece)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _, piece in pieces(event, 800_000, following):
            reader.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before - reader.held < 300_000


@pytest.mark.parametrize(("name", "kind"), [("searches", "web_search"), ("containers", "code_interpreter")])
def test_calls_are_counted_up_to_the_most_that_a_request_makes(name: str, kind: str) -> None:
    route, event = STREAMS[name]
    for count in (MOST_CALLS, 3 * MOST_CALLS):
        reader = reader_of(route)
        for number in range(count):
            reader.feed(event(number).replace(_LONG.encode(), b""))
        assert reader.finish(True).usage.calls == {kind: MOST_CALLS}


def test_usage_that_is_too_large_is_no_count() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    for size, reported in ((0, True), (300_001, False)):
        reader, more = reader_of("chat"), {"more": ["x" * size]} if size else {}
        reader.feed(f"data: {json.dumps({'choices': [], 'usage': usage | more})}\n\n".encode())
        parsed = reader.finish(True)
        assert (parsed.usage.raw, parsed.usage.reported) == (usage, reported)


CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
MESSAGE = frame("contentBlockDelta", {"delta": {"text": "a"}})
HOSTILE: dict[str, tuple[str, bytes, int]] = {
    "10 MB without a blank line": ("chat", CHUNK + b"data: a\n" * 1_250_000, 4_096),
    "10 MB of one text": ("chat", CHUNK + b"a" * 10_000_000, 4_096),
    "carriage returns": ("chat", CHUNK + b"\r" * 500_000, 100),
    "tiny events": ("chat", b"data: {}\n\n" * 100_000, 4_096),
    "an event, byte by byte": ("chat", CHUNK + b"data: " + b"a" * 600_000, 1),
    "events, byte by byte": ("chat", CHUNK * 5_000, 1),
    "damaged events": ("chat", CHUNK + CHUNK.replace(b"]", b"") * 20_000, 65_536),
    "white space, byte by byte": ("chat", b" " * 600_000, 1),
    "a message, byte by byte": ("converse_stream", MESSAGE + frame("a", {"a": "a" * 600_000}), 1),
    "messages": ("converse_stream", MESSAGE * 20_000, 4_096),
    "headers": ("converse_stream", MESSAGE + frame("a" * 60_000, {}) * 50, 10),
    "a damaged message": ("converse_stream", MESSAGE + b"\0" * 5_000_000, 64),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear_however_a_stream_is_split(name: str) -> None:
    route, body, size = HOSTILE[name]
    reader = reader_of(route)
    with linear_time():
        received = b"".join(reader.feed(body[start : start + size]) for start in range(0, len(body), size))
        parsed: ParsedResponse = reader.finish(True)
    assert received + parsed.body == body
