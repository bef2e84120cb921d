"""What a report covers: its period, the period it is compared with, and the running month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from admin.report.period import Period, joined
from admin.report.rollups import Grouping, group_by, within
from admin.report.totals import COST, UsageTotals
from lambda_src.core.pricing import usd
from lambda_src.core.windows import label, resets_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a report covers.

    previous: the period to compare with; None for a report without a comparison.
    model: the only model of the report; None: all.
    policies: policy items by consumer, which have owners and tags.
    """

    period: Period
    previous: Period | None
    now: datetime
    model: str | None = None
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def periods(self) -> list[Period]:
        """All days to read."""
        return [self.period] if self.previous is None else [self.period, self.previous]

    @property
    def past(self) -> bool:
        """Whether the last day is over, so that all figures are final and none is of today."""
        return self.period.last < self.now.date()

    @property
    def month(self) -> Period | None:
        """The running month up to today; None unless the report includes today and has read all of these days."""
        today = self.now.date()
        month = Period(today.replace(day=1), today)
        read = any(days.first <= month.first and month.last <= days.last for days in joined(self.periods))
        return month if read and self.period.first <= today <= self.period.last else None

    def current(self, grouping: Grouping) -> Grouping:
        """`grouping` of the report's rollups."""
        return within(self.period, grouping, self.model)

    def before(self, grouping: Grouping) -> Grouping:
        """`grouping` of the previous period's rollups."""
        return nothing if self.previous is None else within(self.previous, grouping, self.model)

    def month_so_far(self) -> Grouping:
        """The cost of the running month in one group."""
        month = self.month
        total = group_by(lambda _: None, frozenset({COST}))
        return nothing if month is None else within(month, total, self.model)


def nothing(*_: object) -> Sequence[Any]:
    """A grouping that counts nothing."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthForecast:
    """Spend at the end of the running month, on a straight line.

    month: the running month, such as 2026-11.
    spent_usd: spend of the month so far, as an exact decimal in dollars.
    spent_nano_usd: the same as an integer of 10⁻⁹ dollars.
    usd: spend so far ÷ days elapsed × days of the month, rounded to 10⁻⁹ dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    days_elapsed: days of the month so far, today's hours included, with one decimal.
    days: days of the month.
    """

    month: str
    spent_usd: str
    spent_nano_usd: int
    usd: str
    nano_usd: int
    days_elapsed: str
    days: int


def forecast(scope: Scope, so_far: UsageTotals) -> MonthForecast | None:
    """The forecast from the cost of the month so far. None if the report does not cover the month so far, on the first
    day of a month, and without spend."""
    ends = resets_at("month", scope.now)
    assert ends is not None  # noqa: S101 - months end
    begin = scope.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    elapsed, length, spent = int((scope.now - begin).total_seconds()), (ends - begin).days, so_far.cost
    if scope.month is None or scope.now.day == 1 or spent <= 0:
        return None
    total = (2 * spent * length * 86_400 + elapsed) // (2 * elapsed)
    tenths = elapsed // 8_640
    return MonthForecast(
        month=label("month", scope.now),
        spent_usd=usd(spent),
        spent_nano_usd=spent,
        usd=usd(total),
        nano_usd=total,
        days_elapsed=f"{tenths // 10}.{tenths % 10}",
        days=length,
    )
