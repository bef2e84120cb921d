"""Rankings: outcomes of requests, and consumers, models and keys by spend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from admin.formatting import compact, counted, milliseconds, money, percent, same_places
from admin.html.charts import BarRow, BarTable, percent_width
from admin.report.labels import labelled
from admin.report.page.data import NO_REQUESTS, PageData, model_name
from admin.report.rollups import Sums
from admin.report.rows import PERCENTILES
from lambda_src.core.pricing import usd

_LISTED: Final = 10
_IN_THE_TABLE: Final = 100
_COLUMNS: Final = (
    "consumer", "requests", "errors", "rejected", "input tokens", "cached", "output tokens", "USD", "p50", "p95", "p99",
)  # fmt: skip


def outcomes(data: PageData) -> list[BarTable]:
    """Requests by error code and by HTTP status."""
    return [
        _counts("Rejections and errors by reason", data.total.counted("code_"), "no rejections and no errors"),
        _counts("Responses by HTTP status", data.total.counted("status_"), NO_REQUESTS),
    ]


def _counts(title: str, counts: Mapping[str, int], message: str) -> BarTable:
    highest = max(counts.values(), default=0)
    rows = [BarRow(name, percent_width(count, highest), [f"{count:,}"]) for name, count in counts.items()]
    return BarTable(title=title, columns=["requests"], rows=rows[:_LISTED], message=message)


def rankings(data: PageData) -> list[BarTable]:
    """Consumers, models and keys by spend."""
    lists: tuple[tuple[str, Sums, Callable[[Any], str]], ...] = (
        ("Consumers", data.by_consumer, str),
        ("Models", data.by_model, model_name),
        ("Keys", data.by_key, lambda group: f"{group[0]} / {labelled(group[1], data.key_labels)}"),
    )
    return [
        BarTable(
            title=title,
            columns=["spend", "share", "requests"],
            rows=[
                BarRow(
                    name(group),
                    percent_width(sums[group].cost, sums[top(sums)[0]].cost),
                    [
                        money(sums[group].cost),
                        percent(sums[group].cost, data.total.cost),
                        compact(sums[group].requests),
                    ],
                )
                for group in top(sums)
            ],
            message=NO_REQUESTS,
        )
        for title, sums, name in lists
    ]


def top(sums: Sums) -> list[Any]:
    """The groups that a ranking lists."""
    return _ranked(sums)[:_LISTED]


def _ranked(sums: Sums) -> list[Any]:
    """Groups by cost, then by requests, the highest first."""
    return sorted(sums, key=lambda group: (-sums[group].cost, -sums[group].requests, group))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerTable:
    """Exact values. summary: says how many there are, and how many of them are in `rows`."""

    summary: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def consumers(data: PageData) -> ConsumerTable:
    """Every consumer, up to a limit."""
    names = _ranked(data.by_consumer)
    listed = [(name, data.by_consumer[name]) for name in names[:_IN_THE_TABLE]]
    costs = same_places([usd(totals.cost) for _, totals in listed])
    rows = []
    for (name, totals), cost in zip(listed, costs, strict=True):
        counts = (
            totals.requests,
            totals["errors"],
            totals["refusals"],
            totals.tokens_in,
            totals["tokens_cache_read"],
            totals.tokens_out,
        )
        latencies = (milliseconds(totals.percentile(percentile)) for percentile in PERCENTILES)
        rows.append((name, *(f"{count:,}" for count in counts), cost, *latencies))
    more = f" (the first {_IN_THE_TABLE})" if len(names) > _IN_THE_TABLE else ""
    return ConsumerTable(summary=f"{counted(len(names), 'consumer')}, exact{more}", columns=_COLUMNS, rows=rows)
