"""Streams in random pieces, with all line ends, cut anywhere: the caller's bytes are those of the whole response."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from socket import SHUT_RDWR, socket
from typing import Any, Final

import pytest

from lambda_src.core.dialects.event_stream import stream_events
from lambda_src.core.dialects.server_sent_events import BLANK_LINE
from lambda_src.edges import provider_connection, streamed_response
from lambda_src.gateway import Gateway
from local.provider.bedrock import event as message
from local.provider.routes import DIALECTS
from local.provider.script import script_of
from tests.bench import Bench, chat, request
from tests.gateway.conftest import UsageLog
from tests.gateway.test_provider_connection import serving
from tests.gateway.test_streaming import Recorded, requests, same, streamed, without_comments

KEEP_ALIVE: Final = streamed_response.KEEP_ALIVE
KINDS = {
    "chat, streamed": ("openai", "chat"),
    "chat, streamed with usage": ("openai", "chat"),
    "responses, streamed": ("openai", "responses"),
    "messages, streamed": ("anthropic", "messages"),
    "converse, streamed": ("bedrock", "converse_stream"),
}
SSE = b"text/event-stream"
BINARY = b"application/vnd.amazon.eventstream"
LETTERS: Final = "h\u00e9llo\u2028\N{GRINNING FACE}"
DELTA = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "a"}}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}


class Upstream:
    """A provider that sends `pieces`, each in a chunk of its own, and then ends as `complete` says.

    silent: it neither sends the end nor closes the connection.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.content_type, self.complete = SSE, True
        self.silent = False

    def __call__(self, connection: socket, _: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % self.content_type
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in self.pieces if piece]
        connection.sendall(head)
        for start in range(0, len(chunks), 1_000):
            connection.sendall(b"".join(chunks[start : start + 1_000]))
        if self.complete:
            connection.sendall(b"0\r\n\r\n")
        elif not self.silent:
            connection.shutdown(SHUT_RDWR)


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[Upstream, int]]:
    behaviour = Upstream()
    with serving(behaviour) as (port, _):
        yield behaviour, port


@pytest.fixture(scope="module")
def split(bench: Bench, upstream: tuple[Upstream, int]) -> Gateway:
    """A gateway whose only provider is `upstream`."""
    bench.add_model("nova-small", "bedrock", upstream="standin-small")
    bench.add_consumer("split")
    gateway = bench.gateway(upstream_timeout_seconds=20.0)
    for name, provider in gateway.config.providers.items():
        suffix = "/v1" if provider.kind == "openai" else ""
        gateway.config.providers[name] = replace(provider, base_url=f"http://127.0.0.1:{upstream[1]}{suffix}")
    return gateway


