"""How full every budget is: what is spent, what is held for requests in flight, what was raised for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from lambda_src.account import Account
from lambda_src.contract import ACCOUNT_SK, STATE_SK, Window, account_pk, consumer_pk
from lambda_src.policy import policy_of

if TYPE_CHECKING:
    from admin.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One budget in its present window; nano-USD. limit includes what is raised."""

    consumer: str
    per: Window
    limit: int
    raised: int
    spent: int
    held: int

    @property
    def percent(self) -> int:
        """Spent share of the limit, rounded down: 100 means that nothing is left. A budget of nothing is full."""
        return 100 * self.spent // self.limit if self.limit else 100


def gauges(session: Session, names: Sequence[str], now: datetime) -> list[Gauge]:
    """Every budget of these consumers, the fullest first."""
    policies = [session.policies[name] for name in names if name in session.policies]
    budgeted = [item for item in policies if item.get("budgets")]
    consumers = [str(item["consumer"]) for item in budgeted]
    keys = [(account_pk(name), ACCOUNT_SK) for name in consumers] + [
        (consumer_pk(name), STATE_SK) for name in consumers
    ]
    found = session.table.get_many(keys)
    made = []
    for item, name in zip(budgeted, consumers, strict=True):
        policy = policy_of(item, found.get((consumer_pk(name), STATE_SK))).at(now)
        account = Account(found.get((account_pk(name), ACCOUNT_SK), {}))
        for budget in policy.budgets:
            spent = account.spent(budget.per, now)
            made.append(
                Gauge(
                    consumer=name,
                    per=budget.per,
                    limit=budget.limit,
                    raised=budget.raised,
                    spent=spent,
                    held=account.committed(budget.per, now) - spent,
                )
            )
    return sorted(made, key=lambda each: (-each.percent, each.consumer))
