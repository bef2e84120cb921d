"""Moments and spans as operators write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admin.errors import UsageError
from admin.times import apart, later, moment, span

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
def test_spans_dates_and_times_are_moments(text: str, expected: datetime) -> None:
    assert later(text, "--until", NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "90", "d", "٣d", "1d\n", "-1d", "2026-13-01", "2026-02-30", "tomorrow", "9" * 7 + "d"]
)
def test_anything_else_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(UsageError, match="accepted is a span such as 30m"):
        moment(text, "--until", NOW)


def test_too_far_is_refused() -> None:
    for text in ("999999w", "3651d"):
        with pytest.raises(UsageError, match=r"is too long: .*, at most 3650d"):
            moment(text, "--until", NOW)
        with pytest.raises(UsageError, match="is too long"):
            span(text, "--since")
    assert span("3650d", "--grace") == timedelta(days=3650)


def test_what_is_past_is_no_end() -> None:
    with pytest.raises(UsageError, match="is past"):
        later("2026-11-23", "--until", NOW)
    assert moment("30d", "--since", NOW, ago=True) == datetime(2026, 10, 24, 12, 30, tzinfo=UTC)


def test_a_span_may_be_nothing() -> None:
    assert span("0s", "--grace") == timedelta(0)


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
def test_distances_in_words(distance: timedelta, words: str) -> None:
    assert apart(NOW + distance, NOW) == words