def body_of(kind: str, flags: str = "small") -> bytes:
    """The stand-in's stream for a kind of request, with text of several bytes a character."""
    dialect, operation = KINDS[kind]
    _, body, _ = requests("small")[kind]
    body = {**body, "stream": True, "stream_options": {"include_usage": True}, "model": "m"}
    response = DIALECTS[dialect].respond(operation, body, 100, script_of(f"standin-{flags}"), "req_1")
    events = list(response.events or ())
    if flags == "error-event":
        events = [*events[: len(events) // 2], response.error_event]
    return b"".join(events).replace(b"said: ", LETTERS.encode()) if dialect != "bedrock" else b"".join(events)


def pieces(body: bytes, chosen: random.Random) -> list[bytes]:
    """The body in random pieces: single bytes, or of up to a few events."""
    longest = chosen.choice([1, 7, 100, 2_000])
    found = []
    while body:
        size = chosen.randint(1, longest)
        found.append(body[:size])
        body = body[size:]
    return found


def both(
    gateway: Gateway, upstream: Upstream, log: UsageLog, kind: str, body: bytes, chosen: random.Random
) -> Recorded:
    """The stream of a body in pieces, after a comparison with the whole response to the body in one piece."""
    path, sent, model = requests("small")[kind]
    options: dict[str, Any] = {"path": path, "model": model, "at_ms": 1_790_000_000_000}
    name = f"split-{chosen.random()}"
    upstream.pieces = [body]
    whole = gateway.handle(request("key-free", sent, request_id=name, **options), 29.0)
    upstream.pieces = pieces(body, chosen)
    stream = streamed(gateway, request("key-split", sent, request_id=name, **options))
    line, streamed_line = (same(each) for each in log.lines())
    assert streamed_line == line
    assert stream.status == whole.status
    assert without_comments(stream.body) == whole.body
    return stream


@pytest.mark.parametrize("ending", ["complete", "cut", "error-event"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_do_not_matter(
    split: Gateway, upstream: tuple[Upstream, int], log: UsageLog, kind: str, newline: bytes, ending: str
) -> None:
    chosen = random.Random(f"{kind}{newline!r}{ending}")  # noqa: S311 - the same in each run
    behaviour, _ = upstream
    binary = kind.startswith("converse")
    if binary and newline != b"\n":
        return
    behaviour.content_type, behaviour.complete = BINARY if binary else SSE, ending != "cut"
    body = body_of(kind, "error-event" if ending == "error-event" else "small")
    assert binary or ending == "error-event" or LETTERS.encode() in body
    body = body if binary else body.replace(b"\n", newline)
    for _ in range(3):
        end = chosen.randint(1, len(body) - 1) if ending == "cut" else len(body)
        stream = both(split, behaviour, log, kind, body[:end], chosen)
        if binary and stream.headers["content-type"].encode() == BINARY:
            assert sum(len(stream_events(part)) for part in stream.parts) == len(stream_events(stream.body))


@pytest.mark.parametrize("end", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n", b'data: {"choices": [{'])
def test_a_stream_without_its_last_line_end_has_no_comment_in_its_last_event(
    split: Gateway, upstream: tuple[Upstream, int], log: UsageLog, end: bytes
) -> None:
    behaviour, _ = upstream
    behaviour.content_type, behaviour.complete = SSE, True
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (DELTA, USAGE)) + end
    chosen = random.Random(str(end))  # noqa: S311 - the same in each run
    stream = both(split, behaviour, log, "chat, streamed with usage", body, chosen)
    assert stream.body.endswith(end)


def wait_every(seconds: float, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, **options: float) -> None:
    """Set the interval of comments."""
    config = replace(gateway.config, keep_alive_seconds=seconds, **options)  # type: ignore[arg-type]
    monkeypatch.setattr(gateway.forwarder, "_config", config)
    monkeypatch.setattr(gateway.provider_client, "_wait_seconds", seconds)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_comments_never_split_an_event(
    split: Gateway, upstream: tuple[Upstream, int], monkeypatch: pytest.MonkeyPatch, newline: bytes
) -> None:
    """With an interval of no time, there is a comment wherever one can be."""
    wait_every(0.0, split, monkeypatch)
    monkeypatch.setattr(provider_connection, "_BUFFER_BYTES", 6)  # one chunk of one byte
    behaviour, _ = upstream
    behaviour.content_type, behaviour.complete = SSE, True
    body = body_of("chat, streamed with usage").replace(b"\n", newline)
    behaviour.pieces = [body[index : index + 1] for index in range(len(body))]
    _, sent, _ = requests("small")["chat, streamed with usage"]
    stream = streamed(split, request("key-split", sent))
    before = b""
    for part in stream.parts:
        if part == KEEP_ALIVE and before:
            assert re.search(newline + newline + rb"\Z", before) or before.endswith(KEEP_ALIVE)
        before += part
    assert len([part for part in stream.parts if part == KEEP_ALIVE]) > 100
    assert BLANK_LINE.search(stream.body[-4:])
    assert without_comments(stream.body.replace(KEEP_ALIVE, b"")) == body


def test_a_provider_that_only_comments_does_not_keep_the_caller_waiting(
    split: Gateway, upstream: tuple[Upstream, int], monkeypatch: pytest.MonkeyPatch, log: UsageLog
) -> None:
    """DeepSeek sends comments while a request is queued. They are held back, since an error may follow."""
    wait_every(0.0, split, monkeypatch)
    behaviour, _ = upstream
    behaviour.content_type, behaviour.complete = SSE, True
    error = b'data: {"error": {"message": "queue full", "code": null}}\n\n'
    behaviour.pieces = [b": wait\n\n"] * 3 + [error]
    stream = streamed(split, request("key-split", chat(stream=True)))
    assert stream.status == 200
    assert stream.body.startswith(KEEP_ALIVE)
    assert b"queue full" in stream.body
    (line,) = log.lines()
    assert line["error_code"] == "upstream_error"


@pytest.mark.parametrize(
    ("content_type", "kind"), [(BINARY, "converse, streamed"), (b"application/json", "chat"), (SSE, "chat, streamed")]
)
def test_an_idle_provider(
    split: Gateway, upstream: tuple[Upstream, int], monkeypatch: pytest.MonkeyPatch, log: UsageLog,
    content_type: bytes, kind: str,
) -> None:  # fmt: skip
    """Comments keep a stream of server-sent events alive. Other responses end before API Gateway would end them."""
    monkeypatch.setattr(streamed_response, "IDLE_SECONDS", 15.2)  # less the interval of comments, 15 seconds
    behaviour, _ = upstream
    behaviour.content_type, behaviour.complete, behaviour.silent = content_type, False, True
    event = b"data: " + json.dumps(DELTA).encode() + b"\n\n"
    behaviour.pieces = {
        BINARY: [message("messageStart", {"role": "assistant"}),
                 message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}})],
        SSE: [event],
    }.get(content_type, [b'{"id": "a", '])  # fmt: skip
    path, sent, model = requests("small")[kind]
    wait_every(0.05, split, monkeypatch, upstream_timeout_seconds=1.0)
    try:
        stream = streamed(split, request("key-split", sent, path=path, model=model))
    finally:
        behaviour.silent = False
    (line,) = log.lines()
    assert line["error_code"] == "upstream_timeout"
    assert (stream.status, line["status"]) == ((400, 504) if kind == "chat" else (200, 200))
    assert (int(str(line["upstream_ms"])) >= 900) is (content_type == SSE)
    assert int(str(line["cost_nano_usd"])) > 0
    assert stream.parts.count(KEEP_ALIVE) >= (15 if content_type == SSE else 0)
    if content_type == BINARY:
        assert [name for name, _ in stream_events(stream.body)][-1] == "modelStreamErrorException"


@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_a_response_over_the_limit_ends_with_an_error_event(
    split: Gateway, upstream: tuple[Upstream, int], monkeypatch: pytest.MonkeyPatch, log: UsageLog, size: int
) -> None:
    """Lambda streams 200 MB; here it is a hundredth."""
    monkeypatch.setattr(streamed_response, "MAX_BYTES", 2_000_000)
    behaviour, _ = upstream
    behaviour.content_type, behaviour.complete = SSE, True
    delta = {**DELTA, "choices": [{"index": 0, "delta": {"content": "a" * size}}]}
    behaviour.pieces = [b"data: " + json.dumps(delta).encode() + b"\n\n"] * (5_000_000 // size)
    stream = streamed(split, request("key-split", chat(stream=True)))
    assert 2_000_000 - max(size, 65_536) - 40_000 < len(stream.body) <= 2_000_000
    *events, comment, end = stream.body.split(b"\n\n")
    assert end == b""
    assert b": x-tollgate-cost-usd: " in comment
    assert json.loads(events[-1].removeprefix(b"data: "))["error"]["code"] == "answer_too_large"
    (line,) = log.lines()
    assert (line["status"], line["error_code"], line["settlement"]) == (200, "answer_too_large", "settled")
    assert int(str(line["tokens_output"])) > 0


def test_a_document_over_the_limit_is_an_error(
    split: Gateway, upstream: tuple[Upstream, int], monkeypatch: pytest.MonkeyPatch, log: UsageLog
) -> None:
    monkeypatch.setattr(streamed_response.StreamedResponse, "max_held", 1_000_000)
    behaviour, _ = upstream
    behaviour.content_type, behaviour.complete = b"application/json", True
    behaviour.pieces = [b'{"id": "', *[b"a" * 10_000] * 200, b'"}']
    stream = streamed(split, request("key-split", chat()))
    assert json.loads(stream.body)["error"]["code"] == "answer_too_large"
    (line,) = log.lines()
    assert line["error_code"] == "answer_too_large"
    assert int(str(line["cost_nano_usd"])) > 0
