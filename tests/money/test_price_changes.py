"""A request has the prices of the time at which API Gateway received it."""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest

from lambda_src.core.http_event import HttpResponse
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.gateway import Gateway
from lambda_src.sweeper import Sweeper
from tests.bench import PER_TOKEN, Bench, chat, request
from tests.money.faults import FaultyAws, rows_of
from tests.money.sandboxes import API_GATEWAY_SECONDS

BEFORE = int(datetime.fromisoformat("2026-12-31T23:59:59.999Z").timestamp() * 1000)
AFTER = BEFORE + 1
SETTLED_AT = BEFORE / 1000 + 5
"""The gateway's clock, already in the new year while it holds and settles."""
DAYS = {"2026-12-31", "2027-01-01"}
DOUBLED = {name: 2 * price for name, price in PER_TOKEN.items()}


@pytest.fixture
def announced(bench: Bench) -> Bench:
    """A model whose prices double on 2027-01-01, and a consumer with a budget."""
    bench.add_model(
        "standin-small",
        price_version="now",
        price_changes=[
            {
                "from": "2027-01-01",
                "price_version": "now/from-2027-01-01",
                "prices": {"standard": [{"above": 0} | DOUBLED]},
            }
        ],
    )
    bench.add_consumer("app", budgets=[{"usd_nano": 10**12, "per": "month"}])
    return bench


def send(gateway: Gateway, at_ms: int) -> HttpResponse:
    return gateway.handle(request("key-app", chat(max_tokens=20), at_ms=at_ms), API_GATEWAY_SECONDS)


def gateway_of(bench: Bench, aws: AwsClient) -> Gateway:
    return Gateway(bench.config(), aws, now=lambda: SETTLED_AT)


def test_hold_and_cost_have_the_prices_of_the_requests_own_time(announced: Bench) -> None:
    """4 input tokens at $1 and 5 output tokens at $4 per million, and twice as much from midnight on."""
    gateway = gateway_of(announced, AwsClient(announced.cloud.environment()))
    for at_ms in (BEFORE, AFTER):
        assert send(gateway, at_ms).status == 200
    before, after = sorted(rows_of(announced.ledger(), "app", DAYS, float("inf")), key=lambda row: int(row["at_ms"]))
    assert (before["cost_nano_usd"], before["price_version"]) == (24_000, "now")
    assert (after["cost_nano_usd"], after["price_version"]) == (48_000, "now/from-2027-01-01")
    assert after["held_nano_usd"] == 2 * before["held_nano_usd"]


@pytest.mark.parametrize(("at_ms", "version"), [(BEFORE, "now"), (AFTER, "now/from-2027-01-01")])
def test_the_sweeper_names_the_prices_of_the_requests_own_time(announced: Bench, at_ms: int, version: str) -> None:
    """The gateway failed to settle: the row has the held amount and the prices it was calculated with."""
    aws = FaultyAws(announced.cloud.environment())
    gateway = gateway_of(announced, aws)
    gateway.handle(request("key-app", {}, path="/v1/models", method="GET"), API_GATEWAY_SECONDS)
    gateway.secrets.get("bench/openai", time.monotonic() + 5)
    aws.plan = ["ok", "ok", "down"]
    assert send(gateway, at_ms).status == 200
    working = AwsClient(announced.cloud.environment())
    later = Ledger(working, announced.table, "bench", 400, now=lambda: SETTLED_AT + 3_600)
    Sweeper(announced.config(), working, later).run(time.monotonic() + 30)
    (row,) = rows_of(announced.ledger(), "app", DAYS, float("inf"))
    assert (row["settlement"], row["price_version"]) == ("unsettled", version)
    assert row["cost_nano_usd"] == row["held_nano_usd"] > 24_000


def test_an_unbilled_request_names_the_prices_of_its_own_time(
    announced: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    announced.add_model("claude", "anthropic", upstream="standin-small", price_changes=[
        {"from": "2027-01-01", "price_version": "later", "prices": {"standard": [{"above": 0} | DOUBLED]}}
    ])  # fmt: skip
    gateway = gateway_of(announced, AwsClient(announced.cloud.environment()))
    for at_ms in (BEFORE, AFTER):
        asked = request("key-app", chat("claude"), path="/v1/messages/count_tokens", at_ms=at_ms)
        assert gateway.handle(asked, API_GATEWAY_SECONDS).status == 200
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [line["price_version"] for line in lines] == ["bench-1", "later"]
