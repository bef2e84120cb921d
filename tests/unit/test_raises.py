"""Temporary raises of budgets: their amounts, windows and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lambda_src.core.account import Account
from lambda_src.core.budget_use import due_events, peak_percentages
from lambda_src.core.policy import Budget, policy_from_item

NOW = datetime(2026, 11, 23, 12, 30, 45, tzinfo=UTC)
AT_MS = int(NOW.timestamp() * 1000)
ITEM: dict[str, Any] = {
    "consumer": "acme",
    "plan": "gold",
    "budgets": [{"usd_nano": 100, "per": "day"}, {"usd_nano": 1_000, "per": "month"}, {"usd_nano": 80, "per": "day"}],
    "thresholds": [80, 100],
}


def raised(amount: int, per: str, until: str) -> dict[str, object]:
    return {"usd_nano": amount, "per": per, "until": until, "at": "2026-11-23T12:00:00Z", "by": "arn"}


STATE = {
    "status": "active",
    "raises": [
        raised(50, "day", "2026-11-23T13:00:00+00:00"),
        raised(7, "day", "2026-11-24T00:00:00Z"),
        raised(900, "total", "2026-12-01T00:00:00Z"),
        raised(10_000, "month", "2026-11-23T12:30:45Z"),
    ],
}


def test_active_raises_add_to_every_budget_of_their_window() -> None:
    policy = policy_from_item(ITEM, STATE)
    assert policy.budgets == (Budget(100, "day"), Budget(1_000, "month"), Budget(80, "day")), "as Terraform wrote them"
    assert policy.at(NOW).budgets == (Budget(157, "day", 57), Budget(1_000, "month"), Budget(137, "day", 57))
    assert policy.at(NOW - timedelta(microseconds=1)).budgets[1] == Budget(11_000, "month", 10_000), (
        "active until its end"
    )
    assert policy.at(NOW + timedelta(minutes=30)).budgets[0] == Budget(107, "day", 7)
    assert policy.at(NOW + timedelta(days=30)) is policy, "no copy without a raise"


def test_policy_without_raises_is_unchanged() -> None:
    assert policy_from_item(ITEM).at(NOW).budgets == policy_from_item(ITEM, {"status": "paused"}).at(NOW).budgets


def test_thresholds_apply_to_the_raised_limit_and_are_reported_again() -> None:
    account = Account({"s|day|2026-11-23": 126})
    before = {event.sk for event in due_events("env", policy_from_item(ITEM), account, AT_MS)}
    assert before == {"EVENT#day#2026-11-23#80", "EVENT#day#2026-11-23#100"}
    (first, second) = due_events("env", policy_from_item(ITEM, STATE).at(NOW), account, AT_MS)
    assert (first.sk, first.limit_nano_usd, first.raised_nano_usd) == ("EVENT#day#2026-11-23#80#157", 157, 57)
    assert (second.sk, second.percent, second.limit_nano_usd) == ("EVENT#day#2026-11-23#80#137", 80, 137)


def test_percentages_of_the_most_used_budget() -> None:
    account = Account({"s|day|2026-11-23": 20, "c|day|2026-11-23": 40, "c|month|2026-11": 999, "s|month|2026-11": 1})
    policy = policy_from_item(ITEM)
    assert peak_percentages(policy, account, AT_MS) == (25.0, 99.9)
    assert peak_percentages(policy, account, AT_MS, spent=40, committed=-30) == (75.0, 96.9)
    assert peak_percentages(policy_from_item({**ITEM, "budgets": []}), account, AT_MS) == (0.0, 0.0)
    assert peak_percentages(policy_from_item({**ITEM, "budgets": [{"usd_nano": 0, "per": "day"}]}), account, AT_MS) == (
        0.0,
        0.0,
    )
