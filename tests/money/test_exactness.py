"""The ledger's total equals the provider's bill exactly: thousands of requests of every dialect, with random faults.

The stand-in provider records the tokens that it bills. This test prices each of its calls with fractions, without the
gateway's code. Rows marked `estimated` or `unsettled` are the exceptions: they are listed and summed separately.

TOLLGATE_EXACTNESS=1000 sends a thousand requests; the default is 5,000, or 10,000 with HYPOTHESIS_PROFILE=long.
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
from tests.bench import Bench, chat, forwarded_key, request
from tests.money.conftest import LONG
from tests.money.faults import Fault, FaultyAws, request_id_of
from tests.money.sandboxes import API_GATEWAY_SECONDS, counters_and_rows

REQUESTS = int(os.environ.get("TOLLGATE_EXACTNESS", "10000" if LONG else "5000"))
THREADS = 16
SEED = 20_261_123
CONSUMERS = [f"tenant-{number}" for number in range(6)]

SHORT = dict(zip(TOKEN_CLASSES, (1_000_003, 100_001, 1_250_007, 2_000_009, 3_000_011, 1_500_013, 4_000_017, 9_000_019),
                 strict=True))  # fmt: skip
LONG_CONTEXT_FROM = 60
TABLE = {
    tier: [
        {"above": 0, **{name: price * factor // 7 for name, price in SHORT.items()}},
        {"above": LONG_CONTEXT_FROM, **{name: price * factor * 2 // 9 for name, price in SHORT.items()}},
    ]
    for tier, factor in (("standard", 100), ("flex", 50), ("priority", 170))
}
"""Prices that rarely give whole nano-USD, so that rounding errors show."""

PLAIN = (
    "small", "small", "small", "small", "cached", "cachewrite", "reasoning", "long-300", "tier-flex", "tier-priority",
    "cached+cachewrite+reasoning",
)  # fmt: skip
BROKEN = ("nousage", "cut", "reset", "garbage", "error-event", "503-then-ok", "429", "500")
OPENAI_ONLY = ("audio+image", "inline-usage", "cached+audio")
DIALECTS = ("chat", "responses", "embeddings", "messages", "converse")


def scripts(dialect: str) -> tuple[str, ...]:
    """The stand-in's scripts for a dialect. Normal ones occur several times, so that they are drawn more often."""
    return PLAIN * 4 + BROKEN + (OPENAI_ONLY if dialect == "chat" else ())


