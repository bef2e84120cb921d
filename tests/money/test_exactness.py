"""Ten thousand requests of every dialect, with faults on all sides: the ledger has the provider's own count, exactly.

The stand-in provider keeps its own account of what it bills. Each of its calls is priced here, apart from the gateway's
code, with fractions. Rows marked `estimated` or `unsettled` are the exceptions: they are listed, and add up.

TOLLGATE_EXACTNESS=1000 sends fewer than the ten thousand of every test run.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import pytest

from lambda_src.contract import TOKEN_CLASSES
from lambda_src.core.http_event import HttpRequest
from lambda_src.core.usage_record import record_from_line
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.gateway import Gateway
from lambda_src.sweeper import Sweeper
from tests.bench import Bench, chat, request
from tests.money.faults import Fault, FaultyAws, request_id_of
from tests.money.sandboxes import API_GATEWAY_SECONDS, books

REQUESTS = int(os.environ.get("TOLLGATE_EXACTNESS", "10000"))
THREADS = 16
SEED = 20_261_123
CONSUMERS = [f"tenant-{number}" for number in range(6)]

SHORT = dict(zip(TOKEN_CLASSES, (1_000_003, 100_001, 1_250_007, 2_000_009, 3_000_011, 1_500_013, 4_000_017, 9_000_019),
                 strict=True))  # fmt: skip
LONG_FROM = 60
TABLE = {
    tier: [
        {"above": 0, **{name: price * factor // 7 for name, price in SHORT.items()}},
        {"above": LONG_FROM, **{name: price * factor * 2 // 9 for name, price in SHORT.items()}},
    ]
    for tier, factor in (("standard", 100), ("flex", 50), ("priority", 170))
}
"""Prices that hardly ever come out even, so that rounding shows."""

PLAIN = (
    "small", "small", "small", "small", "cached", "cachewrite", "reasoning", "long-300", "tier-flex", "tier-priority",
    "cached+cachewrite+reasoning",
)  # fmt: skip
BROKEN = ("nousage", "cut", "reset", "garbage", "error-event", "503-then-ok", "429", "500")
OPENAI_ONLY = ("audio+image", "inline-usage", "cached+audio")
DIALECTS = ("chat", "responses", "embeddings", "messages", "converse")


def scripts(dialect: str) -> tuple[str, ...]:
    """The stand-in's scripts for a dialect, the usual ones many times as likely as the broken ones."""
    return PLAIN * 4 + BROKEN + (OPENAI_ONLY if dialect == "chat" else ())


