"""The status of a consumer's budgets: its account item against its policy, temporary raises included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from admin.formatting import money
from admin.operator_ledger import Change
from admin.session import Session
from lambda_src.contract import ACCOUNT_SK, STATE_SK, Window, account_pk, consumer_pk
from lambda_src.core.account import Account
from lambda_src.core.policy import Policy, parse_time, policy_from_item
from lambda_src.core.pricing import usd
from lambda_src.core.windows import label, resets_at

_BAR: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount.

    usd: exact decimal of dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    """

    usd: str
    nano_usd: int

    @classmethod
    def of(cls, nano: int) -> Money:
        """From nano-USD."""
        return cls(usd=usd(nano), nano_usd=nano)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """One budget in its current window, in nano-USD. raised: the part of `limit` that comes from temporary raises."""

    per: Window
    window: str
    limit: int
    raised: int
    spent: int
    held: int
    frees: datetime | None

    @property
    def left(self) -> int:
        """The amount that new requests can still reserve; negative if spend exceeds the current limit."""
        return self.limit - self.spent - self.held

    @property
    def percent(self) -> int:
        """Share spent in whole percent, rounded down; 100 for a limit of 0."""
        return 100 if self.limit <= 0 else 100 * self.spent // self.limit

    def bar(self) -> str:
        """Spent, held and left as a bar of 20 characters."""
        spent = _cells(self.spent, self.limit)
        held = max(0, _cells(self.spent + self.held, self.limit) - spent)
        return "█" * spent + "▒" * held + "░" * (_BAR - spent - held)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerBudgets:
    """One consumer's policy item, STATE item (written by operators) and account."""

    item: Mapping[str, Any]
    state: Mapping[str, Any]
    account: Account

    @property
    def consumer(self) -> str:
        """Its name."""
        return str(self.item["consumer"])

    @property
    def paused(self) -> bool:
        """Whether an operator paused it."""
        return self.state.get("status") == "paused"

    @property
    def policy(self) -> Policy:
        """Its policy, without raises."""
        return policy_from_item(self.item, self.state)

    def budgets(self, now: datetime) -> list[BudgetStatus]:
        """Its budgets."""
        return [self._budget(budget.per, budget.limit, budget.raised, now) for budget in self.policy.at(now).budgets]

    def top_budget(self, now: datetime) -> BudgetStatus | None:
        """The budget with the highest share spent."""
        return max(self.budgets(now), key=lambda budget: budget.percent, default=None)

    def active_raises(self, now: datetime) -> list[Mapping[str, Any]]:
        """Raises that have not ended, as stored in the STATE item."""
        return [item for item in self.state.get("raises", ()) if parse_time(item["until"]) > now]

    def _budget(self, per: Window, limit: int, raised: int, now: datetime) -> BudgetStatus:
        spent = self.account.spent(per, now)
        return BudgetStatus(
            per=per,
            window=label(per, now),
            limit=limit,
            raised=raised,
            spent=spent,
            held=max(0, self.account.committed(per, now) - spent),
            frees=resets_at(per, now),
        )


def consumer_budgets(session: Session, consumer: str) -> ConsumerBudgets:
    """The budgets of one consumer. Raises RefusedError if it does not exist."""
    policy = session.policy(consumer)
    return ConsumerBudgets(
        item=policy,
        state=session.ledger.get(consumer_pk(consumer), STATE_SK),
        account=Account(session.ledger.get(account_pk(consumer), ACCOUNT_SK)),
    )


def all_consumer_budgets(session: Session) -> list[ConsumerBudgets]:
    """The budgets of every consumer, read in batches of 100 items."""
    names = list(session.policies)
    keys = [(consumer_pk(name), STATE_SK) for name in names] + [(account_pk(name), ACCOUNT_SK) for name in names]
    items = session.ledger.get_many(keys)
    return [
        ConsumerBudgets(
            item=session.policies[name],
            state=items.get((consumer_pk(name), STATE_SK), {}),
            account=Account(items.get((account_pk(name), ACCOUNT_SK), {})),
        )
        for name in names
    ]


def selected_budgets(session: Session, consumer: str | None) -> list[ConsumerBudgets]:
    """The budgets of one consumer, or of every consumer."""
    return all_consumer_budgets(session) if consumer is None else [consumer_budgets(session, consumer)]


def state_change(session: Session, budgets: ConsumerBudgets, values: Mapping[str, object]) -> Change:
    """A change of the consumer's STATE item to `values` (None removes one). It fails if the item changed meanwhile."""
    item = {"status": "active", **budgets.state, **values}
    item |= {"at": session.now().isoformat(timespec="milliseconds"), "by": session.identity}
    condition = f"at {budgets.state['at']}" if "at" in budgets.state else None
    return Change(consumer_pk(budgets.consumer), STATE_SK, item, condition if budgets.state else "new")


def dollars(nano: int) -> str:
    """An amount for people; it may be negative."""
    return money(nano) if nano >= 0 else f"-{money(-nano)}"


def _cells(amount: int, limit: int) -> int:
    return _BAR if limit <= 0 else max(0, min(_BAR, (_BAR * amount + limit // 2) // limit))
