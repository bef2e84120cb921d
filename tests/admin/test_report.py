"""Reports: totals of rollups, periods, and safe output in files and terminals."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from admin.errors import UsageError
from admin.formatting import compact, csv_safe, markdown_safe, milliseconds, money, percent, signed_money
from admin.names import Names
from admin.report import rollups, rows, terminal
from admin.report.files import as_csv, as_markdown, replacing
from admin.report.period import Period, parse_period
from admin.report.rows import UsageReport, build_report
from admin.report.scope import Scope
from admin.report.terminal import bar, sparkline
from admin.report.totals import UsageTotals, percentile

TODAY = date(2026, 11, 23)


# --- periods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("1d", None, "2026-11-23", "2026-11-23"),
        ("30d", None, "2026-10-25", "2026-11-23"),
        ("7d", "2026-03-03", "2026-02-25", "2026-03-03"),
        ("2026-11-01", None, "2026-11-01", "2026-11-23"),
        ("2026-02", "2026-02", "2026-02-01", "2026-02-28"),
        ("2025-12", "2025-12", "2025-12-01", "2025-12-31"),
        ("2024-02-29", "2024-02", "2024-02-29", "2024-02-29"),
        ("2w", None, "2026-11-10", "2026-11-23"),
        ("3650d", None, "2016-11-26", "2026-11-23"),
    ],
)
def test_periods(since: str, until: str | None, first: str, last: str) -> None:
    days = parse_period(since, until, TODAY)
    assert (days.first.isoformat(), days.last.isoformat()) == (first, last)


@pytest.mark.parametrize(
    "since",
    [
        "",
        "30",
        "0d",
        "-3d",
        "2026-13",
        "2026-02-30",
        "yesterday",
        "2026-12-01",
        "٣d",
        "3651d",
        "9999w",
        "2016-11-25",
        "0001-01",
        "2026-11-23T10:00",
    ],
)
def test_invalid_since(since: str) -> None:
    with pytest.raises(UsageError):
        parse_period(since, None, TODAY)


@pytest.mark.parametrize("until", ["9999-12", "9999-12-31", "0001-01-01", "2023-02-29", "7d", ""])
def test_invalid_until(until: str) -> None:
    with pytest.raises(UsageError, match="--until is"):
        parse_period("30d", until, TODAY)


@pytest.mark.parametrize(
    ("days", "step", "intervals"), [(1, "day", 1), (92, "day", 92), (93, "week", 15), (800, "month", 27)]
)
def test_long_periods_have_longer_intervals(days: int, step: str, intervals: int) -> None:
    result = parse_period(f"{days}d", None, TODAY)
    assert (result.step, len(result.days), len(set(result.intervals().values()))) == (step, days, intervals)


# --- totals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 50, None),
        ({"10": 1}, 50, 10),
        ({"100": 4}, 50, 75),  # between 50 and 100, the second of four
        ({"100": 4}, 99, 100),
        ({"10": 98, "2000": 1, "5000": 1}, 99, 2_000),
        ({"10": 1, "inf": 9}, 95, 300_000),
        ({"inf": 1}, 50, 300_000),
    ],
)
def test_percentiles_of_a_histogram(buckets: dict[str, int], share: int, expected: int | None) -> None:
    assert percentile(buckets, share) == expected


def test_totals_count_every_token_class() -> None:
    totals = UsageTotals()
    totals.add([(f"tokens_{name}", 10**place) for place, name in enumerate(("input", "cache_read", "input_image"))])
    totals.add([("tokens_output", 2_000), ("tokens_output_audio", 30_000), ("tokens_reasoning", 700_000)])
    totals.add([("code_model_not_found", 3), ("code_service_tier_not_priced", 4), ("code_budget_exceeded", 5)])
    assert (totals.tokens_in, totals.tokens_out) == (111, 32_000)
    assert (totals.noted("model_not_found"), totals.noted("unpriced"), totals.noted("estimated")) == (3, 4, 0)
    assert list(totals.with_prefix("code_")) == ["budget_exceeded", "service_tier_not_priced", "model_not_found"]


# --- rows -------------------------------------------------------------------------------------------------


def rollup(day: str, model: str, key: str, **values: int) -> dict[str, Any]:
    """A rollup as in the ledger."""
    return {"pk": "ROLLUP#of", "sk": f"{day}#{model}#{key}", **values}


ITEMS = {
    "search": [
        rollup("2026-11-22", "small", "k1", requests=3, cost_nano_usd=30, status_200=3, tokens_output=5),
        rollup("2026-11-23", "small", "k1", requests=4, cost_nano_usd=7, status_200=3, status_502=1, errors=1),
        rollup("2026-11-23", "a#b", "k2", requests=1, cost_nano_usd=900, status_200=1, unsettled=1),
    ],
    "=cmd|'/c calc'!A1": [rollup("2026-11-23", "-", "k3", requests=2, cost_nano_usd=0, status_404=2, refusals=2)],
}


def report_of(*by: str, model: str | None = None) -> UsageReport:
    """The report over ITEMS."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    scope = Scope(period=Period(date(2026, 11, 21), TODAY), previous=None, now=now, model=model)
    groupings = rows.groupings(by, scope)
    totals: list[rollups.GroupTotals] = [{} for _ in groupings]
    for consumer, items in ITEMS.items():
        rollups.merge(totals, rollups.add_up(consumer, items, groupings, Names()))
    return build_report("prod", by, scope, totals)


