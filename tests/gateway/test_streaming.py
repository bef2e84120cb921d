"""Streamed responses: the same bytes, status, cost and row as whole ones, for every fault and dialect."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from lambda_src.contract import EXCEEDED_PK
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.edges.dynamodb_attributes import deserialize_item
from lambda_src.edges.streamed_response import StreamedResponse
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, request
from tests.gateway.conftest import UsageLog

FAULTS = (
    "small", "429", "500", "529", "503-then-ok", "400+retry-after-3", "slow-3", "cut", "reset", "garbage",
    "error-event", "nousage", "inline-usage", "cut+nousage", "error-event+nousage", "drip-0.2", "drip-0.2+cut",
    "cached", "cachewrite", "reasoning", "audio", "image", "long-300", "heedless+long-100", "tier-flex",
)  # fmt: skip
WAYS = ("whole", "streamed")
VARYING = {
    "consumer", "key_id", "provider_request_id", "latency_ms", "upstream_ms", "first_byte_ms", "gateway_ms", "pk",
    "AddressesPerKey", "Latency", "UpstreamLatency", "TimeToFirstByte", "GatewayLatency", "ColdStarts", "_aws", "ttl",
}  # fmt: skip
_PROVIDER_IDS = re.compile(rb'req_\d{12}|"(created|created_at)": ?\d+')
_COMMENT = re.compile(rb"(?:(?<![^\r\n]): [^\n]*\n)+\n")
Kind = tuple[str, dict[str, object], str | None]


@dataclass
class Recorded:
    """The stream that a caller receives."""

    begun: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)

    def begin(self, status: int, headers: Mapping[str, str], part: bytes = b"") -> None:
        assert not self.begun
        self.begun, self.status, self.headers = True, status, dict(headers)
        self.parts += [part] if part else []

    def write(self, part: bytes) -> None:
        assert self.begun
        self.parts.append(part)

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


def streamed(gateway: Gateway, sent: HttpRequest) -> Recorded:
    stream = Recorded()
    gateway.respond(sent, 29.0, StreamedResponse(stream))  # type: ignore[arg-type]
    return stream


def without_comments(body: bytes) -> bytes:
    """A body without the gateway's comments."""
    return _COMMENT.sub(b"", body)


def comparable(body: bytes) -> bytes:
    """A body without comments, ids and times."""
    return _PROVIDER_IDS.sub(b"ID", without_comments(body))


def requests(fault: str) -> dict[str, Kind]:
    """Path, body and model in the path of each kind of request, by name."""
    messages = [{"role": "user", "content": "Say hello."}]
    converse: dict[str, object] = {"messages": [{"role": "user", "content": [{"text": "Say hello."}]}]}
    openai, anthropic = f"standin-{fault}", {"model": f"claude-{fault}", "max_tokens": 50, "messages": messages}
    usage = {"stream_options": {"include_usage": True}}
    return {
        "chat": ("/v1/chat/completions", chat(openai), None),
        "chat, streamed": ("/v1/chat/completions", chat(openai, stream=True), None),
        "chat, streamed with usage": ("/v1/chat/completions", chat(openai, "Say it.", stream=True, **usage), None),
        "responses": ("/v1/responses", {"model": openai, "input": "hi"}, None),
        "responses, streamed": ("/v1/responses", {"model": openai, "input": "hi", "stream": True}, None),
        "embeddings": ("/v1/embeddings", {"model": openai, "input": "hi"}, None),
        "messages": ("/v1/messages", anthropic, None),
        "messages, streamed": ("/v1/messages", {**anthropic, "stream": True}, None),
        "count_tokens": ("/v1/messages/count_tokens", anthropic, None),
        "converse": ("/bedrock/model/{model}/converse", converse, f"nova-{fault}"),
        "converse, streamed": ("/bedrock/model/{model}/converse-stream", converse, f"nova-{fault}"),
    }


@dataclass
class Pair:
    """The two responses to one request, with their usage lines and rows."""

    whole: HttpResponse
    stream: Recorded
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def pairs(bench: Bench) -> dict[tuple[str, str], Pair]:
    """The pair of each fault and kind of request. Both have the same request id and the same time."""
    for fault in FAULTS:
        for prefix, provider in (("standin", "openai"), ("claude", "anthropic"), ("nova", "bedrock")):
            bench.add_model(f"{prefix}-{fault}", provider, upstream=f"standin-{fault}")
            if "heedless" in fault:  # else the first of two requests would change the second's hold
                bench.put(EXCEEDED_PK, f"{prefix}-{fault}", {"status": "held", "at": "2026-01-01"})
    keys = [bench.add_consumer(name) for name in WAYS]
    at_ms = int(time.time() * 1000)

    def both(case: tuple[int, tuple[str, str]]) -> Pair:
        number, (fault, kind) = case
        path, body, model = requests(fault)[kind]
        sent: Any = {"path": path, "model": model, "request_id": f"pair-{number}", "at_ms": at_ms}
        gateway = bench.gateway(upstream_timeout_seconds=1.0 if fault == "slow-3" else 20.0)
        gateway._cold = False
        return Pair(
            gateway.handle(request(keys[0], body, **sent), 29.0),
            streamed(gateway, request(keys[1], body, **sent)),
        )

    cases = list(itertools.product(FAULTS, requests("small")))
    with ThreadPoolExecutor(24) as pool, contextlib.redirect_stdout(io.StringIO()) as printed:
        found = list(pool.map(both, enumerate(cases)))
    for line in map(json.loads, printed.getvalue().splitlines()):
        found[int(line["request_id"].removeprefix("pair-"))].lines[line["consumer"]] = line
    pages = bench.dynamodb.get_paginator("scan").paginate(TableName=bench.table)
    for row in (deserialize_item(item) for page in pages for item in page["Items"]):
        way = str(row["pk"]).partition("#")[2].partition("#")[0]
        if way in WAYS and "pair-" in str(row["sk"]):
            found[int(str(row["sk"]).rpartition("pair-")[2])].rows[way] = row
    return dict(zip(cases, found, strict=True))


