"""Budgets as JSON documents and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from admin.budgets.status import BudgetStatus, ConsumerBudgets, Money, dollars
from admin.output import table
from admin.times import iso_time, relative_time
from lambda_src.contract import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetShown:
    """A budget in its current window. Amounts are {usd, nano_usd}.

    consumer: name of the consumer.
    per: day, week, month (calendar, UTC) or total.
    window: the current window, such as 2026-11-23, 2026-W48, 2026-11 or all.
    limit: current limit, raises included.
    raised: the part of the limit that comes from temporary raises.
    spent: cost of settled requests.
    held: maximum cost of requests in flight.
    left: amount that new requests can still reserve; negative if spend exceeds the current limit.
    percent: share spent, rounded down.
    frees: end of the window (ISO 8601, UTC); null if it never ends.
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


def shown_budgets(budgets: ConsumerBudgets, now: datetime) -> list[BudgetShown]:
    """A consumer's budgets, for JSON."""
    return [_shown(budgets.consumer, budget) for budget in budgets.budgets(now)]


def _shown(consumer: str, budget: BudgetStatus) -> BudgetShown:
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
        frees=None if budget.frees is None else iso_time(budget.frees),
    )


def budgets_table(budgets: Sequence[tuple[ConsumerBudgets, BudgetStatus]], now: datetime) -> Any:
    """The table of budgets: spent █, held ▒, left ░."""
    rows = [
        (
            consumer.consumer,
            budget.per,
            budget.window,
            budget.bar(),
            f"{budget.percent} %",
            dollars(budget.spent),
            dollars(budget.held),
            dollars(budget.left),
            dollars(budget.limit) + (f" (+{dollars(budget.raised)})" if budget.raised else ""),
            "never" if budget.frees is None else relative_time(budget.frees, now),
        )
        for consumer, budget in budgets
    ]
    columns = ("consumer", "per", "window", "spent █ held ▒", "share", "spent", "held", "left", "limit", "frees")
    return table("", columns, rows, right=("share", "spent", "held", "left", "limit"), spare=("window", columns[3]))
