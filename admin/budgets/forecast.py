"""Forecasts of spend at the end of a budget's window, from two rates, in exact integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from admin.budgets.status import BudgetStatus, ConsumerBudgets, Money, dollars
from admin.output import table
from admin.session import Session
from admin.times import iso_time, relative_time
from lambda_src.contract import Window, rollup_parts, rollup_pk
from lambda_src.core.policy import Policy
from lambda_src.core.windows import previous, resets_at

AVERAGE_DAYS: Final = 7
_DAY: Final = timedelta(days=1)
_TOO_EARLY: Final = 10
"""The rate of a window is used once a tenth of it has passed: a burst in its first minutes does not predict its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The forecast of one budget. Amounts are {usd, nano_usd}.

    consumer: name of the consumer.
    per: window of the budget: day, week, month or total.
    window: the current window.
    spent: spend so far.
    limit: limit at the end of the window, without raises that end before.
    ends: end of the window (ISO 8601, UTC); null if it never ends (total).
    by_pace: spend at the end at the rate of this window so far; null if it is too early or the window never ends.
    by_average: spend at the end at the average rate of the last seven days (or since the first use, if that is more
        recent); null if there was no use on earlier days or the window never ends.
    reached: when the higher rate reaches the limit (ISO 8601, UTC); null if not in this window.
    exceeds: whether either rate exceeds the limit, or the limit is exceeded already.
    """

    consumer: str
    per: Window
    window: str
    spent: Money
    limit: Money
    ends: str | None
    by_pace: Money | None
    by_average: Money | None
    reached: str | None
    exceeds: bool


@dataclass(frozen=True, slots=True)
class SpendRate:
    """Nano-USD per seconds."""

    amount: int
    seconds: int

    def over(self, distance: timedelta) -> int:
        """Spend over `distance`, rounded half up."""
        return (self.amount * _seconds(distance) * 2 + self.seconds) // (2 * self.seconds)

    def until(self, amount: int) -> timedelta | None:
        """Time until `amount` is spent; None if never."""
        seconds = None if self.amount <= 0 else -(-amount * self.seconds // self.amount)
        return None if seconds is None or seconds > _seconds(timedelta(days=36_500)) else timedelta(seconds=seconds)


def daily_spend(session: Session, consumer: str, now: datetime) -> dict[date, int]:
    """Nano-USD for each of the last seven whole days with use, from the rollups."""
    first, today = (now - AVERAGE_DAYS * _DAY).date(), now.date()
    days: dict[date, int] = {}
    # Every sort key of a day is greater than the day alone, so today's rollups lie beyond the range.
    for row in session.ledger.query(rollup_pk(consumer), between=(first.isoformat(), today.isoformat())):
        day = date.fromisoformat(rollup_parts(row["sk"])[0])
        days[day] = days.get(day, 0) + row.get("cost_nano_usd", 0)
    return days


def average_rate(days: Mapping[date, int], now: datetime) -> SpendRate | None:
    """The average rate of the last seven days, or since the first use if that is more recent; None without use."""
    if not days:
        return None
    return SpendRate(sum(days.values()), (now.date() - min(days)).days * 86_400)


def window_rate(budget: BudgetStatus, now: datetime) -> SpendRate | None:
    """The rate of the window so far; None if it is too early or the window has no start."""
    if budget.frees is None:
        return None
    start = _start(budget.per, now)
    passed = _seconds(now - start)
    return SpendRate(budget.spent, passed) if passed * _TOO_EARLY >= _seconds(budget.frees - start) else None


def forecasts(budgets: ConsumerBudgets, days: Mapping[date, int], now: datetime) -> list[Forecast]:
    """The forecasts of a consumer's budgets."""
    average = average_rate(days, now)
    return [
        _forecast(budgets.consumer, budget, _limit_at_end(budgets.policy, index, budget, now), average, now)
        for index, budget in enumerate(budgets.budgets(now))
    ]


def _limit_at_end(policy: Policy, index: int, budget: BudgetStatus, now: datetime) -> int:
    last_second = now if budget.frees is None else budget.frees - timedelta(seconds=1)
    return policy.at(last_second).budgets[index].limit


def _forecast(consumer: str, budget: BudgetStatus, limit: int, average: SpendRate | None, now: datetime) -> Forecast:
    own, ends = window_rate(budget, now), budget.frees
    left = None if ends is None else ends - now
    totals = [None if rate is None or left is None else budget.spent + rate.over(left) for rate in (own, average)]
    exceeds = budget.spent > limit or any(total is not None and total > limit for total in totals)
    return Forecast(
        consumer=consumer,
        per=budget.per,
        window=budget.window,
        spent=Money.of(budget.spent),
        limit=Money.of(limit),
        ends=None if ends is None else iso_time(ends),
        by_pace=None if totals[0] is None else Money.of(totals[0]),
        by_average=None if totals[1] is None else Money.of(totals[1]),
        reached=_reached(limit - budget.spent, (own, average), ends, now),
        exceeds=exceeds,
    )


def _reached(left: int, rates: Sequence[SpendRate | None], ends: datetime | None, now: datetime) -> str | None:
    if left <= 0:
        return iso_time(now)
    waits = [wait for rate in rates if rate is not None and (wait := rate.until(left)) is not None]
    at = now + min(waits) if waits else None
    return iso_time(at) if at is not None and (ends is None or at < ends) else None


def _start(per: Window, now: datetime) -> datetime:
    """The start of the window, which is the end of the one before."""
    start = resets_at(per, previous(per, now))
    assert start is not None  # noqa: S101 - callers pass only windows that end
    return start


def _seconds(distance: timedelta) -> int:
    return distance.days * 86_400 + distance.seconds


def forecasts_table(forecasts: Sequence[Forecast], now: datetime) -> Any:
    """The table of forecasts."""
    rows = [
        (
            forecast.consumer,
            forecast.per,
            forecast.window,
            dollars(forecast.spent.nano_usd),
            "–" if forecast.by_pace is None else dollars(forecast.by_pace.nano_usd),
            "–" if forecast.by_average is None else dollars(forecast.by_average.nano_usd),
            dollars(forecast.limit.nano_usd),
            _limit_reached(forecast, now),
        )
        for forecast in forecasts
    ]
    money = ("spent", "at this rate", "at 7-day rate", "limit")
    return table("", ("consumer", "per", "window", *money, "limit reached"), rows, right=money)


def _limit_reached(forecast: Forecast, now: datetime) -> str:
    if forecast.reached is None:
        return "no"
    at = datetime.fromisoformat(forecast.reached)
    return "now" if at <= now else f"{relative_time(at, now)} ({at:%Y-%m-%d %H:%M})"
