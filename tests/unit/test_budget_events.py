"""Budget events: when they are due, and their SNS message."""

from __future__ import annotations

import json

import pytest

from lambda_src.core.account import Account
from lambda_src.core.budget_use import BudgetEvent, due_events
from lambda_src.core.policy import Budget, Policy
from lambda_src.edges.budget_events import sns_message

AT_MS = 1_795_437_000_000  # 2026-11-23


def policy(limit: int, *thresholds: int) -> Policy:
    budgets = (Budget(limit, "day"), Budget(10 * limit, "total"))
    return Policy(consumer="acme", plan="p", models=frozenset(), budgets=budgets, thresholds=thresholds)


@pytest.mark.parametrize(
    ("spent", "percents"),
    [(0, []), (499, []), (500, [50]), (799, [50]), (800, [50, 80]), (999, [50, 80]), (1_000, [50, 80, 100]),
     (1_500, [50, 80, 100])],
)  # fmt: skip
def test_threshold_is_reached_at_its_percentage_of_the_limit(spent: int, percents: list[int]) -> None:
    account = Account({"s|day|2026-11-23": spent, "c|day|2026-11-23": 5_000})
    events = list(due_events("env", policy(1_000, 50, 80, 100), account, AT_MS))
    assert [event.percent for event in events] == percents
    assert {event.per for event in events} <= {"day"}
    assert {event.spent_nano_usd for event in events} <= {spent}


def test_event_key_has_window_and_percentage() -> None:
    account = Account({"s|total|all": 10_000})
    (event,) = due_events("env", policy(1_000, 100), account, AT_MS)
    assert event.sk == "EVENT#total#all#100"
    assert event.subject == "Tollgate env: acme spent 100 % of its budget per total"
    assert (event.limit_nano_usd, event.window) == (10_000, "all")
    assert json.dumps(event.sk)


def test_message_is_a_custom_notification() -> None:
    """Chat channels drop messages that are neither from AWS nor in this schema
    (docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html)."""
    event = BudgetEvent("env", "acme", "first", "day", "2026-11-23", 80, 50_000_000_000, 40_500_000_000)
    parsed = json.loads(sns_message(event))
    assert (parsed["version"], parsed["source"]) == ("1.0", "custom")
    assert set(parsed) == {"version", "source", "content", "metadata"}
    assert parsed["content"]["title"] == "Tollgate env: acme spent 80 % of its budget per day"
    assert parsed["content"]["description"] == "Spent 40.5 of 50 USD in the window 2026-11-23."
    assert parsed["metadata"]["additionalContext"] == {
        "environment": "env",
        "consumer": "acme",
        "consumer_id": "first",
        "per": "day",
        "window": "2026-11-23",
        "percent": "80",
        "limit_nano_usd": "50000000000",
        "spent_nano_usd": "40500000000",
        "raised_nano_usd": "0",
        "spent_usd": "40.5",
        "limit_usd": "50",
    }


def test_budget_of_zero_has_no_events() -> None:
    assert list(due_events("env", policy(0, 50), Account({"s|day|2026-11-23": 5}), AT_MS)) == []
