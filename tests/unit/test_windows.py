"""Budget windows in UTC, especially at the boundaries of weeks, months and years."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_src.contract import Window
from lambda_src.core.windows import label, labels, minute, previous, resets_at, utc_datetime

times = st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "day", "week", "month"),
    [
        ("2026-11-23T00:00:00", "2026-11-23", "2026-W48", "2026-11"),
        ("2026-11-22T23:59:59", "2026-11-22", "2026-W47", "2026-11"),
        ("2027-01-03T12:00:00", "2027-01-03", "2026-W53", "2027-01"),  # a week of the previous year
        ("2024-12-30T00:00:00", "2024-12-30", "2025-W01", "2024-12"),  # a week of the next year
        ("2028-02-29T10:00:00", "2028-02-29", "2028-W09", "2028-02"),
    ],
)
def test_names_of_windows(when: str, day: str, week: str, month: str) -> None:
    assert labels(at(when)) == {"day": day, "week": week, "month": month, "total": "all"}
    assert label("week", at(when)) == week


@pytest.mark.parametrize(
    ("window", "when", "reset"),
    [
        ("day", "2026-11-23T09:30:00.123456", "2026-11-24T00:00:00"),
        ("day", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
        ("week", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
        ("week", "2026-11-29T23:00:00", "2026-11-30T00:00:00"),
        ("month", "2026-11-30T23:00:00", "2026-12-01T00:00:00"),
        ("month", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("month", "2028-01-31T00:00:00", "2028-02-01T00:00:00"),
    ],
)
def test_window_resets_at_its_end(window: Window, when: str, reset: str) -> None:
    assert resets_at(window, at(when)) == at(reset)


def test_total_never_resets() -> None:
    assert resets_at("total", at("2026-11-23T00:00:00")) is None


@given(when=times, window=st.sampled_from(["day", "week", "month"]))
def test_windows_are_contiguous(when: datetime, window: Window) -> None:
    end = resets_at(window, when)
    assert end is not None
    assert end > when
    assert label(window, end) != label(window, when)
    assert label(window, previous(window, end)) == label(window, when)
    last = datetime.fromtimestamp(end.timestamp() - 1, UTC)
    assert label(window, last) == label(window, when)


def test_total_has_no_previous_window() -> None:
    assert previous("total", at("2026-11-23T00:00:00")) == at("2026-11-23T00:00:00")


def test_times_and_minutes_are_utc() -> None:
    assert utc_datetime(1_795_391_999_999) == at("2026-11-22T23:59:59.999")
    assert minute(1_795_391_999_999) + 1 == minute(1_795_392_000_000) == 29_923_200
