"""The days a report is about: whole days in UTC, as the ledger counts them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from admin.errors import UsageError

SINCE_HELP: Final = "First day: 2026-11-01, 2026-11, or the days that end with --until: 30d, 4w."
UNTIL_HELP: Final = "Last day, included: 2026-11-30 or 2026-11. Default: today (UTC)."
LONGEST: Final = 3_650
"""Days: no ledger keeps more, and each is a line of the report."""
_EARLIEST, _LATEST = date(2000, 1, 1), date(2999, 12, 31)
"""Days further off are slips of the pen; adding to them would leave the calendar."""
_MOST_BARS: Final = 92
"""Three months stay a bar per day; more than that, and a bar is a week or a month."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> list[str]:
        """Every day, as the ledger spells it."""
        return [(self.first + timedelta(days=each)).isoformat() for each in range((self.last - self.first).days + 1)]

    @property
    def step(self) -> str:
        """Interval of a chart: `day`, `week` or `month`."""
        count = (self.last - self.first).days + 1
        if count <= _MOST_BARS:
            return "day"
        return "week" if count <= 7 * _MOST_BARS else "month"

    def intervals(self) -> dict[str, str]:
        """For every day the interval it belongs to: the day itself, its week's Monday, or its month."""
        return {each: _interval(date.fromisoformat(each), self.step) for each in self.days}

    def __str__(self) -> str:
        return f"{self.first.isoformat()} to {self.last.isoformat()}"


def _interval(day: date, step: str) -> str:
    if step == "day":
        return day.isoformat()
    return (day - timedelta(days=day.weekday())).isoformat() if step == "week" else day.isoformat()[:7]


def period(since: str, until: str | None, today: date) -> Period:
    """The period that --since and --until name; Usage where they cannot be read or are the wrong way round."""
    last = today if until is None else _day(until, "--until", last=True)
    counted = re.fullmatch(r"([0-9]{1,4})([dw])", since, re.ASCII)
    days = 0 if counted is None else int(counted[1]) * (7 if counted[2] == "w" else 1)
    if counted is None:
        first = _day(since, "--since", last=False)
    elif not 0 < days <= LONGEST:
        raise UsageError(f"--since is {since}; accepted: 1d, the last day alone, to {LONGEST}d.")
    else:
        first = last - timedelta(days=days - 1)
    if first > last:
        raise UsageError(f"the period ends before it begins: {first} to {last}. Turn --since and --until round.")
    if (last - first).days >= LONGEST:
        raise UsageError(f"{first} to {last} is too long; accepted: at most {LONGEST} days.")
    return Period(first, last)


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
