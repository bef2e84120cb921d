"""The handler's process is killed between any two steps: nothing is lost, nothing is booked twice."""

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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_src.contract import CONFIG_VARIABLE
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.sweeper import Sweeper
from local.provider.server import StandInProvider
from tests.bench import Bench, chat, request
from tests.money.faults import request_id_of
from tests.money.sandboxes import API_GATEWAY_SECONDS, books

ROOT = Path(__file__).parent.parent.parent


def environment(bench: Bench) -> dict[str, str]:
    """What Lambda gives the handler, with the embedded cloud as AWS."""
    config = json.dumps(asdict(bench.config(estimate="strict")))
    return {**bench.cloud.environment(), CONFIG_VARIABLE: config, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}


@contextmanager
def victim(bench: Bench, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The handler in a process of its own."""
    command = [sys.executable, "-m", "tests.money.victim", *arguments]
    with subprocess.Popen(
        command, env=environment(bench), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def event_of(key_id: str, request_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """API Gateway's proxy event of a chat completion."""
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
    """What the sweeper does once every deadline is past."""
    aws = AwsClient(bench.cloud.environment())
    ledger = Ledger(aws, bench.table, "bench", 400, now=lambda: time.time() + 3_600)
    return Sweeper(bench.config(), aws, ledger).run(time.monotonic() + 30)


def days() -> set[str]:
    return {datetime.fromtimestamp(time.time() - ago, UTC).strftime("%Y-%m-%d") for ago in (0, 600)}


def books_of(bench: Bench, consumer: str) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
    """A consumer's counters, and its rows by request."""
    counters, rows = books(bench.ledger(), consumer, days())
    assert len({request_id_of(row) for row in rows}) == len(rows)
    return counters, {request_id_of(row): row for row in rows}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("point", "calls", "settlement"),
    [
        ("before.reserve", 0, None),
        ("after.reserve", 0, "unsettled"),
        ("before.send", 0, "unsettled"),
        ("after.send", 1, "unsettled"),
        ("before.settle", 1, "unsettled"),
        ("after.settle", 1, "settled"),
    ],
)
def test_a_handler_killed_between_two_steps_loses_nothing_and_books_nothing_twice(
    bench: Bench, provider: StandInProvider, point: str, calls: int, settlement: str | None, stream: bool
) -> None:
    bench.model("quick", upstream="standin-small")
    key = bench.consumer("unlucky", budgets=[{"usd_nano": 10**12, "per": "month"}])
    body = chat("quick", stream=stream)
    bench.gateway().handle(request(key, body, request_id="lived"), API_GATEWAY_SECONDS)
    counters, rows = books_of(bench, "unlucky")
    real, held = rows["lived"]["cost_nano_usd"], rows["lived"]["held_nano_usd"]
    assert 0 < real < held
    provider.clear()

    with victim(bench, point, json.dumps(event_of(key, "died", body))) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors.decode()
    assert len(provider.calls()) == calls

    expected = {None: 0, "unsettled": held, "settled": real}[settlement]
    counters, _ = books_of(bench, "unlucky")
    assert counters["c|total|all"] == real + expected, "what may have been spent is committed at once"
    for _ in range(2):  # the second one finds nothing to do
        sweep_later(bench)
        counters, rows = books_of(bench, "unlucky")
        assert counters["c|total|all"] == counters["s|total|all"] == real + expected
        assert not any(name.startswith("h|") for name in counters)
        died = rows.get("died", {"settlement": None, "cost_nano_usd": 0})
        assert (died["settlement"], died["cost_nano_usd"]) == (settlement, expected)


def test_handlers_killed_at_any_moment_under_load_lose_nothing(bench: Bench, provider: StandInProvider) -> None:
    bench.model("quick", upstream="standin-small")
    key = bench.consumer("stormy")
    provider.clear()
    for number, moments in enumerate((0.02, 0.03, 0.05, 0.07, 0.11, 0.13)):
        with victim(bench, "work", json.dumps(event_of(key, f"w{number}", chat("quick")))) as process:
            begun = len(provider.calls())
            until = time.monotonic() + 30
            while len(provider.calls()) < begun + 5 and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(moments)
            process.kill()
    reached = {call.ids["idempotency-key"]: call for call in provider.calls()}
    assert len(reached) >= 30
    sweep_later(bench)
    counters, rows = books_of(bench, "stormy")
    assert set(reached) <= set(rows), "every request that reached the provider is charged"
    assert counters["c|total|all"] == counters["s|total|all"] == sum(row["cost_nano_usd"] for row in rows.values())
    for request_id, row in rows.items():
        if row["settlement"] == "unsettled":
            assert row["cost_nano_usd"] == row["held_nano_usd"]
        else:
            tokens = reached[request_id].tokens
            assert row["cost_nano_usd"] == 1_000 * tokens.input + 4_000 * tokens.output
    assert sum(row["settlement"] == "unsettled" for row in rows.values()) <= 6


def test_what_breaks_off_before_the_provider_is_called_leaves_no_hold(bench: Bench, provider: StandInProvider) -> None:
    """Whatever a body does to Python, no hold is placed before it is known that the request can be sent on."""
    bench.model("quick", upstream="standin-small")
    bench.model("claude", "anthropic", upstream="standin-small")
    key = bench.consumer("nested")
    provider.clear()
    for depth in range(20, 520, 20):
        inner = '{"type":"image","source":{"type":"url","url":"u"}}'
        for _ in range(depth):
            inner = '{"type":"tool_result","tool_use_id":"t","content":[' + inner + "]}"
        body = '{"model":"claude","max_tokens":5,"messages":[{"role":"user","content":[' + inner + "]}]}"
        answer = bench.gateway().handle(request(key, body.encode(), path="/v1/messages"), API_GATEWAY_SECONDS)
        assert answer.status in (200, 400)
        if answer.status == 400:
            assert json.loads(answer.body)["error"]["code"] == "invalid_json"
    counters, rows = books_of(bench, "nested")
    assert not any(name.startswith("h|") for name in counters)
    assert len(rows) == len(provider.calls())
