"""The handler's process is killed between any two steps: no charge is lost or booked twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lambda_src.contract import CONFIG_VARIABLE
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.sweeper import Sweeper
from local.provider.server import StandInProvider
from tests.bench import Bench, chat, forwarded_key, request
from tests.money.faults import request_id_of
from tests.money.sandboxes import API_GATEWAY_SECONDS, counters_and_rows, recent_days

ROOT = Path(__file__).parent.parent.parent


def environment(bench: Bench) -> dict[str, str]:
    """The environment variables of the handler, with the embedded cloud as AWS."""
    config = json.dumps(asdict(bench.config(estimate="strict")))
    return {**bench.cloud.environment(), CONFIG_VARIABLE: config, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}


@contextmanager
def handler_process(bench: Bench, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `killed_handler` in a child process, which is killed at the end."""
    command = [sys.executable, "-m", "tests.money.killed_handler", *arguments]
    with subprocess.Popen(
        command, env=environment(bench), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def event_of(key_id: str, request_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """API Gateway's proxy event for a chat completion."""
    return {
        "httpMethod": "POST",
        "pathParameters": None,
        "headers": {"Content-Type": "application/json", "Idempotency-Key": request_id},
        "body": json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": "chosen-by-the-caller",
            "extendedRequestId": request_id,
            "requestTimeEpoch": int(time.time() * 1000),
            "resourcePath": "/v1/chat/completions",
            "identity": {"apiKeyId": key_id, "apiKey": "canary"},
        },
    }


def sweep_later(bench: Bench) -> dict[str, int]:
    """Run the sweeper an hour from now, when every request has lapsed and is booked."""
    bench.aggregate()
    aws = AwsClient(bench.cloud.environment())
    ledger = Ledger(aws, bench.table, "bench", 400, now=lambda: time.time() + 3_600)
    return Sweeper(bench.config(), aws, ledger).run(time.monotonic() + 30)


def counters_and_rows_by_id(bench: Bench, consumer: str) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
    """A consumer's counters, and its rows by request id. Fails if a request has two rows."""
    counters, rows = counters_and_rows(bench, consumer, recent_days())
    assert len({request_id_of(row) for row in rows}) == len(rows)
    return counters, {request_id_of(row): row for row in rows}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("point", "calls", "settlement"),
    [
        ("before.reserve", 0, None),
        ("after.reserve", 0, None),
        ("before.open", 0, None),
        ("after.open", 0, "unsettled"),
        ("before.send", 0, "unsettled"),
        ("after.send", 1, "unsettled"),
        ("before.settle", 1, "unsettled"),
        ("after.settle", 1, "settled"),
    ],
)
def test_killed_handler_is_charged_exactly_once(
    bench: Bench, provider: StandInProvider, point: str, calls: int, settlement: str | None, stream: bool
) -> None:
    bench.add_model("quick", upstream="standin-small")
    key = bench.add_consumer("unlucky", budgets=[{"usd_nano": 10**12, "per": "month"}])
    body = chat("quick", stream=stream)
    bench.gateway().handle(request(key, body, request_id="completed"), API_GATEWAY_SECONDS)
    counters, rows = counters_and_rows_by_id(bench, "unlucky")
    cost, held = rows["completed"]["cost_nano_usd"], rows["completed"]["held_nano_usd"]
    assert 0 < cost < held
    provider.clear()

    with handler_process(bench, point, json.dumps(event_of(key, "killed", body))) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors.decode()
    assert len(provider.calls()) == calls

    expected = {None: 0, "unsettled": held, "settled": cost}[settlement]
    counters, _ = counters_and_rows_by_id(bench, "unlucky")
    reserved = held if point in ("after.reserve", "before.open") else expected
    assert counters["c|total|all"] == cost + reserved, "a reserve commits the money immediately"
    sweep_later(bench)  # ends the request
    for _ in range(2):  # closes its bucket; a third run changes nothing
        sweep_later(bench)
        counters, rows = counters_and_rows_by_id(bench, "unlucky")
        assert counters["c|total|all"] == counters["s|total|all"] == cost + expected
        killed = rows.get("killed", {"settlement": None, "cost_nano_usd": 0})
        assert (killed["settlement"], killed["cost_nano_usd"]) == (settlement, expected)


def test_handlers_killed_under_load_lose_no_charge(bench: Bench, provider: StandInProvider) -> None:
    bench.add_model("quick", upstream="standin-small")
    key = bench.add_consumer("busy")
    provider.clear()
    for number, seconds in enumerate((0.02, 0.03, 0.05, 0.07, 0.11, 0.13)):
        with handler_process(bench, "loop", json.dumps(event_of(key, f"w{number}", chat("quick")))) as process:
            calls_before = len(provider.calls())
            until = time.monotonic() + 30
            while len(provider.calls()) < calls_before + 5 and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(seconds)
            process.kill()
    reached = {call.ids["idempotency-key"]: call for call in provider.calls()}
    assert len(reached) >= 30
    for _ in range(2):
        sweep_later(bench)
    counters, rows = counters_and_rows_by_id(bench, "busy")
    rows = {forwarded_key("busy", request_id): row for request_id, row in rows.items()}
    assert set(reached) <= set(rows), "every request that reached the provider is charged"
    assert counters["c|total|all"] == counters["s|total|all"] == sum(row["cost_nano_usd"] for row in rows.values())
    for request_id, row in rows.items():
        if row["settlement"] == "unsettled":
            assert row["cost_nano_usd"] == row["held_nano_usd"]
        else:
            tokens = reached[request_id].tokens
            assert row["cost_nano_usd"] == 1_000 * tokens.input + 4_000 * tokens.output
    assert sum(row["settlement"] == "unsettled" for row in rows.values()) <= 6


def test_request_that_fails_before_the_call_leaves_no_hold(bench: Bench, provider: StandInProvider) -> None:
    """Deeply nested bodies exceed Python's recursion limit in different places; none of them may leave a hold."""
    bench.add_model("quick", upstream="standin-small")
    bench.add_model("claude", "anthropic", upstream="standin-small")
    key = bench.add_consumer("nested")
    provider.clear()
    for depth in range(20, 520, 20):
        inner = '{"type":"image","source":{"type":"url","url":"u"}}'
        for _ in range(depth):
            inner = '{"type":"tool_result","tool_use_id":"t","content":[' + inner + "]}"
        body = '{"model":"claude","max_tokens":5,"messages":[{"role":"user","content":[' + inner + "]}]}"
        response = bench.gateway().handle(request(key, body.encode(), path="/v1/messages"), API_GATEWAY_SECONDS)
        assert response.status in (200, 400)
        if response.status == 400:
            assert json.loads(response.body)["error"]["code"] == "invalid_json"
    _, rows = counters_and_rows_by_id(bench, "nested")
    assert {row["settlement"] for row in rows.values()} <= {"settled"}
    assert bench.in_flight("nested") == 0
    assert len(rows) == len(provider.calls())
