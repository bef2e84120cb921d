"""Moments and spans of time as operators write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from admin.errors import UsageError
from lambda_src.core.policy import parse_time

_SPAN: Final = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2})?)?", re.ASCII)
_LONGEST: Final = timedelta(days=3650)
"""Of a span: moments stay far from the ends of the calendar, where adding overflows."""
SPAN_WORDS: Final = "a span such as 30m, 24h, 90d or 2w"
MOMENT_WORDS: Final = f"{SPAN_WORDS}, a date such as 2026-12-31 (its first moment, UTC), or 2026-12-31T18:00:00Z"


def span(text: str, option: str) -> timedelta:
    """How long `text` says, at most ten years; Usage, naming `option`, where it says nothing of the kind."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(f"{option} {text!r}: accepted is {SPAN_WORDS}.")
    distance = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if distance > _LONGEST:
        raise UsageError(f"{option} {text!r} is too long: accepted is {SPAN_WORDS}, at most {_LONGEST.days}d.")
    return distance


def moment(text: str, option: str, now: datetime, *, ago: bool = False) -> datetime:
    """The moment `text` says, in UTC: a span from `now` (back from it with `ago`), a date or a date and time."""
    try:
        if _SPAN.fullmatch(text):
            distance = span(text, option)
            return now - distance if ago else now + distance
        if _MOMENT.fullmatch(text):
            return parse_time(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"{option} {text!r}: accepted is {MOMENT_WORDS}.")


def later(text: str, option: str, now: datetime) -> datetime:
    """A moment to come; Usage where it is past."""
    at = moment(text, option, now)
    if at <= now:
        raise UsageError(f"{option} {text!r} is past: {written(at)}. Accepted is {MOMENT_WORDS}.")
    return at.replace(microsecond=0)


def written(at: datetime) -> str:
    """A moment as the ledger and `--output json` have it: ISO 8601 in UTC, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def apart(until: datetime, now: datetime) -> str:
    """How long until then, for people: `in 3 days`, `in 24 hours`, `2 days ago`."""
    seconds = round(abs((until - now).total_seconds()))
    unit, size = next(
        ((unit, size) for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)) if seconds >= 2 * size),
        ("second", 1),
    )
    count = (seconds + size // 2) // size
    words = f"{count} {unit}{'s' * (count != 1)}"
    return f"in {words}" if until > now else f"{words} ago"
