"""The report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from admin.formatting import compact, counted, milliseconds, money, signed_money
from admin.output import table
from admin.report.documents import LABELS, UsageReport, UsageRow
from admin.report.labels import labelled
from admin.report.scope import MonthForecast
from admin.report.totals import COST_NOTES

_LEVELS: Final = "▁▂▃▄▅▆▇█"
_MAX_WIDTH: Final = 60
_BAR_WIDTH: Final = 24
_NUMBERS: Final = ("requests", "errors", "rejected", "in", "cached", "out", "spend")
COMPARED: Final = ("previous", "change", "change %")
_LATENCIES: Final = ("first byte", "p50", "p95", "p99")
_RIGHT: Final = (*_NUMBERS, *COMPARED, *_LATENCIES, "status")
_SPARE: Final = (
    "p50", "p99", "cached", "tags", "p95", "first byte", "rejected", "in", "out", "owner", "previous", "change",
)  # fmt: skip


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
    labelled_by, change = label_columns(report), is_compared(report)
    columns = [*report.by, *labelled_by, *_NUMBERS, *(COMPARED if change else ()), *_LATENCIES, "notes"]
    rows = [
        [*row_names(report.by, row, labels), *label_cells(labelled_by, row), *numbers(row, change), notes(row)]
        for row in report.rows
    ]
    total = [
        "total",
        *[""] * (len(report.by) + len(labelled_by) - 1),
        *numbers(report.total, change),
        notes(report.total),
    ]
    if report.total.corrections:
        rows.append([*_corrections(report, columns)])
    spare = [name for name in _SPARE if name not in report.by]
    return Group(table(title, columns, rows, right=_RIGHT, spare=spare, total=total), "", *_below(report))


def _corrections(report: UsageReport, columns: Sequence[str]) -> Iterator[str]:
    """The cells of the line of corrections."""
    amount, words = corrections(report.total)
    for place, name in enumerate(columns):
        yield "corrections" if place == 0 else amount if name == "spend" else words if name == "notes" else ""


def corrections(row: UsageRow) -> tuple[str, str]:
    """The corrections' part of the cost, and their number in words."""
    return signed_money(
        row.corrections_nano_usd or 0
    ), f"{counted(row.corrections or 0, 'correction')}, included in spend"


def label_columns(report: UsageReport) -> list[str]:
    """Owner and tags, if the rows have consumers, and any of these has one."""
    names = [name for name in LABELS if "consumer" in report.by and name not in report.by]
    return [name for name in names if any(getattr(row, name) for row in report.rows)]


def is_compared(report: UsageReport) -> bool:
    """Whether rows have a cost in the previous period."""
    return any(row.previous_nano_usd is not None for row in report.rows)


def label_cells(names: Sequence[str], row: UsageRow) -> list[str]:
    """The row's owner and tags, as `names` has them."""
    tags = ", ".join(f"{name}={value}" for name, value in (row.tags or {}).items())
    return [tags if name == "tags" else row.owner or "" for name in names]


def row_names(by: Sequence[str], row: UsageRow, labels: Mapping[str, str]) -> list[object]:
    """The row's value of each dimension in `by`: a key with its label, – for consumers without the owner or the tag."""
    values = ((name, row.value(name)) for name in by)
    return [
        labelled(str(value), labels) if name == "key" else "–" if value is None else value for name, value in values
    ]


def numbers(row: UsageRow, change: bool = True) -> list[str]:
    """The cells of a row after its names: counts, cost, with `change` the previous cost and the change, latencies."""
    counts = (row.requests, row.errors, row.refusals, row.tokens_in, row.tokens_cached, row.tokens_out)
    cost = "" if row.nano_usd is None else money(row.nano_usd)
    latencies = map(milliseconds, (row.first_byte_ms, row.p50_ms, row.p95_ms, row.p99_ms))
    return [
        *("" if count is None else f"{count:,}" for count in counts),
        cost,
        *(compared(row) if change else ()),
        *latencies,
    ]


def compared(row: UsageRow) -> list[str]:
    """The cost in the previous period and the change in dollars and percent; "new" if there was no cost before."""
    if row.previous_nano_usd is None or row.change_nano_usd is None:
        return ["", "", ""]
    share = row.change_percent
    if share is None:
        words = "new" if row.change_nano_usd else "–"
    else:
        words = f"{Decimal(share):{'+,' if share.strip('-0.') else ','}} %"
    return [money(row.previous_nano_usd), signed_money(row.change_nano_usd), words]


def notes(row: UsageRow) -> str:
    """How many of a row's requests have a cost that is not what the provider reported, and how many corrections."""
    counts = {name: getattr(row, name) for name in COST_NOTES}
    words = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join([*words, counted(row.corrections, "correction")] if row.corrections else words)


def summary(report: UsageReport) -> list[str]:
    """Sentences: the previous period, the forecast of the running month, and fees per call."""
    lines = []
    if report.previous_since is not None:
        before, change, percent = compared(report.total)
        today = " Today is not over." if report.until >= report.generated_at[:10] else ""
        days = f"{report.previous_since} to {report.previous_until}"
        lines.append(f"previous period {days}: {before}, change {change} ({percent}).{today}")
    if report.forecast is not None:
        lines.append(forecast_words(report.forecast))
    if report.total.calls:
        calls = ", ".join(f"{count:,} {kind}" for kind, count in report.total.calls.items())
        lines.append(f"fees per call: {money(report.total.fees_nano_usd or 0)} of the spend ({calls}).")
    return lines


def forecast_words(month: MonthForecast) -> str:
    """The forecast and how it is computed."""
    return (
        f"forecast for {month.month}: {money(month.nano_usd)}, a straight line ({money(month.spent_nano_usd)} in "
        f"{month.days_elapsed} days, times {month.days} days)."
    )


def _below(report: UsageReport) -> list[str]:
    spend = [day.nano_usd for day in report.days]
    lines = summary(report)
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
    return [*lines, "Amounts are rounded; JSON and CSV are exact."]


def top_table(title: str, rows: Sequence[tuple[str, UsageRow]], total: int) -> Any:
    """Names by spend, with bars. total: nano-USD."""
    highest = max((row.nano_usd or 0 for _, row in rows), default=0)
    cells = []
    for place, (name, row) in enumerate(rows, start=1):
        nano = row.nano_usd or 0
        share = f"{100 * nano / total:.1f} %" if total else "–"
        tokens = compact((row.tokens_in or 0) + (row.tokens_out or 0))
        cells.append((place, name, bar(nano, highest), money(nano), share, f"{row.requests:,}", tokens))
    columns = ("", "name", "chart", "spend", "share", "requests", "tokens")
    return table(title, columns, cells, right=("", *columns[3:]), spare=("chart", "tokens"))