def written(number: int, dice: random.Random) -> tuple[HttpRequest, str]:
    """One request, and its id."""
    dialect = dice.choice(DIALECTS)
    script = dice.choice(scripts(dialect))
    stream = dialect != "embeddings" and dice.random() < 0.5
    text = " ".join(dice.choices(["ledger", "naïve", "数える", "sum", "a", "\n"], k=dice.randint(1, 60)))
    request_id = f"x{number}"
    name = f"{dialect}-{script}"
    body: dict[str, Any] = {"model": name, "stream": stream} if stream else {"model": name}
    path, model = f"/v1/{dialect}", None
    if dialect == "chat":
        path, body = "/v1/chat/completions", chat(name, text, **({"stream": True} if stream else {}))
        body |= dice.choice(
            [{}, {"n": 2}, {"max_tokens": 20}, {"stream_options": {"include_usage": True}} if stream else {}]
        )
    elif dialect == "responses":
        body["input"] = text
    elif dialect == "embeddings":
        body["input"] = [text, "second"]
    elif dialect == "messages":
        body |= {"max_tokens": 200, "messages": [{"role": "user", "content": text}]}
        if "cachewrite" in script:
            body["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    else:
        path, model = "/bedrock/model/{model}/converse" + ("-stream" if stream else ""), name
        cache = [{"cachePoint": {"type": "default"}}] if "cachewrite" in script else []
        body = {"messages": [{"role": "user", "content": [{"text": text}, *cache]}]}
        if "tier-" in script:
            body["serviceTier"] = {"type": script.removeprefix("tier-")}
    key = f"key-{dice.choice(CONSUMERS)}"
    headers = {"idempotency-key": request_id}
    return request(key, body, path=path, model=model, request_id=request_id, headers=headers), request_id


def provide(bench: Bench) -> None:
    """Models for every dialect and script, and consumers with budgets that are never reached."""
    kinds = {"messages": "anthropic", "converse": "bedrock"}
    for dialect in DIALECTS:
        for script in {*scripts(dialect)}:
            bench.model(
                f"{dialect}-{script}", kinds.get(dialect, "openai"), upstream=f"standin-{script}", prices=TABLE,
                max_output_tokens=600,
            )  # fmt: skip
    for consumer in CONSUMERS:
        bench.consumer(consumer, budgets=[{"usd_nano": 10**15, "per": per} for per in ("day", "month", "total")])


class Unlucky(FaultyAws):
    """One call in forty goes wrong: its answer is lost, or the ledger is down before or after it."""

    def __init__(self, environ: Mapping[str, str], seed: int) -> None:
        super().__init__(environ)
        self._dice = random.Random(seed)  # noqa: S311 - the same faults in every run

    def _next(self) -> Fault:
        faults: list[Fault] = ["lost", "lost", "down", "down after"]
        return self._dice.choice(faults) if self._dice.random() < 1 / 40 else "ok"


def price_of(call: dict[str, Any]) -> Fraction:
    """Nano-USD that the provider's own count of a call costs, exactly."""
    tokens, tier = call["tokens"], call["service_tier"]
    total_input = sum(tokens[name] for name in TOKEN_CLASSES if not name.startswith("output"))
    short, long = TABLE["standard" if tier in (None, "default") or call["dialect"] == "anthropic" else tier]
    rates = long if total_input > LONG_FROM else short
    return sum((Fraction(tokens[name] * rates[name], 10**6) for name in TOKEN_CLASSES), Fraction())


def half_up(exact: Fraction) -> int:
    return int(exact + Fraction(1, 2))


@pytest.fixture
def provider_url() -> Iterator[str]:
    """A stand-in provider in a process of its own: beside the gateway's threads it would wait for them."""
    command = [sys.executable, "-m", "local.provider.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.mark.timeout(600)
def test_the_ledgers_total_is_the_providers_own_count(bench: Bench, provider_url: str) -> None:
    bench.provider_url = provider_url
    provide(bench)
    dice = random.Random(SEED)  # noqa: S311 - the same requests in every run
    sent = [written(number, dice)[0] for number in range(REQUESTS)]
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        gateways = [Gateway(bench.config(), Unlucky(bench.cloud.environment(), n)) for n in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            parts = [pool.submit(answer_all, gateway, sent[n::THREADS]) for n, gateway in enumerate(gateways)]
            statuses = sum((each.result() for each in parts), Counter[int]())
    lines = [json.loads(line) for line in log.getvalue().splitlines() if '"kind":"usage"' in line]
    assert statuses.total() == REQUESTS == len(lines)

    failed = [line for line in lines if line["ledger_failed"]]
    assert failed, "the ledger was never down: the faults did not happen"
    ledger = Ledger(AwsClient(bench.cloud.environment()), bench.table, "bench", 400, now=lambda: time.time() + 3_600)
    for line in failed[::3]:  # an operator replays some of them before the sweeper comes,
        ledger.replay(record_from_line(line), time.monotonic() + 10)
    with contextlib.redirect_stdout(io.StringIO()):
        assert (
            Sweeper(bench.config(), AwsClient(bench.cloud.environment()), ledger).run(time.monotonic() + 60)["failed"]
            == 0
        )
    for line in failed[1::3]:  # some after it, and never the rest
        ledger.replay(record_from_line(line), time.monotonic() + 10)

    with urllib.request.urlopen(f"{provider_url}/_standin/calls") as answer:
        compare(ledger, json.load(answer)["calls"], lines)


def answer_all(gateway: Gateway, requests: list[HttpRequest]) -> Counter[int]:
    """The statuses of the answers, one sandbox after the other's fashion."""
    return Counter(gateway.handle(each, API_GATEWAY_SECONDS).status for each in requests)


def compare(ledger: Ledger, calls: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    days = {line["time"][:10] for line in lines}
    rows: dict[str, dict[str, Any]] = {}
    total = 0
    for consumer in CONSUMERS:
        counters, its_rows = books(ledger, consumer, days)
        assert not any(name.startswith("h|") for name in counters)
        assert counters["c|total|all"] == counters["s|total|all"] == sum(row["cost_nano_usd"] for row in its_rows)
        total += counters["s|total|all"]
        for row in its_rows:
            assert rows.setdefault(request_id_of(row), row) is row, "a request has one row"

    billed: dict[str, Fraction] = {}
    for call in calls:
        request_id = call["ids"]["idempotency-key"]
        billed[request_id] = billed.get(request_id, Fraction()) + price_of(call)
    assert {each for each, exact in billed.items() if exact} <= set(rows), "what the provider billed has a row"

    marked = {each for each, row in rows.items() if row["usage_source"] == "estimated"}
    for request_id, row in rows.items():
        if request_id not in marked:
            assert row["cost_nano_usd"] == half_up(billed.get(request_id, Fraction())), row
            assert row["cost_nano_usd"] <= row["held_nano_usd"], row
    assert all(rows[each]["settlement"] == "settled" or rows[each]["error_code"] == "unsettled" for each in marked)

    exactly = sum(half_up(exact) for request_id, exact in billed.items() if request_id not in marked)
    exceptions = sum(rows[each]["cost_nano_usd"] for each in marked)
    assert total == exactly + exceptions
    kinds = Counter((rows[each]["settlement"], rows[each].get("error_code", "no usage")) for each in sorted(marked))
    print(f"{REQUESTS} requests, {len(calls)} calls: {total} nano-USD, {exactly} by the provider's count,")
    print(f"{exceptions} in {len(marked)} marked rows: {dict(kinds)}")
    assert len(marked) < len(rows) / 4
    assert {"unsettled", "upstream_cut", "upstream_reset", "no usage"} <= {code for _, code in kinds}
