"""Streams whose caller, sandbox or ledger is lost on the way: one row, the right cost, and no open hold."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lambda_src.edges import provider_connection
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.edges.runtime_api import ResponseStream
from lambda_src.edges.streamed_response import StreamedResponse
from lambda_src.gateway import Gateway
from lambda_src.sweeper import Sweeper
from tests.bench import PER_TOKEN, Bench, chat, request
from tests.gateway.test_streaming import Recorded, without_comments
from tests.money.faults import Fault, FaultyAws, request_id_of
from tests.money.sandboxes import counters_and_rows, recent_days

MESSAGES = [{"role": "user", "content": "Say hello."}]
KINDS: dict[str, tuple[str, dict[str, object], str | None]] = {
    "chat": ("/v1/chat/completions", chat("quick", stream=True), None),
    "responses": ("/v1/responses", {"model": "quick", "input": "Say hello.", "stream": True}, None),
    "messages": (
        "/v1/messages", {"model": "claude", "max_tokens": 50, "messages": MESSAGES, "stream": True}, None,
    ),
    "converse": (
        "/bedrock/model/{model}/converse-stream",
        {"messages": [{"role": "user", "content": [{"text": "Say hello."}]}]},
        "nova",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _each_event_is_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that arrive together are read one by one, so that the number of parts does not vary."""
    monkeypatch.setattr(provider_connection, "_BUFFER_BYTES", 16)


