"""A temporary raise of a budget lets exactly so much more pass, and no more once it has ended."""

from __future__ import annotations

from datetime import UTC, datetime

from lambda_src.contract import STATE_SK, consumer_pk
from lambda_src.core.pricing import usd
from lambda_src.edges.aws import AwsClient
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, error_of, request
from tests.money.sandboxes import API_GATEWAY_SECONDS

NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
ONE = chat("steady", max_tokens=10)


def passed(gateway: Gateway, key: str, now: int, most: int = 40) -> int:
    """How many requests of one price pass until one is refused for its budget."""
    for count in range(most):
        answer = gateway.handle(request(key, ONE, at_ms=now * 1000), API_GATEWAY_SECONDS)
        if answer.status == 429:
            assert error_of(answer)["code"] == "budget_exceeded"
            return count
        assert answer.status == 200
    raise AssertionError(f"{most} requests passed")


def test_a_raise_lets_exactly_so_much_more_pass_until_it_ends(bench: Bench) -> None:
    clock = [NOON]
    bench.model("steady", upstream="standin-long-10")
    key = bench.consumer("raised", budgets=[{"usd_nano": 10**12, "per": "month"}])
    gateway = Gateway(bench.config(), AwsClient(bench.cloud.environment()), lambda: float(clock[0]))
    cost = int(float(gateway.handle(request(key, ONE, at_ms=NOON * 1000), 29.0).headers["x-tollgate-cost-usd"]) * 10**9)
    account = bench.ledger().account("raised", float("inf"))
    assert account.item["s|month|2026-11"] == cost > 0

    # What a request holds decides whether it still fits; it is the same for all of these.
    held = next(row["held_nano_usd"] for row in bench.ledger().query_partition("USAGE#raised#2026-11-23", float("inf")))
    limit = 2 * cost + held  # three: two that are spent, and one that still has room to be held
    key = bench.consumer("limited", budgets=[{"usd_nano": limit, "per": "day"}])
    assert passed(gateway, key, NOON) == 3

    until = datetime.fromtimestamp(NOON + 90, UTC).isoformat()
    state = {"status": "active", "raises": [{"usd_nano": 5 * cost, "per": "day", "until": until, "at": "x", "by": "y"}]}
    bench.put(consumer_pk("limited"), STATE_SK, state)
    gateway.policy_cache._cached.clear()  # a minute later
    assert passed(gateway, key, NOON + 60) == 5

    clock[0] = NOON + 89
    assert passed(gateway, key, NOON + 89) == 0, "used up"
    state["raises"] = [{"usd_nano": 50 * cost, "per": "day", "until": until, "at": "x", "by": "y"}]
    bench.put(consumer_pk("limited"), STATE_SK, state)
    gateway.policy_cache._cached.clear()
    assert gateway.handle(request(key, ONE, at_ms=(NOON + 89) * 1000), API_GATEWAY_SECONDS).status == 200
    clock[0] = NOON + 90
    refused = gateway.handle(request(key, ONE, at_ms=(NOON + 90) * 1000), API_GATEWAY_SECONDS)
    assert refused.status == 429, "the cached policy still has the raise, but its time is over"
    assert f"of {usd(limit)} USD per day" in error_of(refused)["message"]
