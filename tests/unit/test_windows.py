"""Calendar windows in UTC, at the moments where calendars differ."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_src.contract import WINDOWS, Window
from lambda_src.core.windows import label, labels, minute, previous, resets_at, utc_datetime

moments = st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "day", "week", "month"),
    [
        ("2026-11-23T00:00:00", "2026-11-23", "2026-W48", "2026-11"),
        ("2026-11-22T23:59:59", "2026-11-22", "2026-W47", "2026-11"),
        ("2027-01-03T12:00:00", "2027-01-03", "2026-W53", "2027-01"),  # a week of the year before
        ("2024-12-30T00:00:00", "2024-12-30", "2025-W01", "2024-12"),  # a week of the year after
        ("2028-02-29T10:00:00", "2028-02-29", "2028-W09", "2028-02"),
    ],
)
def test_a_moment_lies_in_one_window_of_each_kind(when: str, day: str, week: str, month: str) -> None:
    assert labels(at(when)) == {"day": day, "week": week, "month": month, "total": "all"}
    assert label("week", at(when)) == week


@pytest.mark.parametrize(
    ("window", "when", "frees"),
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
def test_a_window_frees_at_its_end(window: Window, when: str, frees: str) -> None:
    assert resets_at(window, at(when)) == at(frees)


def test_a_budget_in_all_never_frees() -> None:
    assert resets_at("total", at("2026-11-23T00:00:00")) is None


@given(when=moments, window=st.sampled_from(["day", "week", "month"]))
def test_windows_touch_without_a_gap(when: datetime, window: Window) -> None:
    end = resets_at(window, when)
    assert end is not None
    assert end > when
    assert label(window, end) != label(window, when)
    assert label(window, previous(window, end)) == label(window, when)
    last = datetime.fromtimestamp(end.timestamp() - 1, UTC)
    assert label(window, last) == label(window, when)


def test_in_all_there_is_nothing_before() -> None:
    assert previous("total", at("2026-11-23T00:00:00")) == at("2026-11-23T00:00:00")
    assert set(WINDOWS) == {"day", "week", "month", "total"}


def test_minutes_and_moments_are_utc() -> None:
    assert utc_datetime(1_795_391_999_999) == at("2026-11-22T23:59:59.999")
    assert minute(1_795_391_999_999) + 1 == minute(1_795_392_000_000) == 29_923_200
