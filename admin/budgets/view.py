"""What is shown of budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from admin.budgets.status import BudgetStatus, BudgetStatuses, Money, dollars
from admin.output import table
from admin.times import apart, written
from lambda_src.contract import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetShown:
    """A budget in its current window. Amounts are {usd, nano_usd}.

    consumer: whose it is.
    per: day, week, month (calendar, UTC) or total.
    window: which one it is now, such as 2026-11-23, 2026-W48, 2026-11 or all.
    limit: what may be spent in it now, raises included.
    raised: what of the limit ends with a raise.
    spent: what settled requests cost.
    held: what requests in flight may cost at most.
    left: what can still be promised to new requests; negative: more was spent than the limit is now.
    percent: share spent, rounded down.
    frees: when the window ends (ISO 8601, UTC); null: never.
    """

    consumer: str
    per: Window
    window: str
    limit: Money
    raised: Money
    spent: Money
    held: Money
    left: Money
    percent: int
    frees: str | None


def shown_budgets(found: BudgetStatuses, now: datetime) -> list[BudgetShown]:
    """A consumer's budgets."""
    return [shown_budget(found.consumer, each) for each in found.budgets(now)]


def shown_budget(consumer: str, budget: BudgetStatus) -> BudgetShown:
    """One budget."""
    return BudgetShown(
        consumer=consumer,
        per=budget.per,
        window=budget.window,
        limit=Money.of(budget.limit),
        raised=Money.of(budget.raised),
        spent=Money.of(budget.spent),
        held=Money.of(budget.held),
        left=Money.of(budget.left),
        percent=budget.percent,
        frees=None if budget.frees is None else written(budget.frees),
    )


def budgets_table(budgets: Sequence[tuple[BudgetStatuses, BudgetStatus]], now: datetime) -> Any:
    """Budgets for people: spent █, held ▒, left ░."""
    rows = [
        (
            found.consumer,
            each.per,
            each.window,
            each.bar(),
            f"{each.percent} %",
            dollars(each.spent),
            dollars(each.held),
            dollars(each.left),
            dollars(each.limit) + (f" (+{dollars(each.raised)})" if each.raised else ""),
            "never" if each.frees is None else apart(each.frees, now),
        )
        for found, each in budgets
    ]
    columns = ("consumer", "per", "window", "spent █ held ▒", "share", "spent", "held", "left", "limit", "frees")
    return table("", columns, rows, right=("share", "spent", "held", "left", "limit"), spare=("window", columns[3]))
