"""A temporary budget raise adds exactly its amount and ends on time."""

from __future__ import annotations

from datetime import UTC, datetime

from lambda_src.contract import STATE_SK, consumer_pk
from lambda_src.core.pricing import usd
from lambda_src.edges.aws import AwsClient
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, error_of, request
from tests.money.sandboxes import API_GATEWAY_SECONDS, counters_and_rows

NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
BODY = chat("steady", max_tokens=10)


def accepted_requests(bench: Bench, gateway: Gateway, key: str, now: int, limit: int = 40) -> int:
    """Send equal requests until the budget rejects one, and return how many were accepted. Each is booked before the
    next one."""
    for count in range(limit):
        response = gateway.handle(request(key, BODY, at_ms=now * 1000), API_GATEWAY_SECONDS)
        if response.status == 400:
            assert error_of(response)["code"] == "budget_exceeded"
            return count
        assert response.status == 200
        bench.aggregate()
    raise AssertionError(f"the budget rejected none of {limit} requests")


def test_raise_adds_exactly_its_amount_until_it_ends(bench: Bench) -> None:
    clock = [NOON]
    bench.now = lambda: float(clock[0])
    bench.add_model("steady", upstream="standin-long-10")
    key = bench.add_consumer("raised", budgets=[{"usd_nano": 10**12, "per": "month"}])
    gateway = Gateway(bench.config(), AwsClient(bench.cloud.environment()), bench.now)
    cost = int(
        float(gateway.handle(request(key, BODY, at_ms=NOON * 1000), 29.0).headers["x-tollgate-cost-usd"]) * 10**9
    )
    _, (row,) = counters_and_rows(bench, "raised", {"2026-11-23"})
    account = bench.ledger().account("raised", float("inf"))
    assert account.item["s|month|2026-11"] == row["cost_nano_usd"] == cost > 0

    # A request is accepted if its hold fits; the hold is the same for all of these requests.
    held = row["held_nano_usd"]
    limit = 2 * cost + held  # room for three requests: two settled ones and one more hold
    key = bench.add_consumer("limited", budgets=[{"usd_nano": limit, "per": "day"}])
    assert accepted_requests(bench, gateway, key, NOON) == 3

    until = datetime.fromtimestamp(NOON + 90, UTC).isoformat()
    state = {"status": "active", "raises": [{"usd_nano": 5 * cost, "per": "day", "until": until, "at": "x", "by": "y"}]}
    bench.put(consumer_pk("limited"), STATE_SK, state)
    gateway.policy_cache._cached.clear()  # as if the cached policy had expired
    assert accepted_requests(bench, gateway, key, NOON + 60) == 5

    clock[0] = NOON + 89
    assert accepted_requests(bench, gateway, key, NOON + 89) == 0, "the raise is used up"
    state["raises"] = [{"usd_nano": 50 * cost, "per": "day", "until": until, "at": "x", "by": "y"}]
    bench.put(consumer_pk("limited"), STATE_SK, state)
    gateway.policy_cache._cached.clear()
    assert gateway.handle(request(key, BODY, at_ms=(NOON + 89) * 1000), API_GATEWAY_SECONDS).status == 200
    clock[0] = NOON + 90
    rejected = gateway.handle(request(key, BODY, at_ms=(NOON + 90) * 1000), API_GATEWAY_SECONDS)
    assert rejected.status == 400, "the raise has ended, although the cached policy still contains it"
    assert f"of {usd(limit)} USD per day" in error_of(rejected)["message"]
