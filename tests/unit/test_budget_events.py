"""When a soft threshold is reached."""

from __future__ import annotations

import json

import pytest

from lambda_src.core.account import Account
from lambda_src.core.policy import Budget, Policy
from lambda_src.edges.budget_events import BudgetEvent, due_events, message

AT_MS = 1_795_437_000_000  # 2026-11-23


def policy(limit: int, *thresholds: int) -> Policy:
    budgets = (Budget(limit, "day"), Budget(10 * limit, "total"))
    return Policy(consumer="acme", plan="p", models=frozenset(), budgets=budgets, thresholds=thresholds)


@pytest.mark.parametrize(
    ("spent", "more", "percents"),
    [
        (0, 0, []), (499, 0, []), (500, 0, [50]), (300, 200, [50]), (799, 0, [50]), (800, 0, [50, 80]),
        (1_000, 0, [50, 80, 100]), (999, 501, [50, 80, 100]),
    ],
)  # fmt: skip
def test_a_threshold_is_reached_at_its_share_of_the_limit(spent: int, more: int, percents: list[int]) -> None:
    account = Account({"s|day|2026-11-23": spent, "c|day|2026-11-23": 5_000})
    events = list(due_events("env", policy(1_000, 50, 80, 100), account, AT_MS, more))
    assert [event.percent for event in events] == percents
    assert {event.per for event in events} <= {"day"}
    assert {event.spent_nano_usd for event in events} <= {spent + more}


def test_an_event_is_named_by_window_and_share() -> None:
    account = Account({"s|total|all": 10_000})
    (event,) = due_events("env", policy(1_000, 100), account, AT_MS)
    assert event.sk == "EVENT#total#all#100"
    assert event.subject == "Tollgate env: acme spent 100 % of its budget per total"
    assert (event.limit_nano_usd, event.window) == (10_000, "all")
    assert json.dumps(event.sk)


def test_a_message_is_a_custom_notification() -> None:
    """AWS Chatbot shows nothing in a channel that is neither AWS's own nor of this schema
    (docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html)."""
    event = BudgetEvent("env", "acme", "day", "2026-11-23", 80, 50_000_000_000, 40_500_000_000)
    told = json.loads(message(event))
    assert (told["version"], told["source"]) == ("1.0", "custom")
    assert set(told) == {"version", "source", "content", "metadata"}
    assert told["content"]["title"] == "Tollgate env: acme spent 80 % of its budget per day"
    assert told["content"]["description"] == "40.5 of 50 USD are spent in the window 2026-11-23."
    assert told["metadata"]["additionalContext"] == {
        "environment": "env",
        "consumer": "acme",
        "per": "day",
        "window": "2026-11-23",
        "percent": "80",
        "limit_nano_usd": "50000000000",
        "spent_nano_usd": "40500000000",
        "raised_nano_usd": "0",
        "spent_usd": "40.5",
        "limit_usd": "50",
    }


def test_a_budget_of_nothing_has_no_shares() -> None:
    assert list(due_events("env", policy(0, 50), Account({"s|day|2026-11-23": 5}), AT_MS)) == []
