"""A stream in which the provider is silent: comments keep it alive where they exist, and its limit is API Gateway's."""

from __future__ import annotations

import pytest

from lambda_src.core.dialects.event_stream import stream_events
from lambda_src.edges.streamed_response import IDLE_SECONDS, KEEP_ALIVE, StreamedResponse
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, request
from tests.gateway.conftest import UsageLog
from tests.gateway.test_streaming import Recorded, comparable, streamed

CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Say hello."}]}]}
CONVERSE_STREAM = "/bedrock/model/{model}/converse-stream"


@pytest.fixture(scope="module")
def impatient(bench: Bench) -> Gateway:
    bench.add_model("standin-pause-0.5")
    bench.add_model("nova-pause", "bedrock", upstream="standin-pause-0.5")
    return bench.gateway(keep_alive_seconds=0.1)


def test_comments_fill_the_silence_between_two_events(impatient: Gateway) -> None:
    stream = streamed(impatient, request("key-free", chat("standin-pause-0.5", stream=True)))
    comments = [index for index, part in enumerate(stream.parts) if part == KEEP_ALIVE]
    assert len(comments) >= 3
    assert comments == list(range(comments[0], comments[-1] + 1))
    assert all(part.startswith(b"data: ") for part in (stream.parts[comments[0] - 1], stream.parts[comments[-1] + 1]))


def test_a_whole_response_has_no_comments(impatient: Gateway) -> None:
    whole, stream = (request("key-free", chat("standin-pause-0.5", stream=True)) for _ in range(2))
    body = impatient.handle(whole, 29.0).body
    assert KEEP_ALIVE not in body
    assert comparable(streamed(impatient, stream).body) == comparable(body)


def test_streams_of_bedrock_have_no_comments(impatient: Gateway) -> None:
    stream = streamed(impatient, request("key-free", CONVERSE, path=CONVERSE_STREAM, model="nova-pause"))
    assert KEEP_ALIVE not in stream.parts
    assert [kind for kind, _ in stream_events(stream.body)][-1] == "metadata"


def test_a_stream_without_comments_ends_by_an_error_before_api_gateway_cuts_it(
    impatient: Gateway, log: UsageLog
) -> None:
    stream = Recorded()
    outlet = StreamedResponse(stream, wait_seconds=IDLE_SECONDS - 0.2)  # type: ignore[arg-type]
    impatient.respond(request("key-free", CONVERSE, path=CONVERSE_STREAM, model="nova-pause"), 29.0, outlet)
    (line,) = log.lines()
    assert (line["error_code"], line["settlement"]) == ("upstream_timeout", "settled")
    assert b"exception" in stream.body


def test_the_comments_at_the_end_contain_no_line_breaks_of_a_value() -> None:
    stream = Recorded()
    outlet = StreamedResponse(stream)  # type: ignore[arg-type]
    outlet.begin(200, {"content-type": "text/event-stream"})
    outlet.write(b"data: {}\n\n")
    outlet.finish({"x-tollgate-removed-tools": "a\ndata: forged", "x-tollgate-cost-usd": "1"})
    assert stream.body == b"data: {}\n\n: x-tollgate-cost-usd: 1\n\n"
