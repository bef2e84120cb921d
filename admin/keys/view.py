"""What is shown of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from admin.errors import DENIED
from admin.formatting import counted
from admin.keys.api_gateway import named_key, plans_of, used_today
from admin.keys.ledger import LedgerKey, State
from admin.output import table
from admin.session import Session
from admin.times import iso_time
from lambda_src.core.policy import parse_optional_time


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """A key as the ledger has it.

    key_id: API Gateway's id, which is no secret.
    consumer: whose it is.
    label: its name among its consumer's keys.
    state: active, disabled, revoked or expired.
    expires: when it ends (ISO 8601, UTC), by its own expiry or its consumer's; null: never.
    created_by: ARN of who issued it, or "terraform".
    created: when (ISO 8601, UTC); null: not known.
    replaces: id of the key it was rotated from; null: of none.
    replaced_by: id of the key it was rotated to; null: to none.
    """

    key_id: str
    consumer: str
    label: str
    state: State
    expires: str | None
    created_by: str
    created: str | None
    replaces: str | None
    replaced_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDetails(KeyShown):
    """A key as the ledger and API Gateway have it: all of the list's attributes, and

    asked: whether API Gateway could be asked; false: these credentials may not, and null below says nothing of it.
    enabled: whether API Gateway accepts it; null: it is gone there.
    plan: the usage plan it is on; null: none, so that it works nowhere.
    consumer_plan: the plan its consumer is on.
    requests_today: requests that API Gateway counted today (UTC); null: the plan has no quota, or it counted none.
    quota_left: requests left of the plan's quota; null likewise.
    value: the secret, with --reveal alone; else null.
    """

    asked: bool
    enabled: bool | None
    plan: str | None
    consumer_plan: str | None
    requests_today: int | None
    quota_left: int | None
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysExported:
    """A key as `tollgate keys import` takes it in again.

    consumer: whose it is.
    key_id: API Gateway's id.
    label: its name among its consumer's keys.
    expires: its own expiry (ISO 8601, UTC); null: none.
    """

    consumer: str
    key_id: str
    label: str
    expires: str | None


def bounded(key: LedgerKey, policy: Mapping[str, Any]) -> LedgerKey:
    """The key with its consumer's expiry, where that is the earlier one."""
    end = parse_optional_time(policy.get("expires"))
    return replace(key, expires=end) if end is not None and (key.expires is None or end < key.expires) else key


def shown(key: LedgerKey, now: datetime) -> KeyShown:
    """What is told of a key without asking API Gateway."""
    return KeyShown(
        key_id=key.key_id,
        consumer=key.consumer,
        label=key.label,
        state=key.state(now),
        expires=None if key.expires is None else iso_time(key.expires),
        created_by=key.created_by,
        created=key.created,
        replaces=key.replaces,
        replaced_by=key.replaced_by,
    )


def keys_table(title: str | None, keys: Sequence[LedgerKey], now: datetime) -> Any:
    """Keys for people. title: None: how many there are."""
    rows = [
        (key.key_id, key.consumer, key.label, key.described(now), who(key.created_by), (key.created or "")[:10])
        for key in keys
    ]
    return table(
        counted(len(keys), "key") if title is None else title,
        ("key", "consumer", "label", "state", "made by", "made"),
        rows,
    )


def who(arn: str) -> str:
    """The part of an ARN by which people know each other."""
    return arn.rpartition(":")[2].removeprefix("assumed-role/").removeprefix("user/")


def details(session: Session, key: LedgerKey, consumer_plan: str | None, value: str | None) -> KeyDetails:
    """What the ledger and API Gateway know of a key."""
    asked, enabled, plan = _in_gateway(session, key)
    used = None if plan is None else used_today(session, plan, key.key_id)
    return KeyDetails(
        **asdict(shown(key, session.now())),
        asked=asked,
        enabled=enabled,
        plan=plan,
        consumer_plan=consumer_plan,
        requests_today=None if used is None else used[0],
        quota_left=None if used is None else used[1],
        value=value,
    )


def _in_gateway(session: Session, key: LedgerKey) -> tuple[bool, bool | None, str | None]:
    """Whether it could be asked for, whether it is enabled, and its plan. Viewers may not ask, since the same calls
    could read values."""
    from botocore.exceptions import ClientError

    try:
        there = named_key(session, key.key_id)
        plans = [] if there is None else plans_of(session, key.key_id)
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        session.output.say("these credentials may not ask API Gateway for keys: what it knows is left out")
        return False, None, None
    return True, (None if there is None else there.enabled), (plans[0] if plans else None)


def details_table(key: LedgerKey, told: KeyDetails, now: datetime) -> Any:
    """One key for people."""
    used = None if told.requests_today is None else f"{told.requests_today}, {told.quota_left} left of the quota"
    there = {True: "enabled", False: "disabled", None: "not there"}[told.enabled]
    plan = (
        told.plan
        if told.plan in (None, told.consumer_plan)
        else f"{told.plan}, but {key.consumer}'s is {told.consumer_plan}"
    )
    in_gateway = [("in API Gateway", there), ("plan", plan or "none"), ("requests today", used or "not counted")]
    rows: list[tuple[str, object]] = [
        ("key", told.key_id),
        ("name", key.name),
        ("state", key.described(now)),
        ("expires", told.expires or "never"),
        *(in_gateway if told.asked else ()),
        ("made by", f"{told.created_by}{f' on {told.created}' if told.created else ''}"),
        ("replaces", told.replaces),
        ("replaced by", told.replaced_by),
        ("value", told.value),
    ]
    return table("", ("", ""), [row for row in rows if row[1] is not None])
