"""Where spend is going: a window's end by two paces, in exact integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from admin.budgets.status import BudgetStatus, BudgetStatuses, Money, dollars
from admin.output import table
from admin.session import Session
from admin.times import apart, written
from lambda_src.contract import Window, rollup_parts, rollup_pk
from lambda_src.core.policy import Policy
from lambda_src.core.windows import frees_at, previous

AVERAGE_DAYS: Final = 7
_DAY: Final = timedelta(days=1)
_TOO_EARLY: Final = 10
"""A window's own pace counts once a tenth of it is over: a burst in its first minutes says nothing of its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one budget's window comes to. Amounts are {usd, nano_usd}.

    consumer: whose budget.
    per: its window: day, week, month or total.
    window: which one it is now.
    spent: so far.
    limit: what holds when the window ends: without raises that end before.
    ends: when the window ends (ISO 8601, UTC); null: never (total).
    by_pace: spent at its end if this window goes on as it went; null: too early to say, or no end.
    by_average: spent at its end if each day is as the last seven were (fewer, if its first use is less long ago); null:
        nothing was used on earlier days, or no end.
    reached: when the limit will be reached by the faster pace (ISO 8601, UTC); null: not in this window.
    exceeds: whether either pace passes the limit, or the limit is passed already.
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
    """So many nano-USD in so long."""

    amount: int
    seconds: int

    def over(self, distance: timedelta) -> int:
        """What it comes to over a time, rounded half up."""
        return (self.amount * _seconds(distance) * 2 + self.seconds) // (2 * self.seconds)

    def until(self, amount: int) -> timedelta | None:
        """How long it takes to an amount; None: it never gets there."""
        seconds = None if self.amount <= 0 else -(-amount * self.seconds // self.amount)
        return None if seconds is None or seconds > _seconds(timedelta(days=36_500)) else timedelta(seconds=seconds)


def daily_spend(session: Session, consumer: str, now: datetime) -> dict[date, int]:
    """Nano-USD on each of the last seven whole days with use, from the rollups."""
    first, today = (now - AVERAGE_DAYS * _DAY).date(), now.date()
    days: dict[date, int] = {}
    # Every sort key of a day is greater than the day alone, so that today's lie beyond the range.
    for row in session.table.query(rollup_pk(consumer), between=(first.isoformat(), today.isoformat())):
        day = date.fromisoformat(rollup_parts(row["sk"])[0])
        days[day] = days.get(day, 0) + row.get("cost_nano_usd", 0)
    return days


def average_pace(days: Mapping[date, int], now: datetime) -> SpendRate | None:
    """The pace of the last seven days, or of fewer where the first use is less long ago; None without any."""
    if not days:
        return None
    return SpendRate(sum(days.values()), (now.date() - min(days)).days * 86_400)


def window_pace(budget: BudgetStatus, now: datetime) -> SpendRate | None:
    """The pace of the window so far; None: too early, or it has no beginning."""
    if budget.frees is None:
        return None
    begun = _start(budget.per, now)
    over = _seconds(now - begun)
    return SpendRate(budget.spent, over) if over * _TOO_EARLY >= _seconds(budget.frees - begun) else None


def forecasts(found: BudgetStatuses, days: Mapping[date, int], now: datetime) -> list[Forecast]:
    """A forecast for each of a consumer's budgets."""
    average = average_pace(days, now)
    return [
        _forecast(found.consumer, each, _limit_at_end(found.policy, place, each, now), average, now)
        for place, each in enumerate(found.budgets(now))
    ]


def _limit_at_end(policy: Policy, place: int, budget: BudgetStatus, now: datetime) -> int:
    moment = now if budget.frees is None else budget.frees - timedelta(seconds=1)
    return policy.at(moment).budgets[place].limit


def _forecast(consumer: str, budget: BudgetStatus, limit: int, average: SpendRate | None, now: datetime) -> Forecast:
    own, ends = window_pace(budget, now), budget.frees
    left = None if ends is None else ends - now
    totals = [None if pace is None or left is None else budget.spent + pace.over(left) for pace in (own, average)]
    exceeds = budget.spent > limit or any(each is not None and each > limit for each in totals)
    return Forecast(
        consumer=consumer,
        per=budget.per,
        window=budget.window,
        spent=Money.of(budget.spent),
        limit=Money.of(limit),
        ends=None if ends is None else written(ends),
        by_pace=None if totals[0] is None else Money.of(totals[0]),
        by_average=None if totals[1] is None else Money.of(totals[1]),
        reached=_reached(limit - budget.spent, (own, average), ends, now),
        exceeds=exceeds,
    )


def _reached(left: int, paces: Sequence[SpendRate | None], ends: datetime | None, now: datetime) -> str | None:
    if left <= 0:
        return written(now)
    waits = [wait for pace in paces if pace is not None and (wait := pace.until(left)) is not None]
    at = now + min(waits) if waits else None
    return written(at) if at is not None and (ends is None or at < ends) else None


def _start(per: Window, now: datetime) -> datetime:
    """First moment of the window: the end of the one before it."""
    start = frees_at(per, previous(per, now))
    assert start is not None  # noqa: S101 - asked of windows that end alone
    return start


def _seconds(distance: timedelta) -> int:
    return distance.days * 86_400 + distance.seconds


def forecasts_table(told: Sequence[Forecast], now: datetime) -> Any:
    """Forecasts for people."""
    rows = [
        (
            each.consumer,
            each.per,
            each.window,
            dollars(each.spent.nano_usd),
            "–" if each.by_pace is None else dollars(each.by_pace.nano_usd),
            "–" if each.by_average is None else dollars(each.by_average.nano_usd),
            dollars(each.limit.nano_usd),
            _verdict(each, now),
        )
        for each in told
    ]
    money = ("spent", "by its pace", "by 7 days", "limit")
    return table("", ("consumer", "per", "window", *money, "limit reached"), rows, right=money)


def _verdict(each: Forecast, now: datetime) -> str:
    if each.reached is None:
        return "no"
    at = datetime.fromisoformat(each.reached)
    return "now" if at <= now else f"{apart(at, now)} ({at:%Y-%m-%d %H:%M})"
