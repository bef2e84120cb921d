"""Issues a key in steps that survive a crash after any of them.

    API Gateway key (on no plan, so rejected)  →  ledger item and audit row  →  usage plan  →  print the value, once

Issuing the same label again finishes an interrupted key. A key that is not in the ledger is recognized by its
description, another one by having no usage plan. Until then nobody has its value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from admin.errors import RefusedError
from admin.keys.api_gateway import (
    create,
    description,
    gateway_key,
    gateway_keys,
    key_name,
    plans_of,
    put_on_plan,
    value_of,
)
from admin.keys.ledger import LedgerKey, all_keys, checked_label, key_item, with_label
from admin.operator_ledger import Audit
from admin.session import Session
from admin.times import iso_time
from lambda_src.contract import KEY_SK, key_pk
from lambda_src.core.policy import parse_optional_time

_AGAIN: Final = "Run the same command again to finish it."


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """An issued key with its value, which is shown only once.

    key_id: API Gateway's id of the key, which is not secret.
    consumer: its consumer.
    label: its name, unique among its consumer's keys.
    value: the secret that callers set as their SDK's API key.
    expires: its expiry (ISO 8601, UTC); null if it expires with its consumer.
    replaces: id of the key that it replaces; null if none.
    """

    key_id: str
    consumer: str
    label: str
    value: str = field(repr=False)
    expires: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """A key to issue, checked against its consumer's policy. unfinished: the interrupted key, if in the ledger."""

    consumer: str
    label: str
    plan: str
    expires: datetime | None = None
    replaces: str | None = None
    unfinished: LedgerKey | None = None


def check_expiry(policy: Mapping[str, Any], expires: datetime | None, now: datetime) -> None:
    """Raise RefusedError if a key would expire after its consumer, or the consumer has expired."""
    end = parse_optional_time(policy.get("expires"))
    if end is None:
        return
    if end <= now:
        raise RefusedError(
            f"{policy['consumer']} expired on {iso_time(end)}, so none of its keys works. Change its `expires` in the "
            "environment file, deploy, then issue the key."
        )
    if expires is not None and expires > end:
        raise RefusedError(
            f"the key would expire on {iso_time(expires)}, after its consumer {policy['consumer']}; accepted: up to "
            f"{iso_time(end)}. Without an expiry the key expires with its consumer."
        )


def key_request(session: Session, consumer: str, label: str | None, expires: datetime | None) -> KeyRequest:
    """The argument of `issue`. Raises RefusedError for an unknown consumer, a label in use, or a late expiry."""
    if label is not None:
        checked_label(label)
    policy = session.policy(consumer)
    check_expiry(policy, expires, session.now())
    keys = all_keys(session, consumer)
    if label is None:
        label = _free_label(session, keys)
    existing = key_with_label(keys, label)
    if existing is not None and not is_unfinished(session, existing):
        raise label_taken(existing)
    return KeyRequest(consumer=consumer, label=label, plan=policy["plan"], expires=expires, unfinished=existing)


def key_with_label(keys: Iterable[LedgerKey], label: str) -> LedgerKey | None:
    """The current key with this label among one consumer's keys, or None."""
    labelled = with_label(keys, label)
    return labelled[-1] if labelled else None


def label_taken(key: LedgerKey) -> RefusedError:
    """The error for a label in use."""
    return RefusedError(
        f"{key.name} exists already (id {key.key_id}). Pass another --label, or `tollgate keys rotate {key.name}` "
        f"for a new value, or `tollgate keys revoke {key.name}` first."
    )


def is_unfinished(session: Session, key: LedgerKey) -> bool:
    """Whether issuing the key was interrupted before it was added to a plan."""
    return key.status == "active" and is_off_plan(session, key)


def is_off_plan(session: Session, key: LedgerKey) -> bool:
    """Whether an operator's key exists in API Gateway but is on no usage plan."""
    if key.by_terraform or plans_of(session, key.key_id):
        return False
    return gateway_key(session, key.key_id) is not None  # a key that was deleted there cannot be finished


