"""The period of a report: whole days in UTC, as the ledger counts them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from admin.errors import UsageError

SINCE_HELP: Final = "First day: 2026-11-01, 2026-11, or a number of days or weeks up to --until: 30d, 4w."
UNTIL_HELP: Final = "Last day, included: 2026-11-30 or 2026-11. Default: today (UTC)."
LONGEST: Final = 3_650
"""Days. No ledger keeps more, and each is a line of the report."""
_EARLIEST, _LATEST = date(2000, 1, 1), date(2999, 12, 31)
"""Other days are typing errors, and arithmetic on them could overflow the calendar."""
_DAY: Final = timedelta(days=1)
_MAX_INTERVALS: Final = 92
"""A chart of three months has a bar per day; longer ones have a bar per week or month."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included. rolling: given as a number of days, not by the calendar."""

    first: date
    last: date
    rolling: bool = field(default=False, compare=False)

    @property
    def days(self) -> list[str]:
        """Every day in ISO 8601."""
        return [
            (self.first + timedelta(days=number)).isoformat() for number in range((self.last - self.first).days + 1)
        ]

    @property
    def step(self) -> str:
        """Interval of a chart: `day`, `week` or `month`."""
        count = (self.last - self.first).days + 1
        return "day" if count <= _MAX_INTERVALS else "week" if count <= 7 * _MAX_INTERVALS else "month"

    def intervals(self) -> dict[str, str]:
        """For every day the interval it belongs to: the day itself, its week's Monday, or its month."""
        return {day: _interval(date.fromisoformat(day), self.step) for day in self.days}

    def previous(self, today: date) -> Period:
        """The period to compare with. Days after `today` do not count.

        Whole calendar months: as many months before. A month up to today: the same days of the month before. Any other
        period, and a rolling one whatever its first day: as many days immediately before.
        """
        last = self.last if self.first > today else min(self.last, today)
        before = self.first - _DAY
        months = 12 * (last.year - self.first.year) + last.month - self.first.month
        by_month = self.first.day == 1 and not self.rolling
        if by_month and (last + _DAY).day == 1:
            month = 12 * self.first.year + self.first.month - 2 - months
            return Period(date(month // 12, month % 12 + 1, 1), before)
        if by_month and last == today and months == 0:
            return Period(before.replace(day=1), before.replace(day=min(last.day, before.day)))
        return Period(self.first - (last - self.first + _DAY), before)

    def __str__(self) -> str:
        return f"{self.first.isoformat()} to {self.last.isoformat()}"


def _interval(day: date, step: str) -> str:
    if step == "day":
        return day.isoformat()
    return (day - timedelta(days=day.weekday())).isoformat() if step == "week" else day.isoformat()[:7]


def joined(periods: Iterable[Period]) -> list[Period]:
    """The fewest periods with the days of all `periods`, in order."""
    ranges: list[Period] = []
    for period in sorted(periods, key=lambda period: period.first):
        if ranges and period.first <= ranges[-1].last + _DAY:
            ranges[-1] = Period(ranges[-1].first, max(ranges[-1].last, period.last))
        else:
            ranges.append(period)
    return ranges


def parse_period(since: str, until: str | None, today: date) -> Period:
    """The period given by --since and --until; UsageError if they are invalid, in the wrong order or too far apart."""
    last = today if until is None else _day(until, "--until", last=True)
    counted = re.fullmatch(r"([0-9]{1,4})([dw])", since, re.ASCII)
    days = 0 if counted is None else int(counted[1]) * (7 if counted[2] == "w" else 1)
    if counted is None:
        first = _day(since, "--since", last=False)
    elif not 0 < days <= LONGEST:
        raise UsageError(f"--since is {since}; accepted: 1d (only the last day) to {LONGEST}d.")
    else:
        first = last - timedelta(days=days - 1)
    if first > last:
        raise UsageError(f"--since ({first}) is after --until ({last}); swap them.")
    if (last - first).days >= LONGEST:
        raise UsageError(f"the period {first} to {last} is too long; accepted: at most {LONGEST} days.")
    return Period(first, last, rolling=counted is not None)


def _day(text: str, option: str, *, last: bool) -> date:
    month = re.fullmatch(r"[0-9]{4}-[0-9]{2}", text, re.ASCII)
    try:
        begin = date.fromisoformat(text if month is None else f"{text}-01")
        if _EARLIEST <= begin <= _LATEST:
            end = (begin + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            return end if last and month is not None else begin
    except ValueError:
        pass
    accepted = "a day such as 2026-11-30 or a month such as 2026-11"
    more = "" if last else ", or a number of days or weeks such as 30d or 4w"
    raise UsageError(f"{option} is {text!r}; accepted: {accepted}{more}.")