def random_request(number: int, rng: random.Random) -> HttpRequest:
    dialect = rng.choice(DIALECTS)
    script = rng.choice(scripts(dialect))
    stream = dialect != "embeddings" and rng.random() < 0.5
    text = " ".join(rng.choices(["ledger", "naïve", "数える", "sum", "a", "\n"], k=rng.randint(1, 60)))
    request_id = f"x{number}"
    name = f"{dialect}-{script}"
    body: dict[str, Any] = {"model": name, "stream": stream} if stream else {"model": name}
    path, model = f"/v1/{dialect}", None
    if dialect == "chat":
        path, body = "/v1/chat/completions", chat(name, text, **({"stream": True} if stream else {}))
        body |= rng.choice(
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
    key = f"key-{rng.choice(CONSUMERS)}"
    headers = {"idempotency-key": request_id}
    return request(key, body, path=path, model=model, request_id=request_id, headers=headers)


def add_models_and_consumers(bench: Bench) -> None:
    """Models for every dialect and script, and consumers whose budgets are never reached."""
    kinds = {"messages": "anthropic", "converse": "bedrock"}
    for dialect in DIALECTS:
        for script in {*scripts(dialect)}:
            bench.add_model(
                f"{dialect}-{script}", kinds.get(dialect, "openai"), upstream=f"standin-{script}", prices=TABLE,
                max_output_tokens=600,
            )  # fmt: skip
    for consumer in CONSUMERS:
        bench.add_consumer(consumer, budgets=[{"usd_nano": 10**15, "per": per} for per in ("day", "month", "total")])


class RandomlyFaultyAws(FaultyAws):
    """One call in forty fails: its response is lost, or the ledger is down before or after it."""

    def __init__(self, environ: Mapping[str, str], seed: int) -> None:
        super().__init__(environ)
        self._random = random.Random(seed)  # noqa: S311 - the same faults in every run

    def _next(self) -> Fault:
        faults: list[Fault] = ["lost", "lost", "down", "down after"]
        return self._random.choice(faults) if self._random.random() < 1 / 40 else "ok"


def price_of(call: dict[str, Any]) -> Fraction:
    """The exact cost in nano-USD of a call recorded by the provider."""
    tokens, tier = call["tokens"], call["service_tier"]
    total_input = sum(tokens[name] for name in TOKEN_CLASSES if not name.startswith("output"))
    short_rates, long_rates = TABLE["standard" if tier in (None, "default") or call["dialect"] == "anthropic" else tier]
    rates = long_rates if total_input > LONG_CONTEXT_FROM else short_rates
    return sum((Fraction(tokens[name] * rates[name], 10**6) for name in TOKEN_CLASSES), Fraction())


def half_up(exact: Fraction) -> int:
    return int(exact + Fraction(1, 2))


@pytest.fixture
def provider_url() -> Iterator[str]:
    """URL of a stand-in provider in a separate process, so that it does not compete with the gateway's threads."""
    command = [sys.executable, "-m", "local.provider.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.mark.timeout(600)
def test_ledger_total_equals_the_provider_bill(bench: Bench, provider_url: str) -> None:
    bench.provider_url = provider_url
    add_models_and_consumers(bench)
    rng = random.Random(SEED)  # noqa: S311 - the same requests in every run
    requests = [random_request(number, rng) for number in range(REQUESTS)]
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        gateways = [Gateway(bench.config(), RandomlyFaultyAws(bench.cloud.environment(), n)) for n in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            futures = [pool.submit(handle_all, gateway, requests[n::THREADS]) for n, gateway in enumerate(gateways)]
            statuses = sum((future.result() for future in futures), Counter[int]())
    lines = [json.loads(line) for line in log.getvalue().splitlines() if '"kind":"usage"' in line]
    assert statuses.total() == REQUESTS == len(lines)

    failed = [line for line in lines if line["ledger_failed"]]
    assert failed, "no ledger write failed, so the faults had no effect"
    ledger = Ledger(AwsClient(bench.cloud.environment()), bench.table, "bench", 400, now=lambda: time.time() + 3_600)
    for line in failed[::3]:  # a third is replayed before the sweeper runs,
        ledger.replay(record_from_line(line), time.monotonic() + 10)
    sweep(bench, ledger)
    for line in failed[1::3]:  # a third after it, and the rest never
        ledger.replay(record_from_line(line), time.monotonic() + 10)
    sweep(bench, ledger)

    with urllib.request.urlopen(f"{provider_url}/_standin/calls") as response:
        compare(bench, json.load(response)["calls"], lines)


def handle_all(gateway: Gateway, requests: list[HttpRequest]) -> Counter[int]:
    """Handle requests one after the other, as a sandbox does, and count the response statuses."""
    return Counter(gateway.handle(request, API_GATEWAY_SECONDS).status for request in requests)


def sweep(bench: Bench, ledger: Ledger) -> None:
    """Book what has ended, then end lapsed requests and close buckets."""
    with contextlib.redirect_stdout(io.StringIO()):
        bench.aggregate()
        sweeper = Sweeper(bench.config(), AwsClient(bench.cloud.environment()), ledger)
        assert sweeper.run(time.monotonic() + 60)["failed"] == 0


def compare(bench: Bench, calls: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    """Compare the ledger with the provider's calls: per request, per consumer and in total."""
    days = {line["time"][:10] for line in lines}
    rows: dict[str, dict[str, Any]] = {}
    ledger_total = 0
    for consumer in CONSUMERS:
        counters, consumer_rows = counters_and_rows(bench, consumer, days)
        assert bench.ledger().account(consumer, time.monotonic() + 10).open_buckets() == []
        assert counters["c|total|all"] == counters["s|total|all"] == sum(row["cost_nano_usd"] for row in consumer_rows)
        ledger_total += counters["s|total|all"]
        for row in consumer_rows:
            assert rows.setdefault(request_id_of(row), row) is row, "a request has two rows"

    sent = {forwarded_key(line["consumer"], line["request_id"]): line["request_id"] for line in lines}
    billed: dict[str, Fraction] = {}
    for call in calls:
        request_id = sent[call["ids"]["idempotency-key"]]
        billed[request_id] = billed.get(request_id, Fraction()) + price_of(call)
    assert {request_id for request_id, cost in billed.items() if cost} <= set(rows), "a billed request has no row"

    estimated = {request_id for request_id, row in rows.items() if row["usage_source"] == "estimated"}
    for request_id, row in rows.items():
        if request_id not in estimated:
            assert row["cost_nano_usd"] == half_up(billed.get(request_id, Fraction())), row
            assert row["cost_nano_usd"] <= row["held_nano_usd"], row
    estimated_rows = [rows[request_id] for request_id in sorted(estimated)]
    assert all(row["settlement"] == "settled" or row["error_code"] == "unsettled" for row in estimated_rows)

    exact_total = sum(half_up(cost) for request_id, cost in billed.items() if request_id not in estimated)
    estimated_total = sum(row["cost_nano_usd"] for row in estimated_rows)
    assert ledger_total == exact_total + estimated_total
    kinds = Counter((row["settlement"], row.get("error_code", "no usage")) for row in estimated_rows)
    print(f"{REQUESTS} requests, {len(calls)} calls: {ledger_total} nano-USD, {exact_total} by the provider's count,")
    print(f"{estimated_total} in {len(estimated)} estimated rows: {dict(kinds)}")
    assert len(estimated) < len(rows) / 4
    assert {"unsettled", "upstream_cut", "upstream_reset", "no usage"} <= {code for _, code in kinds}
