"""Where a consumer's budgets stand: the account item against the policy, raised for a while. Pure but for reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from admin.formatting import money
from admin.session import Session
from admin.table import Change
from lambda_src.contract import ACCOUNT_SK, STATE_SK, Window, account_pk, consumer_pk
from lambda_src.core.account import Account
from lambda_src.core.policy import Policy, moment_of, policy_of
from lambda_src.core.pricing import usd
from lambda_src.core.windows import frees_at, label

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
    """One budget in its current window, in nano-USD. raised: what of `limit` ends with a raise."""

    per: Window
    window: str
    limit: int
    raised: int
    spent: int
    held: int
    frees: datetime | None

    @property
    def left(self) -> int:
        """What new requests can still be promised; negative where more was spent than the limit is now."""
        return self.limit - self.spent - self.held

    @property
    def percent(self) -> int:
        """Share spent; whole percents, rounded down, and 100 of a budget of nothing."""
        return 100 if self.limit <= 0 else 100 * self.spent // self.limit

    def bar(self) -> str:
        """Spent, held and left as a bar of twenty."""
        spent = _cells(self.spent, self.limit)
        held = max(0, _cells(self.spent + self.held, self.limit) - spent)
        return "█" * spent + "▒" * held + "░" * (_BAR - spent - held)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatuses:
    """One consumer: its policy, what an operator said of it, its account."""

    item: Mapping[str, Any]
    state: Mapping[str, Any]
    account: Account

    @property
    def consumer(self) -> str:
        """Name of the consumer."""
        return str(self.item["consumer"])

    @property
    def paused(self) -> bool:
        """Whether an operator stopped it."""
        return self.state.get("status") == "paused"

    @property
    def policy(self) -> Policy:
        """Its policy, raises not yet applied."""
        return policy_of(self.item, self.state)

    def budgets(self, now: datetime) -> list[BudgetStatus]:
        """Each of its budgets."""
        return [self._budget(each.per, each.limit, each.raised, now) for each in self.policy.at(now).budgets]

    def fullest(self, now: datetime) -> BudgetStatus | None:
        """The budget of which most is spent."""
        return max(self.budgets(now), key=lambda each: each.percent, default=None)

    def live_raises(self, now: datetime) -> list[Mapping[str, Any]]:
        """Raises that have not ended, as the STATE item has them."""
        return [each for each in self.state.get("raises", ()) if moment_of(each["until"]) > now]

    def _budget(self, per: Window, limit: int, raised: int, now: datetime) -> BudgetStatus:
        spent = self.account.spent(per, now)
        return BudgetStatus(
            per=per,
            window=label(per, now),
            limit=limit,
            raised=raised,
            spent=spent,
            held=max(0, self.account.committed(per, now) - spent),
            frees=frees_at(per, now),
        )


def standing(session: Session, consumer: str) -> BudgetStatuses:
    """One consumer's; Refused where there is none of that name."""
    policy = session.policy(consumer)
    return BudgetStatuses(
        item=policy,
        state=session.table.get(consumer_pk(consumer), STATE_SK),
        account=Account(session.table.get(account_pk(consumer), ACCOUNT_SK)),
    )


def all_standings(session: Session) -> list[BudgetStatuses]:
    """Every consumer's, in a few reads of a hundred items."""
    names = list(session.policies)
    keys = [(consumer_pk(name), STATE_SK) for name in names] + [(account_pk(name), ACCOUNT_SK) for name in names]
    found = session.table.get_many(keys)
    return [
        BudgetStatuses(
            item=session.policies[name],
            state=found.get((consumer_pk(name), STATE_SK), {}),
            account=Account(found.get((account_pk(name), ACCOUNT_SK), {})),
        )
        for name in names
    ]


def chosen(session: Session, consumer: str | None) -> list[BudgetStatuses]:
    """One consumer's, or every consumer's."""
    return all_standings(session) if consumer is None else [standing(session, consumer)]


def said(session: Session, present: BudgetStatuses, values: Mapping[str, object]) -> Change:
    """The consumer's STATE item with these values (None: removed), written only if nobody else wrote it meanwhile."""
    item = {"status": "active", **present.state, **values}
    item |= {"at": session.now().isoformat(timespec="milliseconds"), "by": session.identity}
    condition = f"at {present.state['at']}" if "at" in present.state else None
    return Change(consumer_pk(present.consumer), STATE_SK, item, condition if present.state else "new")


def dollars(nano: int) -> str:
    """An amount for people, which may be negative."""
    return money(nano) if nano >= 0 else f"-{money(-nano)}"


def _cells(amount: int, limit: int) -> int:
    return _BAR if limit <= 0 else max(0, min(_BAR, (_BAR * amount + limit // 2) // limit))
