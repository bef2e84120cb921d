"""Consumers as JSON documents and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from admin.budgets.status import ConsumerBudgets, Money, dollars
from admin.budgets.view import BudgetShown, budgets_table, shown_budgets
from admin.formatting import counted
from admin.keys.ledger import LedgerKey
from admin.keys.view import KeyShown, keys_table, with_consumer_expiry
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
    owner: its owner; null if not set.
    status: active, paused (by an operator) or expired.
    month: spend in this calendar month (UTC): {usd, nano_usd}.
    top_budget_percent: highest share spent of its budgets; null if it has none.
    top_budget_per: window of that budget; null if it has none.
    keys: number of its keys that are neither revoked nor expired.
    """

    consumer: str
    plan: str
    owner: str | None
    status: Literal["active", "paused", "expired"]
    month: Money
    top_budget_percent: int | None
    top_budget_per: str | None
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerDetails:
    """A consumer in detail.

    consumer, plan, owner, status, month: as in `consumers list`.
    status_at: last change of its status or raises by an operator (ISO 8601, UTC); null if never.
    status_by: ARN of that operator; null if never.
    reason: why it is paused; null if not set.
    expires: its expiry (ISO 8601, UTC); null if none.
    models: models it may use; "*" for every model.
    tokens_per_minute, requests_per_minute, max_output_tokens: limits; null if not set.
    tags: its tags from the environment file.
    budgets: its budgets, as in `tollgate budgets show`.
    raises: temporary raises: {usd, nano_usd, per, until, at, by}.
    keys: its keys, as in `tollgate keys list`.
    last_used: last UTC day with a request; null if none.
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


def status(budgets: ConsumerBudgets, now: datetime) -> Literal["active", "paused", "expired"]:
    """The status of a consumer."""
    if budgets.paused:
        return "paused"
    expires = budgets.policy.expires
    return "expired" if expires is not None and expires <= now else "active"


def shown(budgets: ConsumerBudgets, keys: Sequence[LedgerKey], now: datetime) -> ConsumerShown:
    """A consumer for the list."""
    top_budget = budgets.top_budget(now)
    return ConsumerShown(
        consumer=budgets.consumer,
        plan=budgets.policy.plan,
        owner=budgets.item.get("owner"),
        status=status(budgets, now),
        month=Money.of(budgets.account.spent("month", now)),
        top_budget_percent=None if top_budget is None else top_budget.percent,
        top_budget_per=None if top_budget is None else top_budget.per,
        keys=sum(with_consumer_expiry(key, budgets.item).state(now) in ("active", "disabled") for key in keys),
    )


def details(session: Session, budgets: ConsumerBudgets, keys: Sequence[LedgerKey]) -> ConsumerDetails:
    """A consumer in detail."""
    now, policy = session.now(), budgets.policy
    return ConsumerDetails(
        consumer=budgets.consumer,
        plan=policy.plan,
        owner=budgets.item.get("owner"),
        status=status(budgets, now),
        month=Money.of(budgets.account.spent("month", now)),
        status_at=budgets.state.get("at"),
        status_by=budgets.state.get("by"),
        reason=budgets.state.get("reason"),
        expires=None if policy.expires is None else iso_time(policy.expires),
        models=sorted(policy.models),
        tokens_per_minute=policy.tokens_per_minute,
        requests_per_minute=policy.requests_per_minute,
        max_output_tokens=policy.max_output_tokens,
        tags=dict(policy.tags),
        budgets=shown_budgets(budgets, now),
        raises=[_raise(item) for item in budgets.active_raises(now)],
        keys=[shown_key(with_consumer_expiry(key, budgets.item), now) for key in keys],
        last_used=_last_used(session, budgets.consumer),
    )


def _raise(item: Mapping[str, Any]) -> dict[str, Any]:
    amount = Money.of(item["usd_nano"])
    return {"usd": amount.usd, "nano_usd": amount.nano_usd} | {
        name: item[name] for name in ("per", "until", "at", "by")
    }


def _last_used(session: Session, consumer: str) -> str | None:
    newest = next(session.ledger.query(rollup_pk(consumer), newest_first=True), None)
    return None if newest is None else rollup_parts(newest["sk"])[0]


def consumers_table(rows: Sequence[ConsumerShown]) -> Any:
    """The table of consumers."""
    cells = [
        (
            row.consumer,
            row.plan,
            row.owner or "",
            row.status,
            dollars(row.month.nano_usd),
            "" if row.top_budget_percent is None else f"{row.top_budget_percent} % per {row.top_budget_per}",
            row.keys,
        )
        for row in rows
    ]
    columns = ("consumer", "plan", "owner", "status", "this month", "highest budget use", "keys")
    return table(counted(len(rows), "consumer"), columns, cells, right=("this month", "highest budget use", "keys"))


def details_view(budgets: ConsumerBudgets, shown: ConsumerDetails, keys: Sequence[LedgerKey], now: datetime) -> Any:
    """The tables of one consumer."""
    from rich.console import Group

    facts: list[tuple[str, object]] = [
        ("consumer", shown.consumer),
        ("status", _status_words(shown)),
        ("plan", shown.plan),
        ("owner", shown.owner),
        ("models", "every model" if shown.models == ["*"] else ", ".join(shown.models) or "none"),
        ("tokens per minute", shown.tokens_per_minute),
        ("requests per minute", shown.requests_per_minute),
        ("maximum output tokens", shown.max_output_tokens),
        (
            "expires",
            None
            if budgets.policy.expires is None
            else f"{shown.expires} ({relative_time(budgets.policy.expires, now)})",
        ),
        ("tags", ", ".join(f"{name}={value}" for name, value in shown.tags.items()) or None),
        ("this month", dollars(shown.month.nano_usd)),
        ("last used", shown.last_used or "never"),
        *(("raised by", f"${item['usd']} per {item['per']} until {item['until']}") for item in shown.raises),
    ]
    parts = [table("", ("", ""), [fact for fact in facts if fact[1] is not None])]
    if shown.budgets:
        parts.append(budgets_table([(budgets, budget) for budget in budgets.budgets(now)], now))
    parts.append(keys_table(None, [with_consumer_expiry(key, budgets.item) for key in keys], now))
    return Group(*parts)


def _status_words(shown: ConsumerDetails) -> str:
    if shown.status != "paused":
        return shown.status
    return f"paused since {shown.status_at} by {shown.status_by}" + (f": {shown.reason}" if shown.reason else "")
