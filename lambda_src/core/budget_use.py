"""How much of its budgets a consumer has used, and the budget events that are due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambda_src.contract import Window
from lambda_src.core.account import Account
from lambda_src.core.policy import Policy
from lambda_src.core.windows import label, utc_datetime

EVENT_SK = "EVENT#"


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """A consumer's spend in `window` reached `percent` of its budget `limit_nano_usd`, which includes a temporary raise
    of `raised_nano_usd`. consumer: its present name."""

    environment: str
    consumer: str
    consumer_id: str
    per: Window
    window: str
    percent: int
    limit_nano_usd: int
    spent_nano_usd: int
    raised_nano_usd: int = 0

    @property
    def sk(self) -> str:
        """Its sort key in the consumer's partition, by which it happens once, and once more for each raised limit."""
        suffix = f"#{self.limit_nano_usd}" if self.raised_nano_usd else ""
        return f"{EVENT_SK}{self.per}#{self.window}#{self.percent}{suffix}"

    @property
    def subject(self) -> str:
        """A summary in one line."""
        return f"Tollgate {self.environment}: {self.consumer} spent {self.percent} % of its budget per {self.per}"


def due_events(environment: str, policy: Policy, account: Account, at_ms: int) -> Iterator[BudgetEvent]:
    """The events due by what is spent in the windows that contain `at_ms`."""
    at = utc_datetime(at_ms)
    for budget in policy.budgets:
        spent = account.spent(budget.per, at)
        for percent in policy.thresholds:
            if budget.limit and spent * 100 >= percent * budget.limit:
                window = label(budget.per, at)
                name = policy.name or policy.consumer
                yield BudgetEvent(
                    environment, name, policy.consumer, budget.per, window, percent, budget.limit, spent, budget.raised
                )


def peak_percentages(
    policy: Policy, account: Account, at_ms: int, spent: int = 0, committed: int = 0
) -> tuple[float, float]:
    """The highest percentages that are spent, and committed (spent and held), of the consumer's budgets; (0, 0) without
    budgets. `spent` and `committed` nano-USD are added to the amounts of `account`. Budgets of 0 are ignored."""
    at = utc_datetime(at_ms)
    budgets = [budget for budget in policy.budgets if budget.limit]
    return (
        max((_percent(account.spent(budget.per, at) + spent, budget.limit) for budget in budgets), default=0.0),
        max((_percent(account.committed(budget.per, at) + committed, budget.limit) for budget in budgets), default=0.0),
    )


def _percent(part: int, whole: int) -> float:
    """Percentage with two decimals. For metrics only: money is never a float."""
    return part * 10_000 // whole / 100