def unfinished_keys(session: Session, name_prefix: str) -> dict[str, str]:
    """Ids, by description, of API Gateway keys with this name prefix that are not in the ledger."""
    keys = gateway_keys(session, name_prefix)
    known = session.ledger.get_many([(key_pk(key.key_id), KEY_SK) for key in keys])
    return {key.description: key.key_id for key in keys if (key_pk(key.key_id), KEY_SK) not in known}


def issue(session: Session, request: KeyRequest, unfinished: Mapping[str, str] | None = None) -> IssuedKey:
    """Issue a key, or finish an interrupted one. unfinished: result of `unfinished_keys`, if known already."""
    key_id, value, expires = _in_ledger(session, request, unfinished)
    with note_on_failure(
        session, f"key {key_id} is in the ledger but on no usage plan, so it does not work yet. {_AGAIN}"
    ):
        put_on_plan(session, request.plan, key_id)
    return IssuedKey(
        key_id=key_id,
        consumer=request.consumer,
        label=request.label,
        value=value or value_of(session, key_id),
        expires=None if expires is None else iso_time(expires),
        replaces=request.replaces,
    )


def _in_ledger(
    session: Session, request: KeyRequest, unfinished: Mapping[str, str] | None
) -> tuple[str, str | None, datetime | None]:
    """Id, value (None if it must be read) and expiry of the key, which is in the ledger afterwards."""
    if request.unfinished is not None:
        if request.replaces is None:  # a rotation writes its own audit row
            audit = {"plan": request.plan, "begun_by": request.unfinished.created_by}
            session.ledger.change([], Audit("keys.issue", _target(request, request.unfinished.key_id), after=audit))
        return request.unfinished.key_id, None, request.unfinished.expires
    key_description = description(session, request.consumer, request.label, request.replaces)
    if unfinished is None:
        unfinished = unfinished_keys(session, key_name(session, request.consumer, request.label))
    value = None
    key_id = unfinished.get(key_description)
    if key_id is None:
        key_id, value = create(session, request.consumer, request.label, key_description)
    with note_on_failure(session, f"key {key_id} exists but is not in the ledger, so it does not work yet. {_AGAIN}"):
        write_key_item(session, key_id, request, "keys.issue")
    return key_id, value, request.expires


def write_key_item(session: Session, key_id: str, request: KeyRequest, action: str, **state: object) -> None:
    """Write the key's item and audit row and, with `state`, its STATE item."""
    values = {"expires": None if request.expires is None else iso_time(request.expires), "replaces": request.replaces}
    audited = {name: value for name, value in {**values, **state}.items() if value is not None}
    item = key_item(session, key_id, request.consumer, request.label, **values)
    changes = [item]
    if state:
        bare = LedgerKey(key_id=key_id, consumer=request.consumer, label=request.label, created_by=session.identity)
        changes.append(bare.state_change(session, **state))
    session.ledger.change(changes, Audit(action, _target(request, key_id), after={"plan": request.plan, **audited}))


def _target(request: KeyRequest, key_id: str) -> str:
    return f"{request.consumer}/{request.label} {key_id}"


@contextmanager
def note_on_failure(session: Session, note: str) -> Iterator[None]:
    """Print `note` if an AWS error or Ctrl-C interrupts the block."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, KeyboardInterrupt):
        session.output.say(note, style="yellow")
        raise


def _free_label(session: Session, keys: list[LedgerKey]) -> str:
    """The first of `default`, today's date, and today's date with a number, that no finished key has."""
    today = session.now().date().isoformat()
    for label in ("default", today, *(f"{today}-{number}" for number in range(2, 1000))):
        existing = key_with_label(keys, label)
        if existing is None or is_unfinished(session, existing):
            return label
    raise RefusedError("1,000 keys were issued today without a label; pass --label.")
