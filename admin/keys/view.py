"""Keys as JSON documents and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from admin.errors import DENIED
from admin.formatting import counted
from admin.keys.api_gateway import gateway_key, plans_of, used_today
from admin.keys.ledger import LedgerKey, State
from admin.output import table
from admin.session import Session
from admin.times import iso_time
from lambda_src.core.policy import parse_optional_time


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """A key in the ledger.

    key_id: API Gateway's id of the key, which is not secret.
    consumer: its consumer.
    label: its name, unique among its consumer's keys.
    state: active, disabled, revoked or expired.
    expires: the earlier of its own and its consumer's expiry (ISO 8601, UTC); null if there is none.
    created_by: ARN of the operator who issued it, or "terraform".
    created: time of creation (ISO 8601, UTC); null if unknown.
    replaces: id of the key that it replaces; null if none.
    replaced_by: id of the key that replaces it; null if none.
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
    """A key in the ledger and in API Gateway: the fields of `keys list`, and

    gateway_readable: whether the credentials may read keys in API Gateway; if false, null values below mean unknown.
    enabled: whether the key is enabled in API Gateway; null if it does not exist there.
    plan: the usage plan it is on; null if none, in which case it does not work.
    consumer_plan: the usage plan of its consumer.
    requests_today: requests that API Gateway counted today (UTC); null without a quota or without requests.
    quota_left: requests left of the plan's quota; null in the same cases.
    value: the secret value with --reveal, else null.
    """

    gateway_readable: bool
    enabled: bool | None
    plan: str | None
    consumer_plan: str | None
    requests_today: int | None
    quota_left: int | None
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedKey:
    """A key in the format of `tollgate keys import`.

    consumer: its consumer.
    key_id: API Gateway's id of the key.
    label: its name, unique among its consumer's keys.
    expires: its own expiry (ISO 8601, UTC); null if none.
    """

    consumer: str
    key_id: str
    label: str
    expires: str | None


def with_consumer_expiry(key: LedgerKey, policy: Mapping[str, Any]) -> LedgerKey:
    """The key with the earlier of its own and its consumer's expiry."""
    end = parse_optional_time(policy.get("expires"))
    return replace(key, expires=end) if end is not None and (key.expires is None or end < key.expires) else key


def shown(key: LedgerKey, now: datetime) -> KeyShown:
    """A key from the ledger alone."""
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
    """The table of keys. title: None for their number."""
    rows = [
        (key.key_id, key.consumer, key.label, key.described(now), short_arn(key.created_by), (key.created or "")[:10])
        for key in keys
    ]
    return table(
        counted(len(keys), "key") if title is None else title,
        ("key", "consumer", "label", "state", "created by", "created"),
        rows,
    )


def short_arn(arn: str) -> str:
    """The user or role name in an ARN."""
    return arn.rpartition(":")[2].removeprefix("assumed-role/").removeprefix("user/")


def details(session: Session, key: LedgerKey, consumer_plan: str | None, value: str | None) -> KeyDetails:
    """A key from the ledger and API Gateway."""
    gateway_readable, enabled, plan = _in_gateway(session, key)
    used = None if plan is None else used_today(session, plan, key.key_id)
    return KeyDetails(
        **asdict(shown(key, session.now())),
        gateway_readable=gateway_readable,
        enabled=enabled,
        plan=plan,
        consumer_plan=consumer_plan,
        requests_today=None if used is None else used[0],
        quota_left=None if used is None else used[1],
        value=value,
    )


def _in_gateway(session: Session, key: LedgerKey) -> tuple[bool, bool | None, str | None]:
    """Whether the key could be read, whether it is enabled, and its plan. Viewers may not read keys, because the same
    calls return values."""
    from botocore.exceptions import ClientError

    try:
        in_gateway = gateway_key(session, key.key_id)
        plans = [] if in_gateway is None else plans_of(session, key.key_id)
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        session.output.say("these credentials may not read keys in API Gateway; its values are omitted")
        return False, None, None
    return True, (None if in_gateway is None else in_gateway.enabled), (plans[0] if plans else None)


def details_table(key: LedgerKey, details: KeyDetails, now: datetime) -> Any:
    """The table of one key."""
    used = (
        None if details.requests_today is None else f"{details.requests_today}, {details.quota_left} left of the quota"
    )
    enabled = {True: "enabled", False: "disabled", None: "does not exist"}[details.enabled]
    plan = (
        details.plan
        if details.plan in (None, details.consumer_plan)
        else f"{details.plan}, but {key.consumer} is on {details.consumer_plan}"
    )
    in_gateway = [("in API Gateway", enabled), ("plan", plan or "none"), ("requests today", used or "not counted")]
    rows: list[tuple[str, object]] = [
        ("key", details.key_id),
        ("name", key.name),
        ("state", key.described(now)),
        ("expires", details.expires or "never"),
        *(in_gateway if details.gateway_readable else ()),
        ("created by", f"{details.created_by}{f' on {details.created}' if details.created else ''}"),
        ("replaces", details.replaces),
        ("replaced by", details.replaced_by),
        ("value", details.value),
    ]
    return table("", ("", ""), [row for row in rows if row[1] is not None])
