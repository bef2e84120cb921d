"""The table of errors as the SDKs see it: what they raise, and how many calls the provider receives.

Nothing that may have been billed is sent again, and no SDK repeats what the gateway has repeated already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import openai
import pytest

from lambda_src.core.error_causes import CAUSES
from local.provider.server import StandInProvider
from tests.bench import PER_TOKEN, Bench
from tests.money.api_gateway import CLIENTS, ApiGateway, Failure, chat
from tests.money.sandboxes import counters_and_rows, recent_days

SCRIPTS = ("small", "reset", "cut", "slow-2", "429", "500", "501", "garbage")
CASES = [
    # error code, model, provider calls
    ("model_not_found", "unknown", 0),
    ("budget_exceeded", "expensive", 0),
    ("upstream_timeout", "slow-2", 1),
    ("upstream_reset", "reset", 1),
    ("upstream_cut", "cut", 1),
    ("upstream_invalid", "garbage", 1),
    ("provider_account_rejected", "wrong-key", 1),
    ("upstream_unreachable", "unreachable", 0),
    ("upstream_tls", "tls", 0),
]
REFUSALS = ("model_not_found", "budget_exceeded")
MADE_UP = 10**17
"""A price at which every request exceeds the budget."""


@pytest.fixture
def front(bench: Bench, provider: StandInProvider) -> Iterator[ApiGateway]:
    """A gateway that repeats calls once, with models that fail in every way."""
    bench.put_secret("bench/wrong", "sk-not-accepted")
    config = bench.config()
    providers = dict(config.providers)
    dead, plain = "http://127.0.0.1:9", bench.provider_url.replace("http:", "https:")
    for kind, family in (("openai", "gpt"), ("anthropic", "claude"), ("bedrock", "nova")):
        path = "/v1" if kind == "openai" else ""
        own = providers[kind]
        providers |= {
            f"{kind}-wrong-key": replace(own, secret="bench/wrong"),
            f"{kind}-unreachable": replace(own, base_url=dead + path),
            f"{kind}-tls": replace(own, base_url=plain + path),
        }
        for script in SCRIPTS:
            bench.add_model(f"{family}-{script}", kind, upstream=f"standin-{script}")
        for problem in ("wrong-key", "unreachable", "tls"):
            bench.add_model(f"{family}-{problem}", f"{kind}-{problem}", upstream="standin-small")
        rates = {"above": 0, **dict.fromkeys(PER_TOKEN, MADE_UP)}
        bench.add_model(f"{family}-expensive", kind, upstream="standin-small", prices={"standard": [rates]})
    key = bench.add_consumer("app", budgets=[{"usd_nano": 10**12, "per": "day"}])
    gateway = bench.gateway(upstream_timeout_seconds=1.0, upstream_retries=1, providers=providers)
    provider.clear()
    with ApiGateway(gateway, key) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(("dialect", "family", "call"), CLIENTS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_failure_stops_the_client(
    front: ApiGateway,
    bench: Bench,
    provider: StandInProvider,
    dialect: str,
    family: str,
    call: Callable[..., Failure | None],
) -> None:
    rows = 0
    for code, model, calls in CASES:
        if dialect == "bedrock" and code == "provider_account_rejected":
            continue  # signed requests have no key that could be wrong
        for stream in (False, True):
            front.requests = 0
            provider.clear()
            failure = call(front.url, f"{family}-{model}", stream=stream)
            assert failure is not None, (code, stream)
            cause = CAUSES[code]
            assert (code, stream, front.requests, len(provider.calls())) == (code, stream, 1, calls)
            if stream and code == "upstream_cut":  # the response had begun
                assert failure.status is None
                assert "ended before it was complete" in failure.text
            else:
                assert (code, failure.status) == (code, cause.shapes[dialect].status)
                assert failure.type == cause.shapes[dialect].type
            rows += code not in REFUSALS
    _, booked = counters_and_rows(bench.ledger(), "app", recent_days())
    assert len(booked) == rows
    for row in booked:
        cause = CAUSES[row["error_code"]]
        assert row["status"] in (cause.status, 200 if row["error_code"] == "upstream_cut" else None)
        assert (row["cost_nano_usd"] > 0) is cause.billed


@pytest.mark.parametrize(("dialect", "family", "call"), CLIENTS, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("status", ["500", "429"])
def test_clients_do_not_repeat_what_the_gateway_has_repeated(
    front: ApiGateway,
    provider: StandInProvider,
    dialect: str,
    family: str,
    call: Callable[..., Failure | None],
    status: str,
) -> None:
    failure = call(front.url, f"{family}-{status}", stream=False)
    assert failure is not None
    if dialect == "bedrock" and status == "429":  # boto3 waits and repeats a 429, as it does with Bedrock itself
        assert (failure.status, failure.type) == (429, "ThrottlingException")
        return
    assert (front.requests, len(provider.calls())) == (1, 2)
    assert failure.status == (424 if dialect == "bedrock" else int(status))


def test_the_message_of_a_budget_error_states_the_budget(front: ApiGateway) -> None:
    failure = chat(front.url, "gpt-expensive", stream=False)
    assert failure is not None
    assert failure.type == "billing_error"
    assert "1000 USD per day" in failure.text


def test_the_client_repeats_what_the_gateway_may_not(
    front: ApiGateway, bench: Bench, provider: StandInProvider
) -> None:
    """A provider's `retry-after` beyond the gateway's time limit: the client waits in its place."""
    bench.add_model("gpt-later", upstream="standin-429-then-ok+retry-after-1.5")
    client = openai.OpenAI(base_url=f"{front.url}/v1", api_key="unused")
    client.chat.completions.create(model="gpt-later", messages=[{"role": "user", "content": "Hi"}])
    assert (front.requests, len(provider.calls())) == (2, 2)
    _, rows = counters_and_rows(bench.ledger(), "app", recent_days())
    assert sorted(row["cost_nano_usd"] > 0 for row in rows) == [False, True]
