"""Making a key, in an order that survives a crash after any step.

    API Gateway's key (on no plan: refused)  →  ledger item and audit row  →  place on the plan  →  the value, once

A key that got stuck is found again: before the ledger by its description, after it by having no plan. Issuing the same
label again finishes it. Until it is finished nobody was given its value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from admin.errors import RefusedError
from admin.keys.api_gateway import create, description, named_key, named_keys, plans_of, put_on_plan, value_of
from admin.keys.ledger import LedgerKey, all_keys, checked_label, key_item, named
from admin.operator_ledger import Audit
from admin.session import Session
from admin.times import iso_time
from lambda_src.contract import KEY_SK, api_key_name, key_pk
from lambda_src.core.policy import parse_optional_time

_AGAIN: Final = "Give the same command again to finish it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A key and its value, which is shown this once.

    key_id: API Gateway's id, which is no secret.
    consumer: whose it is.
    label: its name among its consumer's keys.
    value: the secret that callers send as x-api-key.
    expires: when it ends (ISO 8601, UTC); null: with its consumer.
    replaces: id of the key that it was rotated from; null: of none.
    """

    key_id: str
    consumer: str
    label: str
    value: str = field(repr=False)
    expires: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A key to make, checked against its consumer's policy. unfinished: the ledger has it, a plan has not."""

    consumer: str
    label: str
    plan: str
    expires: datetime | None = None
    replaces: str | None = None
    unfinished: LedgerKey | None = None


def check_expiry(policy: Mapping[str, Any], expires: datetime | None, now: datetime) -> None:
    """Refused where a key would outlive its consumer, or the consumer has ended."""
    end = parse_optional_time(policy.get("expires"))
    if end is None:
        return
    if end <= now:
        raise RefusedError(
            f"{policy['consumer']} expired on {iso_time(end)}: no key of it would work. Move its `expires` in the "
            "environment file and deploy, then issue the key."
        )
    if expires is not None and expires > end:
        raise RefusedError(
            f"the key would expire on {iso_time(expires)}, after its consumer: {policy['consumer']} expires on "
            f"{iso_time(end)}. Accepted is up to then; without an expiry the key ends with it."
        )


def order(session: Session, consumer: str, label: str | None, expires: datetime | None) -> Order:
    """What `issue` makes; Refused for an unknown consumer, a label that is taken, or too late an expiry."""
    if label is not None:
        checked_label(label)
    policy = session.policy(consumer)
    check_expiry(policy, expires, session.now())
    keys = all_keys(session, consumer)
    if label is None:
        label = _free_label(session, keys)
    bearer = bearer_of(keys, label)
    if bearer is not None and not stuck(session, bearer):
        raise taken(bearer)
    return Order(consumer=consumer, label=label, plan=policy["plan"], expires=expires, unfinished=bearer)


def bearer_of(keys: Iterable[LedgerKey], label: str) -> LedgerKey | None:
    """The key among one consumer's that has a label now."""
    bearing = named(keys, label)
    return bearing[-1] if bearing else None


def taken(key: LedgerKey) -> RefusedError:
    """Why a label cannot be used again."""
    return RefusedError(
        f"{key.name} is there already (id {key.key_id}). Choose another --label, or `tollgate keys rotate {key.name}` "
        f"for a new value, or `tollgate keys revoke {key.name}` first."
    )


def stuck(session: Session, key: LedgerKey) -> bool:
    """Whether issuing a key ended before it got onto a plan."""
    return key.status == "active" and off_plan(session, key)


def off_plan(session: Session, key: LedgerKey) -> bool:
    """Whether an operator's key is on no plan, though API Gateway has it."""
    if key.by_terraform or plans_of(session, key.key_id):
        return False
    return named_key(session, key.key_id) is not None  # one that somebody deleted there cannot be finished


def half_made(session: Session, beginning: str) -> dict[str, str]:
    """Ids of operators' keys of this environment that the ledger knows nothing of, by their description."""
    there = named_keys(session, beginning)
    known = session.table.get_many([(key_pk(each.key_id), KEY_SK) for each in there])
    return {each.description: each.key_id for each in there if (key_pk(each.key_id), KEY_SK) not in known}


def issue(session: Session, wanted: Order, waiting: Mapping[str, str] | None = None) -> Issued:
    """Make a key, or finish the one that is half made. waiting: `half_made`, where it was asked for already."""
    key_id, value, expires = _place_in_ledger(session, wanted, waiting)
    with left_half(session, f"key {key_id} is in the ledger but on no plan, so it works nowhere yet. {_AGAIN}"):
        put_on_plan(session, wanted.plan, key_id)
    return Issued(
        key_id=key_id,
        consumer=wanted.consumer,
        label=wanted.label,
        value=value or value_of(session, key_id),
        expires=None if expires is None else iso_time(expires),
        replaces=wanted.replaces,
    )


def _place_in_ledger(
    session: Session, wanted: Order, waiting: Mapping[str, str] | None
) -> tuple[str, str | None, datetime | None]:
    """Id, value (None: to be asked for) and expiry of a key that the ledger has."""
    if wanted.unfinished is not None:
        if wanted.replaces is None:  # a rotation ends with a row of its own
            audit = {"plan": wanted.plan, "begun_by": wanted.unfinished.created_by}
            session.table.change([], Audit("keys.issue", _target(wanted, wanted.unfinished.key_id), after=audit))
        return wanted.unfinished.key_id, None, wanted.unfinished.expires
    said = description(session, wanted.consumer, wanted.label, wanted.replaces)
    if waiting is None:
        waiting = half_made(session, api_key_name(session.environment, wanted.consumer, wanted.label))
    value = None
    key_id = waiting.get(said)
    if key_id is None:
        key_id, value = create(session, wanted.consumer, wanted.label, said)
    with left_half(session, f"key {key_id} is made but not in the ledger, so it works nowhere yet. {_AGAIN}"):
        enter(session, key_id, wanted, "keys.issue")
    return key_id, value, wanted.expires


def enter(session: Session, key_id: str, wanted: Order, action: str, **state: object) -> None:
    """Write a key's item and its audit row; with `state`, its STATE item too."""
    values = {"expires": None if wanted.expires is None else iso_time(wanted.expires), "replaces": wanted.replaces}
    told = {name: value for name, value in {**values, **state}.items() if value is not None}
    item = key_item(session, key_id, wanted.consumer, wanted.label, **values)
    changes = [item]
    if state:
        bare = LedgerKey(key_id=key_id, consumer=wanted.consumer, label=wanted.label, created_by=session.identity)
        changes.append(bare.changed(session, **state))
    session.table.change(changes, Audit(action, _target(wanted, key_id), after={"plan": wanted.plan, **told}))


def _target(wanted: Order, key_id: str) -> str:
    return f"{wanted.consumer}/{wanted.label} {key_id}"


@contextmanager
def left_half(session: Session, note: str) -> Iterator[None]:
    """Say what is half done, and how to go on, before a fault of AWS or Ctrl-C ends the command."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, KeyboardInterrupt):
        session.output.say(note, style="yellow")
        raise


def _free_label(session: Session, keys: list[LedgerKey]) -> str:
    """`default`, else today, else today with a number: the first that no finished key has."""
    today = session.now().date().isoformat()
    for label in ("default", today, *(f"{today}-{number}" for number in range(2, 1000))):
        bearer = bearer_of(keys, label)
        if bearer is None or stuck(session, bearer):
            return label
    raise RefusedError("a thousand keys were issued today without a label. Give --label.")
