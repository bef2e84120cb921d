"""Calendar windows in UTC. A window is part of an attribute's name, so nothing ever needs a reset job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from lambda_src.contract import Window


def utc_datetime(epoch_ms: int) -> datetime:
    """UTC time of `epoch_ms`."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def label(window: Window, at: datetime) -> str:
    """The window of that kind in which `at` lies: `2026-11-23`, `2026-W48` (ISO 8601), `2026-11`, `all`."""
    return labels(at)[window]


def labels(at: datetime) -> Mapping[Window, str]:
    """All windows in which `at` lies. Spend is always counted in each, so a budget added later is right at once."""
    return _labels(at.date())


@lru_cache(maxsize=64)
def _labels(day: date) -> Mapping[Window, str]:
    year, week, _ = day.isocalendar()
    return {"day": day.isoformat(), "week": f"{year}-W{week:02d}", "month": day.isoformat()[:7], "total": "all"}


def resets_at(window: Window, at: datetime) -> datetime | None:
    """When the window that holds `at` ends and its budget is whole again; None: never."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return midnight + timedelta(days=1)
    if window == "week":
        return midnight + timedelta(days=7 - at.weekday())
    if window == "month":
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return None


def previous(window: Window, at: datetime) -> datetime:
    """A moment in the window before the one that holds `at` (for `total`: `at` itself)."""
    if window == "day":
        return at - timedelta(days=1)
    if window == "week":
        return at - timedelta(days=7)
    if window == "month":
        return at.replace(day=1) - timedelta(days=1)
    return at


def minute(epoch_ms: int) -> int:
    """Number of the UTC minute in which `epoch_ms` lies; tokens and requests per minute are counted by it."""
    return epoch_ms // 60_000
