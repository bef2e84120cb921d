"""Budget windows: calendar days, ISO weeks and months in UTC. The name of a counter contains its window, so that no
counter needs a reset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from lambda_src.contract import Window


def utc_datetime(epoch_ms: int) -> datetime:
    """UTC time of `epoch_ms`."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def label(window: Window, at: datetime) -> str:
    """Name of the window that contains `at`: `2026-11-23`, `2026-W48` (ISO 8601), `2026-11` or `all`."""
    return labels(at)[window]


def labels(at: datetime) -> Mapping[Window, str]:
    """Names of all windows that contain `at`. Spend is counted in each, so that a budget can be added at any time."""
    return _labels(at.date())


@lru_cache(maxsize=64)
def _labels(day: date) -> Mapping[Window, str]:
    year, week, _ = day.isocalendar()
    return {"day": day.isoformat(), "week": f"{year}-W{week:02d}", "month": day.isoformat()[:7], "total": "all"}


def resets_at(window: Window, at: datetime) -> datetime | None:
    """When the window that contains `at` ends and its budget resets; None for `total`."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return midnight + timedelta(days=1)
    if window == "week":
        return midnight + timedelta(days=7 - at.weekday())
    if window == "month":
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return None


def previous(window: Window, at: datetime) -> datetime:
    """A time in the window before the one that contains `at` (for `total`: `at` itself)."""
    if window == "day":
        return at - timedelta(days=1)
    if window == "week":
        return at - timedelta(days=7)
    if window == "month":
        return at.replace(day=1) - timedelta(days=1)
    return at


def minute(epoch_ms: int) -> int:
    """Number of the UTC minute of `epoch_ms`, under which tokens and requests per minute are counted."""
    return epoch_ms // 60_000
