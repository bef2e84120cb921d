"""Budget status and forecasts, in exact numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from admin.amounts import nano_usd
from admin.budgets.forecast import Forecast, forecasts
from admin.budgets.raises import window_of
from admin.budgets.status import ConsumerBudgets, dollars
from admin.errors import RefusedError, UsageError
from lambda_src.core.account import Account

DOLLAR = 1_000_000_000
NOW = datetime(2026, 11, 11, tzinfo=UTC)  # a Wednesday; a third of November is over


def consumer_budgets(budgets: list[dict[str, Any]], account: dict[str, Any], **state: object) -> ConsumerBudgets:
    item = {"consumer": "search", "plan": "open", "models": ["*"], "budgets": budgets}
    return ConsumerBudgets(item=item, state=state, account=Account(account))


def budget(usd: int, per: str) -> dict[str, Any]:
    return {"usd_nano": usd * DOLLAR, "per": per}


def forecast(budgets: ConsumerBudgets, days: dict[date, int] | None = None) -> Forecast:
    (only,) = forecasts(budgets, days or {}, NOW)
    return only


def test_a_budget_is_spent_held_and_left() -> None:
    account = {"s|month|2026-11": 30 * DOLLAR, "c|month|2026-11": 35 * DOLLAR, "s|day|2026-11-11": 7}
    (status,) = consumer_budgets([budget(100, "month")], account).budgets(NOW)
    assert (status.spent, status.held, status.left) == (30 * DOLLAR, 5 * DOLLAR, 65 * DOLLAR)
    assert status.percent == 30
    assert status.bar() == "██████▒░░░░░░░░░░░░░"
    assert status.frees == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_raise_counts_until_it_ends() -> None:
    raised = {"usd_nano": 20 * DOLLAR, "per": "month", "at": "…", "by": "…"}
    lasting = consumer_budgets([budget(100, "month")], {}, raises=[raised | {"until": "2026-11-12T00:00:00+00:00"}])
    ended = consumer_budgets([budget(100, "month")], {}, raises=[raised | {"until": "2026-11-11T00:00:00+00:00"}])
    assert [status.limit for status in lasting.budgets(NOW)] == [120 * DOLLAR]
    assert [status.limit for status in ended.budgets(NOW)] == [100 * DOLLAR]
    assert ended.active_raises(NOW) == []


@pytest.mark.parametrize(("limit", "spent", "cells", "percent"), [(0, 0, 20, 100), (10, 20, 20, 200), (10, 0, 0, 0)])
def test_bars_of_a_zero_limit_and_of_overspend(limit: int, spent: int, cells: int, percent: int) -> None:
    (status,) = consumer_budgets([budget(limit, "total")], {"s|total|all": spent * DOLLAR}).budgets(NOW)
    assert status.bar().count("█") == cells
    assert len(status.bar()) == 20
    assert status.percent == percent


def test_a_month_continues_at_its_rate() -> None:
    found = forecast(consumer_budgets([budget(100, "month")], {"s|month|2026-11": 30 * DOLLAR + 1}))
    assert found.by_pace is not None
    # 10 of 30 days have passed: three times the spend, to the nano-dollar.
    assert found.by_pace.nano_usd == 90 * DOLLAR + 3
    assert found.by_average is None
    assert (found.exceeds, found.reached) == (False, None)


def test_a_budget_that_will_be_reached_says_when() -> None:
    found = forecast(consumer_budgets([budget(40, "month")], {"s|month|2026-11": 20 * DOLLAR}))
    assert found.exceeds
    assert found.reached == "2026-11-21T00:00:00+00:00"  # two dollars a day


def test_the_average_of_seven_days_is_the_second_rate() -> None:
    days = {date(2026, 11, day): day * DOLLAR for day in range(4, 11)}  # 49 dollars: seven a day
    found = forecast(consumer_budgets([budget(150, "month")], {"s|month|2026-11": 20 * DOLLAR}), days)
    assert found.by_pace is not None
    assert found.by_average is not None
    assert found.by_pace.usd == "60"
    assert found.by_average.usd == "160"  # 20 and 20 days of seven
    assert found.exceeds
    assert found.reached == "2026-11-29T13:42:52+00:00"  # 130 dollars at seven a day


def test_a_new_consumers_average_has_fewer_days() -> None:
    days = {date(2026, 11, 9): 4 * DOLLAR}
    found = forecast(consumer_budgets([budget(100, "month")], {"s|month|2026-11": 4 * DOLLAR}), days)
    assert found.by_average is not None
    assert found.by_average.usd == "44"  # two a day since the 9th, for 20 days


def test_a_window_that_has_just_begun_has_no_rate() -> None:
    found = forecast(consumer_budgets([budget(10, "day")], {"s|day|2026-11-11": 2 * DOLLAR}))
    assert found.by_pace is None
    assert not found.exceeds


def test_a_total_has_no_end_but_may_be_reached() -> None:
    days = {date(2026, 11, day): DOLLAR for day in range(4, 11)}
    found = forecast(consumer_budgets([budget(100, "total")], {"s|total|all": 90 * DOLLAR}), days)
    assert (found.ends, found.by_pace, found.by_average, found.exceeds) == (None, None, None, False)
    assert found.reached == "2026-11-21T00:00:00+00:00"


def test_a_raise_that_ends_before_its_window_does_not_count_at_the_end() -> None:
    raised = {"usd_nano": 50 * DOLLAR, "per": "month", "until": "2026-11-20T00:00:00+00:00", "at": "…", "by": "…"}
    found = forecast(consumer_budgets([budget(40, "month")], {"s|month|2026-11": 20 * DOLLAR}, raises=[raised]))
    assert found.limit.usd == "40"
    assert found.exceeds


def test_a_spent_budget_is_reached_now() -> None:
    found = forecast(consumer_budgets([budget(1, "month")], {"s|month|2026-11": 2 * DOLLAR}))
    assert found.reached == "2026-11-11T00:00:00+00:00"
    assert found.exceeds


@pytest.mark.parametrize(
    ("text", "nano"), [("20", 20 * DOLLAR), ("0.25", 250_000_000), ("0.000000001", 1), ("1e3", 1000 * DOLLAR)]
)
def test_amounts_are_exact(text: str, nano: int) -> None:
    assert nano_usd(text, "--usd") == nano


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "1e10", "0.0000000001", "$5", "٣", "1" * 500])
def test_invalid_amounts_are_rejected(text: str) -> None:
    with pytest.raises(UsageError, match="accepted: dollars above 0"):
        nano_usd(text, "--usd")


def test_the_window_of_a_raise_must_be_one_of_a_budget() -> None:
    both = consumer_budgets([budget(5, "day"), budget(50, "month")], {})
    assert window_of(both, "day") == "day"
    assert window_of(consumer_budgets([budget(5, "week")], {}), None) == "week"
    with pytest.raises(UsageError, match="budgets per day, month; pick one with --per"):
        window_of(both, None)
    with pytest.raises(RefusedError, match="no budget per week; it has one per day and month"):
        window_of(both, "week")
    with pytest.raises(RefusedError, match="has no budget"):
        window_of(consumer_budgets([], {}), None)


def test_negative_amounts_have_a_sign() -> None:
    assert (dollars(-1_500_000_000), dollars(1_234_500_000_000)) == ("-$1.50", "$1,234.50")
