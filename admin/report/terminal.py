"""The report for those who stay in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from admin.formatting import compact, milliseconds, money, same_places
from admin.output import table
from admin.report.labels import labelled
from admin.report.rows import UsageReport, UsageRow

_LEVELS: Final = "▁▂▃▄▅▆▇█"
_WIDEST: Final = 60
BAR: Final = 24
_NUMBERS: Final = ("requests", "errors", "refused", "in", "cached", "out", "USD", "p50", "p95", "p99", "status")
_SPARE: Final = ("p50", "p99", "cached", "p95", "refused", "in", "out")


def sparkline(values: Sequence[int], width: int = _WIDEST) -> str:
    """One character per value (or per sum of neighbours, where there are more than `width`); `·` is nothing at all."""
    per = max(1, -(-len(values) // width))
    sums = [sum(values[at : at + per]) for at in range(0, len(values), per)]
    most = max(sums, default=0)
    return "".join(_LEVELS[each * (len(_LEVELS) - 1) // most] if each else "·" for each in sums)


def bar(value: int, most: int, width: int = BAR) -> str:
    """A bar in eighths of a character; nothing for 0, something for anything more."""
    eighths = max(1, value * width * 8 // most) if value and most else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def rendered(report: UsageReport, labels: Mapping[str, str]) -> Any:
    """The table, its total, and what each day cost. labels: of keys, by id."""
    from rich.console import Group

    title = f"{report.environment}: usage {report.since} to {report.until} (UTC)"
    if not report.rows:
        return Group(f"{title}\n\nno requests in this period")
    columns = [*report.by, *(each for each in _NUMBERS if each != "status"), "to note"]
    *costs, whole = same_places([row.usd for row in (*report.rows, report.total)])
    rows = [
        [*named(report.by, row, labels), *_numbers(row, cost), notes(row)]
        for row, cost in zip(report.rows, costs, strict=True)
    ]
    total = ["total", *[""] * (len(report.by) - 1), *_numbers(report.total, whole), notes(report.total)]
    return Group(table(title, columns, rows, right=_NUMBERS, spare=_SPARE, total=total), "", *_tail(report))


def named(by: Sequence[str], row: UsageRow, labels: Mapping[str, str]) -> list[object]:
    """What a row is about; a key with its label."""
    values = ((each, getattr(row, each)) for each in by)
    return [labelled(value, labels) if each == "key" else value for each, value in values]


def _numbers(row: UsageRow, cost: str) -> list[str]:
    counts = (row.requests, row.errors, row.refusals, row.tokens_in, row.tokens_cached, row.tokens_out)
    latencies = (milliseconds(each) for each in (row.p50_ms, row.p95_ms, row.p99_ms))
    return [*("" if each is None else f"{each:,}" for each in counts), cost, *latencies]


def notes(row: UsageRow) -> str:
    """What a reader should know of a row before trusting its cost."""
    marks = {"estimated": row.estimated, "unsettled": row.unsettled, "unpriced": row.unpriced}
    marks["over estimate"] = row.over_estimate
    return ", ".join(f"{count:,} {name}" for name, count in marks.items() if count)


def _tail(report: UsageReport) -> list[str]:
    spend = [each.nano_usd for each in report.days]
    lines = []
    if len(spend) > 1:
        dearest = max(report.days, key=lambda each: each.nano_usd)
        lines.append(f"spend per day  {sparkline(spend)}  most on {dearest.day}: {money(dearest.nano_usd)}")
    if "status" in report.by:
        lines.append("Of a status the requests are counted; cost, tokens and latency only where no other status was.")
    lines += [_EXPLAINED[name] for name in _EXPLAINED if getattr(report.total, name)]
    return lines


_EXPLAINED: Final = {
    "estimated": "estimated: the provider told no usage, so the cost is what the request was sure to stay under.",
    "unsettled": "unsettled: nobody came back to settle, so the cost is all that was held.",
    "unpriced": "unpriced: refused, as the model has no price here or is not theirs to use; nothing was charged.",
    "over_estimate": "over estimate: cost more than was held, so a budget can have been passed by the difference.",
}


def top(title: str, rows: Sequence[tuple[str, UsageRow]], total: int) -> Any:
    """Who spends most, with bars."""
    most = max((row.nano_usd or 0 for _, row in rows), default=0)
    cells = []
    costs = same_places([row.usd for _, row in rows])
    for place, ((name, row), cost) in enumerate(zip(rows, costs, strict=True), start=1):
        nano = row.nano_usd or 0
        share = f"{100 * nano / total:.1f} %" if total else "–"
        tokens = compact((row.tokens_in or 0) + (row.tokens_out or 0))
        cells.append((place, name, bar(nano, most), cost, share, f"{row.requests:,}", tokens))
    right = ("", "USD", "share", "requests", "tokens")
    return table(
        title, ("", "who", "spend", "USD", "share", "requests", "tokens"), cells, right=right, spare=("spend", "tokens")
    )
