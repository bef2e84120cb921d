"""Rankings: requests by outcome, and consumers, models and keys by spend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from admin.formatting import compact, money, percent
from admin.html.charts import BarRow, percent_width
from admin.report.documents import LABELS
from admin.report.labels import labelled
from admin.report.page.data import PageData, model_name
from admin.report.rollups import GroupTotals
from admin.report.rows import row_of
from admin.report.terminal import label_cells, numbers
from admin.report.totals import UsageTotals

_LISTED: Final = 10
_IN_THE_TABLE: Final = 100
CONSUMER_COLUMNS: Final = (
    "consumer", "owner", "tags", "requests", "errors", "rejected", "input tokens", "cached", "output tokens", "spend",
    "previous", "change", "change %", "first byte", "p50", "p95", "p99",
)  # fmt: skip


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


def ended(data: PageData) -> list[str]:
    """Consumers with spend in the previous period only."""
    return [name for name, before in data.by_consumer_before.items() if before.cost and name not in data.by_consumer]


def consumer_rows(data: PageData) -> list[list[str]]:
    """The first hundred consumers. Those with spend in the previous period only are among them."""
    none = UsageTotals()
    rows = [
        row_of({"consumer": name}, totals, data.scope.policies, data.by_consumer_before.get(name, none).cost)
        for name, totals in (dict.fromkeys(ended(data), none) | data.by_consumer).items()
    ]
    rows.sort(key=lambda row: (-(row.nano_usd or 0), -row.requests, str(row.consumer)))
    return [[str(row.consumer), *label_cells(LABELS, row), *numbers(row)] for row in rows[:_IN_THE_TABLE]]
