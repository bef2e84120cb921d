"""What is shown of consumers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from admin.budgets.status import ConsumerBudgets, Money, dollars
from admin.budgets.view import BudgetShown, budgets_table, shown_budgets
from admin.formatting import counted
from admin.keys.ledger import LedgerKey
from admin.keys.view import KeyShown, bounded, keys_table
from admin.keys.view import shown as shown_key
from admin.output import table
from admin.session import Session
from admin.times import iso_time, relative_time
from lambda_src.contract import rollup_parts, rollup_pk


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerShown:
    """A consumer in the list.

    consumer: its name in the environment file.
    plan: its usage plan.
    owner: who answers for it; null: not said.
    status: active, paused (by an operator) or expired.
    month: spent this calendar month (UTC): {usd, nano_usd}.
    fullest_percent: share spent of the budget of which most is spent; null: it has no budget.
    fullest_per: window of that budget; null likewise.
    keys: how many keys it has that are neither revoked nor expired.
    """

    consumer: str
    plan: str
    owner: str | None
    status: Literal["active", "paused", "expired"]
    month: Money
    fullest_percent: int | None
    fullest_per: str | None
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerDetails:
    """A consumer with all that is known of it.

    consumer, plan, owner, status, month: as in the list.
    status_at: when an operator last changed its status or raises (ISO 8601, UTC); null: never.
    status_by: ARN of that operator; null likewise.
    reason: why it is paused; null: not said.
    expires: when it ends (ISO 8601, UTC); null: never.
    models: names of models it may use; "*" alone: every model.
    tokens_per_minute, requests_per_minute, max_output_tokens: limits; null: not set.
    tags: what the environment file says of it.
    budgets: as `tollgate budgets show` lists them.
    raises: temporary additions: {usd, nano_usd, per, until, at, by}.
    keys: as `tollgate keys list` lists them.
    last_used: last UTC day with a request; null: none yet.
    """

    consumer: str
    plan: str
    owner: str | None
    status: Literal["active", "paused", "expired"]
    month: Money
    status_at: str | None
    status_by: str | None
    reason: str | None
    expires: str | None
    models: list[str]
    tokens_per_minute: int | None
    requests_per_minute: int | None
    max_output_tokens: int | None
    tags: dict[str, str]
    budgets: list[BudgetShown]
    raises: list[dict[str, Any]]
    keys: list[KeyShown]
    last_used: str | None


def status(found: ConsumerBudgets, now: datetime) -> Literal["active", "paused", "expired"]:
    """Whether its requests are taken."""
    if found.paused:
        return "paused"
    expires = found.policy.expires
    return "expired" if expires is not None and expires <= now else "active"


def shown(found: ConsumerBudgets, keys: Sequence[LedgerKey], now: datetime) -> ConsumerShown:
    """A consumer's line of the list."""
    fullest = found.fullest(now)
    return ConsumerShown(
        consumer=found.consumer,
        plan=found.policy.plan,
        owner=found.item.get("owner"),
        status=status(found, now),
        month=Money.of(found.account.spent("month", now)),
        fullest_percent=None if fullest is None else fullest.percent,
        fullest_per=None if fullest is None else fullest.per,
        keys=sum(bounded(key, found.item).state(now) in ("active", "disabled") for key in keys),
    )


def details(session: Session, found: ConsumerBudgets, keys: Sequence[LedgerKey]) -> ConsumerDetails:
    """All that is known of a consumer."""
    now, policy = session.now(), found.policy
    return ConsumerDetails(
        consumer=found.consumer,
        plan=policy.plan,
        owner=found.item.get("owner"),
        status=status(found, now),
        month=Money.of(found.account.spent("month", now)),
        status_at=found.state.get("at"),
        status_by=found.state.get("by"),
        reason=found.state.get("reason"),
        expires=None if policy.expires is None else iso_time(policy.expires),
        models=sorted(policy.models),
        tokens_per_minute=policy.tokens_per_minute,
        requests_per_minute=policy.requests_per_minute,
        max_output_tokens=policy.max_output_tokens,
        tags=dict(policy.tags),
        budgets=shown_budgets(found, now),
        raises=[_raise(each) for each in found.active_raises(now)],
        keys=[shown_key(bounded(key, found.item), now) for key in keys],
        last_used=_last_used(session, found.consumer),
    )


def _raise(item: Mapping[str, Any]) -> dict[str, Any]:
    amount = Money.of(item["usd_nano"])
    return {"usd": amount.usd, "nano_usd": amount.nano_usd} | {
        name: item[name] for name in ("per", "until", "at", "by")
    }


def _last_used(session: Session, consumer: str) -> str | None:
    newest = next(session.table.query(rollup_pk(consumer), newest_first=True), None)
    return None if newest is None else rollup_parts(newest["sk"])[0]


def consumers_table(rows: Sequence[ConsumerShown]) -> Any:
    """Consumers for people."""
    cells = [
        (
            row.consumer,
            row.plan,
            row.owner or "",
            row.status,
            dollars(row.month.nano_usd),
            "" if row.fullest_percent is None else f"{row.fullest_percent} % per {row.fullest_per}",
            row.keys,
        )
        for row in rows
    ]
    columns = ("consumer", "plan", "owner", "status", "this month", "fullest budget", "keys")
    return table(counted(len(rows), "consumer"), columns, cells, right=("this month", "fullest budget", "keys"))


def details_view(found: ConsumerBudgets, told: ConsumerDetails, keys: Sequence[LedgerKey], now: datetime) -> Any:
    """One consumer for people."""
    from rich.console import Group

    facts: list[tuple[str, object]] = [
        ("consumer", told.consumer),
        ("status", _status_words(told)),
        ("plan", told.plan),
        ("owner", told.owner),
        ("models", "every model" if told.models == ["*"] else ", ".join(told.models) or "none"),
        ("tokens a minute", told.tokens_per_minute),
        ("requests a minute", told.requests_per_minute),
        ("output tokens", told.max_output_tokens),
        (
            "expires",
            None if found.policy.expires is None else f"{told.expires} ({relative_time(found.policy.expires, now)})",
        ),
        ("tags", ", ".join(f"{name}={value}" for name, value in told.tags.items()) or None),
        ("this month", dollars(told.month.nano_usd)),
        ("last used", told.last_used or "never"),
        *(("raised by", f"${each['usd']} per {each['per']} until {each['until']}") for each in told.raises),
    ]
    parts = [table("", ("", ""), [fact for fact in facts if fact[1] is not None])]
    if told.budgets:
        parts.append(budgets_table([(found, budget) for budget in found.budgets(now)], now))
    parts.append(keys_table(None, [bounded(key, found.item) for key in keys], now))
    return Group(*parts)


def _status_words(told: ConsumerDetails) -> str:
    if told.status != "paused":
        return told.status
    return f"paused since {told.status_at} by {told.status_by}" + (f": {told.reason}" if told.reason else "")