def same(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in VARYING}


@pytest.mark.parametrize("kind", requests("small"))
@pytest.mark.parametrize("fault", FAULTS)
def test_streamed_is_as_whole(pairs: dict[tuple[str, str], Pair], fault: str, kind: str) -> None:
    pair = pairs[fault, kind]
    whole, stream = pair.whole, pair.stream
    assert stream.status == whole.status
    assert comparable(stream.body) == comparable(whole.body)
    line, row = ({name: same(values) for name, values in each.items()} for each in (pair.lines, pair.rows))
    assert line["streamed"] == line["whole"]
    assert row["streamed"] == row["whole"]
    late = {"x-tollgate-cost-usd", "x-tollgate-request-id", "x-should-retry"}
    late |= {"x-amzn-errortype"} if line["whole"]["error_code"] else set()
    assert whole.headers.keys() - stream.headers.keys() <= late
    assert stream.headers.keys() <= whole.headers.keys()
    assert stream.headers["content-type"] == whole.headers["content-type"]


@pytest.fixture(scope="module")
def fresh(bench: Bench) -> Gateway:
    return bench.gateway(upstream_timeout_seconds=2.0)


def test_first_byte_is_when_the_caller_gets_it(bench: Bench, log: UsageLog) -> None:
    bench.add_model("dripping", upstream="standin-drip-0.4")
    gateway, body = bench.gateway(), chat("dripping", stream=True)
    streamed(gateway, request("key-free", body))
    (line,) = log.lines()
    assert 0 < line["first_byte_ms"] <= line["latency_ms"] - 100
    assert line["gateway_ms"] == line["latency_ms"] - line["upstream_ms"] <= line["latency_ms"] - 250
    gateway.handle(request("key-free", body), 29.0)
    (whole,) = log.lines()
    assert 250 <= whole["first_byte_ms"] <= whole["latency_ms"], "a whole response has its first byte at its end"


def test_comments_are_no_first_byte() -> None:
    response = StreamedResponse(Recorded())  # type: ignore[arg-type]
    response.begin(200, {"content-type": "text/event-stream"})
    response.write(b"")  # as the relay does while a stream that the provider has begun is silent
    response.wait()
    assert response.first_byte is None
    response.write(b"data: 1\n\n")
    first = response.first_byte
    response.write(b"data: 2\n\n")
    assert first is not None
    assert response.first_byte == first


def test_cost_and_budget_follow_as_a_comment(bench: Bench, fresh: Gateway, log: UsageLog) -> None:
    key = bench.add_consumer("commented", budgets=[{"usd_nano": 10_000_000_000, "per": "day"}])
    stream = streamed(fresh, request(key, chat(stream=True)))
    (line,) = log.lines()
    *_, done, comment, end = stream.body.split(b"\n\n")
    assert (done, end) == (b"data: [DONE]", b"")
    lines = dict(each.removeprefix(": ").split(": ") for each in comment.decode().splitlines())
    cost = round(float(lines["x-tollgate-cost-usd"]) * 10**9)
    assert cost == line["cost_nano_usd"]
    assert cost > 0
    assert round(float(lines["x-tollgate-budget-remaining-usd"]) * 10**9) == 10_000_000_000 - cost
    first = round(float(stream.headers["x-tollgate-budget-remaining-usd"]) * 10**9)
    assert first == 10_000_000_000 - int(str(line["held_nano_usd"]))
    assert "x-tollgate-cost-usd" not in stream.headers


def test_events_are_whole_in_every_part(bench: Bench) -> None:
    bench.add_model("dripping", upstream="standin-drip-0.2")
    stream = streamed(bench.gateway(), request("key-free", chat("dripping", stream=True)))
    assert len(stream.parts) > 2
    assert all(part.endswith(b"\n\n") for part in stream.parts)
    for part in stream.parts:
        for event in part.split(b"\n\n")[:-1]:
            assert event.startswith(b": ") or event == b"data: [DONE]" or json.loads(event.removeprefix(b"data: "))