def test_rows_are_ordered_by_cost() -> None:
    report = report_of("consumer", "model")
    assert [(row.consumer, row.model, row.nano_usd, row.requests) for row in report.rows] == [
        ("search", "a#b", 900, 1),
        ("search", "small", 37, 7),
        ("=cmd|'/c calc'!A1", "-", 0, 2),
    ]
    assert (report.total.usd, report.total.requests, report.total.unsettled) == ("0.000000937", 10, 1)
    assert [(day.day, day.nano_usd) for day in report.days] == [
        ("2026-11-21", 0), ("2026-11-22", 30), ("2026-11-23", 907),
    ]  # fmt: skip


def test_first_byte_is_the_mean_of_streams() -> None:
    totals = UsageTotals()
    assert totals.first_byte_ms is None
    totals.add([("requests", 5), ("streams", 2), ("first_byte_ms", 401)])
    totals.add([("requests", 7), ("latency_ms", 90_000)])
    row = rows.row_of({}, totals)
    assert (row.streams, row.first_byte_ms) == (2, 201)
    assert terminal.numbers(row)[-4:] == ["201 ms", "–", "–", "–"]


def test_rows_by_day_are_in_order() -> None:
    assert [row.day for row in report_of("day").rows] == ["2026-11-22", "2026-11-23"]


def test_a_model_name_may_contain_a_hash() -> None:
    report = report_of("key", model="a#b")
    assert [(row.key, row.nano_usd) for row in report.rows] == [("k2", 900)]
    assert report.total.nano_usd == 900


def test_cost_of_a_status_is_null_unless_all_requests_have_it() -> None:
    by_status = {row.status: row for row in report_of("status").rows}
    assert (by_status[200].requests, by_status[200].nano_usd, by_status[200].p50_ms) == (7, None, None)
    assert (by_status[502].requests, by_status[502].errors, by_status[502].usd) == (1, 1, None)
    assert (by_status[404].requests, by_status[404].errors, by_status[404].usd, by_status[404].refusals) == (
        2,
        0,
        "0",
        2,
    )
    first = report_of("status", "day").rows[0]
    assert (first.day, first.status, first.nano_usd, first.tokens_out) == ("2026-11-22", 200, 30, 5)


