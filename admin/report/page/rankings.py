"""Rankings: requests by outcome, and consumers, models and keys by spend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from admin.formatting import align_decimals, compact, money, percent
from admin.html.charts import BarRow, percent_width
from admin.report.labels import labelled
from admin.report.page.data import PageData, model_name
from admin.report.rollups import GroupTotals
from admin.report.rows import row_of
from admin.report.terminal import numbers

_LISTED: Final = 10
_IN_THE_TABLE: Final = 100


def outcomes(data: PageData, prefix: str) -> list[BarRow]:
    """Requests by error code (`code_`) or by HTTP status (`status_`)."""
    counts = data.total.with_prefix(prefix)
    highest = max(counts.values(), default=0)
    return [BarRow(name, percent_width(count, highest), [f"{count:,}"]) for name, count in counts.items()][:_LISTED]


def rankings(data: PageData) -> dict[str, list[BarRow]]:
    """The top consumers, models and keys."""
    return {
        "Consumers": _ranking(data, data.by_consumer, str),
        "Models": _ranking(data, data.by_model, model_name),
        "Keys": _ranking(data, data.by_key, lambda group: f"{group[0]} / {labelled(group[1], data.key_labels)}"),
    }


def _ranking(data: PageData, totals: GroupTotals, name: Callable[[Any], str]) -> list[BarRow]:
    first = [(group, totals[group]) for group in top(totals)]
    return [
        BarRow(
            name(group),
            percent_width(of_group.cost, first[0][1].cost),
            [money(of_group.cost), percent(of_group.cost, data.total.cost), compact(of_group.requests)],
        )
        for group, of_group in first
    ]


def top(totals: GroupTotals, count: int = _LISTED) -> list[Any]:
    """The first groups by cost, then by requests."""
    return sorted(totals, key=lambda group: (-totals[group].cost, -totals[group].requests, group))[:count]


def consumer_rows(data: PageData) -> list[list[str]]:
    """Exact values of the first hundred consumers."""
    rows = [row_of({"consumer": name}, data.by_consumer[name]) for name in top(data.by_consumer, _IN_THE_TABLE)]
    costs = align_decimals([row.usd for row in rows])
    return [[str(row.consumer), *numbers(row, cost)] for row, cost in zip(rows, costs, strict=True)]
