"""The report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from admin.formatting import align_decimals, compact, milliseconds, money
from admin.output import table
from admin.report.labels import labelled
from admin.report.rows import UsageReport, UsageRow
from admin.report.totals import COST_NOTES

_LEVELS: Final = "▁▂▃▄▅▆▇█"
_MAX_WIDTH: Final = 60
_BAR_WIDTH: Final = 24
_NUMBERS: Final = ("requests", "errors", "rejected", "in", "cached", "out", "USD", "p50", "p95", "p99", "status")
_SPARE: Final = ("p50", "p99", "cached", "p95", "rejected", "in", "out")


def sparkline(values: Sequence[int], width: int = _MAX_WIDTH) -> str:
    """One character per value, or per sum of neighbours if there are more than `width` values; `·` is 0."""
    size = max(1, -(-len(values) // width))
    sums = [sum(values[start : start + size]) for start in range(0, len(values), size)]
    highest = max(sums, default=0)
    return "".join(_LEVELS[value * (len(_LEVELS) - 1) // highest] if value else "·" for value in sums)


def bar(value: int, highest: int, width: int = _BAR_WIDTH) -> str:
    """A bar in eighths of a character: empty for 0, at least an eighth for any other value."""
    eighths = max(1, value * width * 8 // highest) if value and highest else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def report_table(report: UsageReport, labels: Mapping[str, str]) -> Any:
    """The rows, their total, and the spend per day. labels: of keys, by id."""
    from rich.console import Group

    title = f"{report.environment}: usage {report.since} to {report.until} (UTC)"
    if not report.rows:
        return Group(f"{title}\n\nno requests in this period")
    columns = [*report.by, *(name for name in _NUMBERS if name != "status"), "notes"]
    *costs, total_cost = align_decimals([row.usd for row in (*report.rows, report.total)])
    rows = [
        [*row_names(report.by, row, labels), *numbers(row, cost), notes(row)]
        for row, cost in zip(report.rows, costs, strict=True)
    ]
    total = ["total", *[""] * (len(report.by) - 1), *numbers(report.total, total_cost), notes(report.total)]
    return Group(table(title, columns, rows, right=_NUMBERS, spare=_SPARE, total=total), "", *_below(report))


def row_names(by: Sequence[str], row: UsageRow, labels: Mapping[str, str]) -> list[object]:
    """The row's value of each dimension in `by`; a key with its label."""
    values = ((name, getattr(row, name)) for name in by)
    return [labelled(value, labels) if name == "key" else value for name, value in values]


def numbers(row: UsageRow, cost: str) -> list[str]:
    """The cells of a row after its names."""
    counts = (row.requests, row.errors, row.refusals, row.tokens_in, row.tokens_cached, row.tokens_out)
    latencies = map(milliseconds, (row.p50_ms, row.p95_ms, row.p99_ms))
    return [*("" if count is None else f"{count:,}" for count in counts), cost, *latencies]


def notes(row: UsageRow) -> str:
    """How many of a row's requests have a cost that is not what the provider reported."""
    counts = {name: getattr(row, name) for name in COST_NOTES}
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def _below(report: UsageReport) -> list[str]:
    spend = [day.nano_usd for day in report.days]
    lines = []
    if len(spend) > 1:
        highest = max(report.days, key=lambda day: day.nano_usd)
        lines.append(f"spend per day  {sparkline(spend)}  highest on {highest.day}: {money(highest.nano_usd)}")
    if "status" in report.by:
        lines.append("Cost, tokens and latency are known only for groups in which all requests have the same status.")
    lines += [
        f"{name.replace('_', ' ')}: {meaning}"
        for name, (_, meaning) in COST_NOTES.items()
        if getattr(report.total, name)
    ]
    return lines


def top_table(title: str, rows: Sequence[tuple[str, UsageRow]], total: int) -> Any:
    """Names by spend, with bars. total: nano-USD."""
    highest = max((row.nano_usd or 0 for _, row in rows), default=0)
    cells = []
    costs = align_decimals([row.usd for _, row in rows])
    for place, ((name, row), cost) in enumerate(zip(rows, costs, strict=True), start=1):
        nano = row.nano_usd or 0
        share = f"{100 * nano / total:.1f} %" if total else "–"
        tokens = compact((row.tokens_in or 0) + (row.tokens_out or 0))
        cells.append((place, name, bar(nano, highest), cost, share, f"{row.requests:,}", tokens))
    columns = ("", "name", "spend", "USD", "share", "requests", "tokens")
    return table(title, columns, cells, right=("", *columns[3:]), spare=("spend", "tokens"))