class SeveredStream(ResponseStream):
    """A response whose connection to the Runtime API is reset before its part number `lost_at`; 0: there is none."""

    def __init__(self, lost_at: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        super().__init__(f"{host}:{port}", "/response", time.time() + 20)
        self._left = lost_at
        self.parts = 0
        self._count()

    def write(self, part: bytes) -> None:
        self._count()
        super().write(part)

    def _count(self) -> None:
        self.parts += 1
        if self._left == 0:
            if self.begun:
                peer, _ = self._listener.accept()
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()
            self._listener.close()
        self._left -= 1


class Watched(Recorded):
    """A caller's stream. each: called before each part, with the number of parts before it."""

    def __init__(self, each: Callable[[int], None]) -> None:
        super().__init__()
        self._each = each

    def write(self, part: bytes) -> None:
        self._each(len(self.parts))
        super().write(part)


def prepare(bench: Bench) -> str:
    """Add the models of `KINDS` and a consumer; returns its key."""
    bench.add_model("quick", upstream="standin-small")
    bench.add_model("claude", "anthropic", upstream="standin-small")
    bench.add_model("nova", "bedrock", upstream="standin-small")
    return bench.add_consumer("reader", budgets=[{"usd_nano": 10**12, "per": "month"}])


def sent(key: str, kind: str, request_id: str) -> Any:
    path, body, model = KINDS[kind]
    return request(key, body, path=path, model=model, request_id=request_id)


def booked(bench: Bench) -> tuple[dict[str, int], dict[str, Mapping[str, Any]]]:
    """Counters and rows by request id. Fails if a request has two rows."""
    counters, rows = counters_and_rows(bench, "reader", recent_days())
    assert len({request_id_of(row) for row in rows}) == len(rows)
    return counters, {request_id_of(row): row for row in rows}


def sweep_later(bench: Bench) -> dict[str, int]:
    """Run the sweeper an hour from now, when every request has lapsed and is booked."""
    bench.aggregate()
    aws = AwsClient(bench.cloud.environment())
    ledger = Ledger(aws, bench.table, "bench", 400, now=lambda: time.time() + 3_600)
    return Sweeper(bench.config(), aws, ledger).run(time.monotonic() + 30)


def respond(gateway: Gateway, sent: Any, stream: Any) -> None:
    gateway.respond(sent, 29.0, StreamedResponse(stream))


@pytest.mark.parametrize("kind", KINDS)
def test_hang_up_at_every_event(bench: Bench, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The Runtime API no longer takes the response. On AWS, callers who hang up are not even seen: that is the ordinary
    stream, which tests/local/cloud/test_lost_streams.py reads up to each event."""
    key, gateway = prepare(bench), bench.gateway()
    whole = SeveredStream(-1)
    respond(gateway, sent(key, kind, "complete"), whole)
    assert whole.parts > 3
    for lost_at in range(whole.parts):
        stream = SeveredStream(lost_at)
        respond(gateway, sent(key, kind, f"lost-{lost_at}"), stream)
        stream.end()
        assert stream.lost
    counters, rows = booked(bench)
    assert len(rows) == whole.parts + 1
    assert {
        (row["settlement"], row["status"], row["usage_source"], row.get("error_code")) for row in rows.values()
    } == {("settled", 200, "reported", None)}
    (cost,) = {row["cost_nano_usd"] for row in rows.values()}
    row = rows["complete"]
    assert cost == (row["tokens_input"] * PER_TOKEN["input"] + row["tokens_output"] * PER_TOKEN["output"]) // 10**6 > 0
    assert counters["c|total|all"] == counters["s|total|all"] == cost * len(rows)
    assert bench.in_flight("reader") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"kind":"usage"' in line]
    assert [line["cost_nano_usd"] for line in lines] == [cost] * len(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_sweeper_before_a_late_settle(bench: Bench, kind: str) -> None:
    """A sandbox that is frozen in mid-stream for longer than its hold books the true cost in place of the held amount,
    once."""
    key = prepare(bench)

    def freeze(parts: int) -> None:
        if parts == 2:
            sweep_later(bench)
            _, rows = booked(bench)
            assert (rows["late"]["settlement"], rows["late"]["cost_nano_usd"]) == (
                "unsettled",
                rows["late"]["held_nano_usd"],
            )

    stream = Watched(freeze)
    respond(bench.gateway(), sent(key, kind, "late"), stream)
    assert len(stream.parts) > 3
    for _ in range(2):
        counters, rows = booked(bench)
        assert rows["late"]["settlement"] == "settled"
        cost = rows["late"]["cost_nano_usd"]
        assert 0 < cost < rows["late"]["held_nano_usd"]
        assert counters["c|total|all"] == counters["s|total|all"] == cost
        sweep_later(bench)


def test_settle_that_the_network_delivers_after_the_sweeper_changes_nothing(bench: Bench) -> None:
    key = prepare(bench)
    aws = FaultyAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    respond(gateway, sent(key, "chat", "complete"), Recorded())
    aws.plan = ["ok", "ok", "late", "down"]
    stream = Recorded()
    respond(gateway, sent(key, "chat", "late"), stream)
    assert without_comments(stream.body).endswith(b"data: [DONE]\n\n")
    sweep_later(bench)
    before = booked(bench)
    assert before[1]["late"]["settlement"] == "unsettled"
    aws.deliver_late()
    assert aws.late == []
    assert booked(bench) == before
    for _ in range(2):
        sweep_later(bench)
        assert booked(bench) == before


@pytest.mark.parametrize("fault", ["down", "down after"])
@pytest.mark.parametrize("kind", KINDS)
def test_ledger_down_at_settle(bench: Bench, kind: str, fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    """The caller's stream is complete; tests/money/test_replay.py books its line."""
    key = prepare(bench)
    aws = FaultyAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    complete, stream = Recorded(), Recorded()
    respond(gateway, sent(key, kind, "same"), complete)
    capsys.readouterr()
    aws.plan = ["ok", "ok", fault, "down"]
    respond(gateway, sent(key, kind, "down"), stream)
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines() if '"kind":"usage"' in text]
    assert (line["ledger_failed"], line["status"], line["settlement"]) == (True, 200, "settled")
    assert stream.status == 200
    assert len(stream.parts) == len(complete.parts)
    assert len(without_comments(stream.body)) == len(without_comments(complete.body))
    _, rows = booked(bench)
    assert rows["same"]["cost_nano_usd"] == line["cost_nano_usd"]
    assert rows["down"]["settlement"] == ("settled" if fault == "down after" else "held")