@pytest.mark.parametrize("by", ["", ",", "consumer,team", "Model", "tag:", "tag"])
def test_unknown_dimensions(by: str) -> None:
    with pytest.raises(UsageError, match="accepted: any of consumer, model, day, key, status, owner, tag:NAME"):
        rows.dimensions(by)


# --- files and formats ------------------------------------------------------------------------------------


def test_csv_rows_are_not_formulas() -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(report_of("consumer")))))
    assert [(line["consumer"], line["usd"]) for line in lines] == [
        ("search", "0.000000937"),
        ("'=cmd|'/c calc'!A1", "0"),
    ]
    assert "key" not in lines[0]


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\xa0=1",
        "\u3000@A1",
        "\u2003+1",
        "\ufeff=1",
        "\u200b=1",
        "\u202e=1",
        "\xad-1",
        "\x00=1",
        "\x85=1",
        "\u2028=1",
        "＝1+1",
        "＋1",
        "－1",
        "＠A1",
        "\xa0＝1",
        " \u200b\xa0﹣1",
    ],
)
def test_formulas_are_quoted(cell: str) -> None:
    assert csv_safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["search", "a-b", "-", -5, 0, None, "", "ü", " ", "１+1", "\xa0a=1"])
def test_other_cells_are_unchanged(cell: object) -> None:
    assert csv_safe(cell) == cell


def test_markdown_cells_are_escaped() -> None:
    assert markdown_safe("a|b\n<i>*x*`#") == "a\\|b \\<i\\>\\*x\\*\\`\\#"
    lines = as_markdown(report_of("consumer")).splitlines()
    cells = [line.replace("\\|", "").count("|") for line in lines if line.startswith("|")]
    assert len(cells) == 5
    assert len(set(cells)) == 1


@pytest.mark.parametrize(
    ("nano", "words"),
    [
        (0, "$0.00"), (1, "$0.000000001"), (60_000, "$0.00006"), (4_249_000, "$0.00425"), (500_000_000, "$0.50"),
        (999_999_999, "$1.00"), (1_000_000_000, "$1.00"), (1_234_505_000_000, "$1,234.51"), (95_000_000, "$0.095"),
        (125_000_000, "$0.125"),
    ],
)  # fmt: skip
def test_money(nano: int, words: str) -> None:
    assert money(nano) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (950, "950"),
        (999.6, "1k"),
        (12_345, "12.3k"),
        (999_700, "1M"),
        (4_560_000_000, "4.56G"),
        (0.25, "0.25"),
        (0.00005042, "0.0000504"),
    ],
)
def test_compact(value: float, words: str) -> None:
    assert compact(value) == words


def test_milliseconds_and_percent() -> None:
    assert [milliseconds(value) for value in (None, 0, 850, 1_250, 125_000)] == [
        "–",
        "0 ms",
        "850 ms",
        "1.25 s",
        "2 min 5 s",
    ]
    assert [percent(*pair) for pair in ((1, 0), (0, 9), (1, 3000), (1, 3), (1, 10**9))] == [
        "–", "0 %", "0.033 %", "33 %", "< 0.01 %",
    ]  # fmt: skip


def test_differences_have_a_sign() -> None:
    assert [signed_money(nano) for nano in (1_200_000_000, -50_000, 0)] == ["+$1.20", "-$0.00005", "$0.00"]


@pytest.mark.parametrize("name", ["", ".", "/", ".."])
def test_not_a_file_name(name: str) -> None:
    with pytest.raises(UsageError, match=r"is not a file name|cannot be written"), replacing(Path(name)) as temporary:
        temporary.write_text("x")


def test_sparklines_and_bars() -> None:
    assert sparkline([0, 1, 50, 100]) == "·▁▄█"
    assert len(sparkline(range(1, 1000))) <= 60
    assert sparkline([]) == ""
    assert (bar(0, 10, 2), bar(10, 10, 2), bar(5, 10, 2), bar(1, 10**9, 2), bar(0, 0, 2)) == ("", "██", "█", "▏", "")
