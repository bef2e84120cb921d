"""Times and durations as operators write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from admin.errors import UsageError
from lambda_src.core.policy import parse_time

_DURATION: Final = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2})?)?", re.ASCII)
_LONGEST: Final = timedelta(days=3650)
"""Limit of a duration: keeps times far from the ends of the calendar, where arithmetic overflows."""
DURATION_FORMAT: Final = "a duration such as 30m, 24h, 90d or 2w"
TIME_FORMAT: Final = f"{DURATION_FORMAT}, a date such as 2026-12-31 (00:00 UTC), or 2026-12-31T18:00:00Z"


def duration(text: str, option: str) -> timedelta:
    """The duration in `text`, at most ten years. Raises UsageError, which names `option`, if it is invalid."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f"invalid {option} {text!r}; accepted: {DURATION_FORMAT}.")
    distance = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if distance > _LONGEST:
        raise UsageError(f"{option} {text!r} is too long; accepted: {DURATION_FORMAT}, at most {_LONGEST.days}d.")
    return distance


def time_option(text: str, option: str, now: datetime, *, ago: bool = False) -> datetime:
    """The time in `text`, in UTC: a duration after `now` (before it with `ago`), a date, or a date and time."""
    try:
        if _DURATION.fullmatch(text):
            distance = duration(text, option)
            return now - distance if ago else now + distance
        if _TIME.fullmatch(text):
            return parse_time(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"invalid {option} {text!r}; accepted: {TIME_FORMAT}.")


def future_time(text: str, option: str, now: datetime) -> datetime:
    """The time in `text`. Raises UsageError if it is past."""
    at = time_option(text, option, now)
    if at <= now:
        raise UsageError(f"{option} {text!r} is past ({iso_time(at)}); accepted: {TIME_FORMAT}.")
    return at.replace(microsecond=0)


def iso_time(at: datetime) -> str:
    """`at` in ISO 8601, UTC, to the second, as in the ledger and in `--output json`."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def relative_time(until: datetime, now: datetime) -> str:
    """`until` relative to `now`: `in 3 days`, `in 24 hours`, `2 days ago`."""
    seconds = round(abs((until - now).total_seconds()))
    unit, size = next(
        ((unit, size) for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)) if seconds >= 2 * size),
        ("second", 1),
    )
    count = (seconds + size // 2) // size
    words = f"{count} {unit}{'s' * (count != 1)}"
    return f"in {words}" if until > now else f"{words} ago"
