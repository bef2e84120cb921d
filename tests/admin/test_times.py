"""Times and durations as operators write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admin.errors import UsageError
from admin.times import duration, future_time, relative_time, time_option

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90d", datetime(2027, 2, 21, 12, 30, tzinfo=UTC)),
        ("30m", datetime(2026, 11, 23, 13, 0, tzinfo=UTC)),
        ("2w", datetime(2026, 12, 7, 12, 30, tzinfo=UTC)),
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31T18:00:00Z", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:00+02:00", datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("2026-12-31 18:00", datetime(2026, 12, 31, 18, tzinfo=UTC)),
    ],
)
def test_durations_dates_and_times(text: str, expected: datetime) -> None:
    assert future_time(text, "--until", NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "90", "d", "٣d", "1d\n", "-1d", "2026-13-01", "2026-02-30", "tomorrow", "9" * 7 + "d"]
)
def test_invalid_times_are_rejected_with_the_accepted_format(text: str) -> None:
    with pytest.raises(UsageError, match="accepted: a duration such as 30m"):
        time_option(text, "--until", NOW)


def test_long_durations_are_rejected() -> None:
    for text in ("999999w", "3651d"):
        with pytest.raises(UsageError, match=r"is too long; .*, at most 3650d"):
            time_option(text, "--until", NOW)
        with pytest.raises(UsageError, match="is too long"):
            duration(text, "--since")
    assert duration("3650d", "--grace") == timedelta(days=3650)


def test_a_past_end_is_rejected() -> None:
    with pytest.raises(UsageError, match="is past"):
        future_time("2026-11-23", "--until", NOW)
    assert time_option("30d", "--since", NOW, ago=True) == datetime(2026, 10, 24, 12, 30, tzinfo=UTC)


def test_a_duration_may_be_zero() -> None:
    assert duration("0s", "--grace") == timedelta(0)


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(days=90) - timedelta(seconds=1), "in 90 days"),
        (timedelta(hours=24), "in 24 hours"),
        (timedelta(minutes=119), "in 119 minutes"),
        (timedelta(seconds=1), "in 1 second"),
        (timedelta(days=-3), "3 days ago"),
    ],
)
def test_relative_times(distance: timedelta, words: str) -> None:
    assert relative_time(NOW + distance, NOW) == words
