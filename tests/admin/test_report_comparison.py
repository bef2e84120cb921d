"""Reports for finance: the previous period, the forecast of the month, owners and tags, and amounts for people."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from rich.console import Console

from admin.errors import RefusedError
from admin.names import Names
from admin.report import rollups, rows
from admin.report.files import as_csv, as_json, as_markdown
from admin.report.period import Period, joined, parse_period
from admin.report.rows import UsageReport, build_report, dimensions
from admin.report.scope import Scope
from admin.report.terminal import report_table, top_table

NOW = datetime(2026, 11, 11, tzinfo=UTC)  # a third of November is over
POLICIES: dict[str, dict[str, Any]] = {
    "search": {"owner": "ada@example.com", "tags": {"team": "web", "=x": "@y"}},
    "support": {"owner": "grace@example.com", "tags": {"team": "desk"}},
    "pilot": {},
}
SPENT = {
    "search": [("2026-10-02", 4_000_000_000), ("2026-10-31", 70), ("2026-11-01", 5_999_999_999), ("2026-11-10", 1)],
    "support": [("2026-10-05", 2_000_000_001)],
    "pilot": [("2026-11-09", 207_004)],
}
"""Days and nano-USD of each consumer."""


def period(first: str, last: str) -> Period:
    return Period(date.fromisoformat(first), date.fromisoformat(last))


def report_of(by: str, since: str, until: str | None = None, *, now: datetime = NOW) -> UsageReport:
    """The report on SPENT."""
    days, names = parse_period(since, until, now.date()), dimensions(by)
    scope = Scope(period=days, previous=days.previous(now.date()), now=now, policies=POLICIES)
    groupings = rows.groupings(names, scope)
    totals: list[rollups.GroupTotals] = [{} for _ in groupings]
    for consumer, spent in SPENT.items():
        items = [
            {"pk": "ROLLUP", "sk": f"{day}#small#k", "requests": 1, "status_200": 1, "cost_nano_usd": cost}
            for day, cost in spent
        ]
        rollups.merge(totals, rollups.add_up(consumer, items, groupings, Names()))
    return build_report("prod", names, scope, totals)


def drawn(report: UsageReport, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(report_table(report, {}), crop=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# --- the previous period ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "today", "previous"),
    [
        (("2026-11-05", "2026-11-11"), "2026-11-11", ("2026-10-29", "2026-11-04")),
        (("2026-11-11", "2026-11-11"), "2026-11-11", ("2026-11-10", "2026-11-10")),
        (("2026-10-01", "2026-10-31"), "2026-11-11", ("2026-09-01", "2026-09-30")),  # not 31 days
        (("2026-03-01", "2026-03-31"), "2026-11-11", ("2026-02-01", "2026-02-28")),
        (("2026-01-01", "2026-03-31"), "2026-11-11", ("2025-10-01", "2025-12-31")),
        (("2025-11-01", "2026-10-31"), "2026-11-11", ("2024-11-01", "2025-10-31")),
        (("2026-11-01", "2026-11-11"), "2026-11-11", ("2026-10-01", "2026-10-11")),  # the month so far
        (("2026-11-01", "2026-11-30"), "2026-11-11", ("2026-10-01", "2026-10-11")),  # the other days have not come
        (("2026-11-01", "2026-11-30"), "2026-11-30", ("2026-10-01", "2026-10-31")),
        (("2026-03-01", "2026-03-30"), "2026-03-30", ("2026-02-01", "2026-02-28")),
        (("2026-10-01", "2026-10-10"), "2026-11-11", ("2026-09-21", "2026-09-30")),
        (("2026-12-01", "2026-12-02"), "2026-11-11", ("2026-11-29", "2026-11-30")),
    ],
)
def test_previous_period(days: tuple[str, str], today: str, previous: tuple[str, str]) -> None:
    assert period(*days).previous(date.fromisoformat(today)) == period(*previous)


@pytest.mark.parametrize(("since", "today"), [("7d", "2026-11-07"), ("30d", "2026-11-30"), ("1w", "2026-11-07")])
def test_a_number_of_days_is_compared_with_as_many_on_any_day(since: str, today: str) -> None:
    """A weekly report on the 7th compares weeks, as on the 8th, though its days are the month so far."""
    day = date.fromisoformat(today)
    days = parse_period(since, None, day)
    before = days.previous(day)
    assert (len(before.days), before.last) == (len(days.days), date(2026, 10, 31))


def test_adjacent_periods_are_one_query() -> None:
    """A comparison must not cost a second query per consumer."""
    october, november = period("2026-10-01", "2026-10-31"), period("2026-11-01", "2026-11-11")
    assert joined([november, october, period("2026-10-05", "2026-11-02")]) == [period("2026-10-01", "2026-11-11")]
    assert joined([november, period("2026-10-01", "2026-10-11")]) == [period("2026-10-01", "2026-10-11"), november]


def test_rows_are_compared_with_the_previous_period() -> None:
    report = report_of("consumer", "2026-11")
    assert (report.previous_since, report.previous_until) == ("2026-10-01", "2026-10-11")
    changes = {row.consumer: (row.previous_usd, row.change_usd, row.change_percent) for row in report.rows}
    assert changes == {
        "search": ("4", "2", "50.0"),
        "pilot": ("0", "0.000207004", None),
        "support": ("2.000000001", "-2.000000001", "-100.0"),
    }
    assert [row.requests for row in report.rows] == [2, 1, 0], "support has spent only before"
    assert (report.total.previous_nano_usd, report.total.change_nano_usd) == (6_000_000_001, 207_003)
    assert report.total.change_percent == "0.0"
    assert report.total.requests == 3, "requests of the previous period are not counted"
    assert sum(day.nano_usd for day in report.days) == report.total.nano_usd


def test_days_and_statuses_are_compared_in_total_only() -> None:
    for by in ("day", "status"):
        report = report_of(by, "2026-11")
        assert [row.previous_usd for row in report.rows] == [None] * len(report.rows)
        assert report.total.previous_usd == "6.000000001"
        assert "change %" not in drawn(report)
        assert "previous period 2026-10-01 to 2026-10-11: $6.00, change +$0.000207 (0.0 %)." in drawn(report)


# --- the forecast -----------------------------------------------------------------------------------------


def test_forecast_of_the_running_month() -> None:
    report = report_of("consumer", "30d")
    assert report.forecast is not None
    assert (report.forecast.month, report.forecast.days_elapsed, report.forecast.days) == ("2026-11", "10.0", 30)
    assert report.forecast.spent_nano_usd == 6_000_207_004
    assert (report.forecast.nano_usd, report.forecast.usd) == (18_000_621_012, "18.000621012")
    words = "forecast for 2026-11: $18.00, a straight line ($6.00 in 10.0 days, times 30 days)."
    assert words in drawn(report)
    assert words.replace("$", r"\$") in as_markdown(report)


@pytest.mark.parametrize(
    ("since", "until", "now"),
    [
        ("2026-10", "2026-10", NOW),
        ("2026-10", "2026-11-10", NOW),  # yesterday
        ("2d", None, NOW),  # the month began before all days that are read
        ("30d", None, datetime(2026, 11, 1, 12, tzinfo=UTC)),  # the first day
        ("30d", None, datetime(2026, 12, 11, tzinfo=UTC)),  # no spend in December
    ],
)
def test_no_forecast(since: str, until: str | None, now: datetime) -> None:
    report = report_of("consumer", since, until, now=now)
    assert report.forecast is None
    assert "forecast" not in drawn(report) + as_markdown(report)


def test_only_a_running_day_is_called_unfinished() -> None:
    assert "Today is not over." in drawn(report_of("consumer", "30d"))
    assert "Today is not over." not in drawn(report_of("consumer", "2026-10", "2026-10"))


# --- owners and tags --------------------------------------------------------------------------------------


def test_consumers_have_owner_and_tags() -> None:
    report = report_of("consumer", "2026-11")
    assert (report.rows[0].owner, report.rows[0].tags) == ("ada@example.com", {"team": "web", "=x": "@y"})
    assert (report.rows[1].owner, report.rows[1].tags) == (None, {})
    assert "ada@example.com" in drawn(report)
    assert "team=web, =x=@y" in drawn(report)
    assert "| ada@example.com | team=web, =x=@y |" in as_markdown(report)
    first = next(csv.DictReader(io.StringIO(as_csv(report))))
    assert (first["owner"], first["tags"]) == ("ada@example.com", '{"team": "web", "=x": "@y"}')


def test_groups_by_tag_and_owner() -> None:
    by_tag = report_of("tag:team", "2026-10", "2026-11")
    assert [(row.tags, row.usd) for row in by_tag.rows] == [
        ({"team": "web"}, "10.00000007"),
        ({"team": "desk"}, "2.000000001"),
        ({}, "0.000207004"),
    ]
    assert re.search(r"^ *– +1 ", drawn(by_tag), re.MULTILINE), "consumers without the tag are a group"
    assert [line["tag:team"] for line in csv.DictReader(io.StringIO(as_csv(by_tag)))] == ["web", "desk", ""]
    by_owner = drawn(report_of("owner", "2026-10", "2026-11"), width=70)
    assert "grace@example.com" in by_owner, "the group's name is left out on a narrow terminal"
    both = report_of("consumer,tag:team", "2026-11").rows[0]
    assert both.value("tag:team") == "web"


def test_a_misspelled_tag_is_an_error() -> None:
    rows.check_tags(["consumer", "tag:team"], POLICIES)
    with pytest.raises(RefusedError, match=r"no tag of a consumer 'taem'\. Did you mean team"):
        rows.check_tags(["tag:taem"], POLICIES)


# --- amounts ----------------------------------------------------------------------------------------------


def test_people_read_rounded_amounts_and_programs_exact_ones() -> None:
    report = report_of("consumer", "2026-11")
    for text in (drawn(report), as_markdown(report)):
        assert re.findall(r"\d\.\d{7,}", text) == [], "nine decimals stand beside dollars"
        assert "$6.00" in text
        assert "$0.000207" in text, "a small amount is not $0.00"
        assert "Amounts are rounded; JSON and CSV are exact." in text
    assert '"usd": "0.000207004"' in as_json(report)
    lines = {line["consumer"]: line for line in csv.DictReader(io.StringIO(as_csv(report)))}
    assert (lines["pilot"]["usd"], lines["pilot"]["nano_usd"]) == ("0.000207004", "207004")
    assert lines["support"]["change_usd"] == "-2.000000001", "a negative number is no formula"


def test_a_table_fits_80_columns() -> None:
    assert max(map(len, drawn(report_of("consumer", "2026-11"), width=80).splitlines())) <= 80


def test_top_spenders_have_the_same_amounts() -> None:
    console = Console(width=80, file=io.StringIO())
    console.print(top_table("top", [("a", row) for row in report_of("consumer", "2026-11").rows], 10**9))
    assert isinstance(console.file, io.StringIO)
    assert re.findall(r"\$\S+", console.file.getvalue()) == ["$6.00", "$0.000207", "$0.00"]
