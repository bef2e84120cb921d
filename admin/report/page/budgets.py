"""How much of each budget is used now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from admin.budgets.status import BudgetStatus
from admin.formatting import money
from admin.html.charts import percent_width
from admin.report.page.data import PageData
from lambda_src.core.pricing import usd

_LISTED: Final = 12
_MORE: Final = 60
_WARNING: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A budget as a bar. spent, held, raised: CSS widths. colour: of the bar. state: CSS class of `use`."""

    consumer: str
    per: str
    spent: str
    held: str
    raised: str
    colour: str
    state: str
    use: str
    amounts: str
    tooltip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """first: budgets with the highest use. more: shown on demand below the words `summary`."""

    first: Sequence[Gauge]
    more: Sequence[Gauge]
    summary: str


def budgets(data: PageData) -> Budgets:
    """The budgets by use."""
    rest = data.budgets[_LISTED:]
    summary = f"{len(rest):,} more, at most {rest[0][1].percent} % used" if rest else ""
    if len(rest) > _MORE:
        summary += f" (the first {_MORE}; `tollgate budgets show` lists all)"
    return Budgets(
        first=[_gauge(*entry) for entry in data.budgets[:_LISTED]],
        more=[_gauge(*entry) for entry in rest[:_MORE]],
        summary=summary,
    )


def _gauge(consumer: str, budget: BudgetStatus) -> Gauge:
    colour, state = (
        ("b", "bad") if budget.percent >= 100 else ("2", "warn") if budget.percent >= _WARNING else ("1", "soft")
    )
    amounts = [f"{money(budget.spent)} of {money(budget.limit)}"]
    amounts += [
        f"{money(value)} {name}" for value, name in ((budget.held, "held"), (budget.raised, "raised")) if value > 0
    ]
    return Gauge(
        consumer=consumer,
        per="in total" if budget.per == "total" else f"per {budget.per}",
        spent=percent_width(budget.spent, budget.limit),
        held=percent_width(budget.held, budget.limit),
        raised=percent_width(budget.raised, budget.limit),
        colour=colour,
        state=state,
        use="used up" if budget.percent >= 100 else f"{budget.percent} %",
        amounts=" · ".join(amounts),
        tooltip=f"{usd(budget.spent)} USD spent, {usd(budget.held)} held, limit {usd(budget.limit)}",
    )
