"""API keys in the ledger: consumer, state, and lookup by id or name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from admin.errors import RefusedError, UsageError, unknown
from admin.operator_ledger import Change
from admin.session import Session
from admin.times import iso_time, relative_time
from lambda_src.contract import ACCOUNTS_INDEX_KEY, KEY_SK, LISTED_KEY, STATE_SK, key_pk
from lambda_src.core.policy import parse_optional_time
from lambda_src.resource_names import NAME_PATTERN

TERRAFORM: Final = "terraform"
LABEL_FORMAT: Final = "1 to 31 lower-case letters, digits and hyphens, not starting with a hyphen"
_ID: Final = re.compile(r"[A-Za-z0-9]{1,19}", re.ASCII)
_SHORTEST_VALUE: Final = 20
"""Minimum length of a value in API Gateway (docs.aws.amazon.com/apigateway/latest/api/API_CreateApiKey.html)."""

State = Literal["active", "disabled", "revoked", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerKey:
    """A KEY item and its STATE item. expires: from STATE, else from KEY; the consumer may expire earlier."""

    key_id: str
    consumer: str
    label: str
    created_by: str
    created: str | None = None
    expires: datetime | None = None
    status: str = "active"
    replaces: str | None = None
    replaced_by: str | None = None
    state_item: Mapping[str, Any] = field(default_factory=dict)

    @property
    def by_terraform(self) -> bool:
        """Whether Terraform created the key, so that only Terraform may delete it."""
        return self.created_by == TERRAFORM

    @property
    def name(self) -> str:
        """Its name for people: CONSUMER/LABEL."""
        return f"{self.consumer}/{self.label}"

    def state(self, now: datetime) -> State:
        """The state in which the gateway treats the key; it rejects keys with an unknown status, too."""
        if self.status == "revoked":
            return "revoked"
        if self.status != "active":
            return "disabled"
        return "expired" if self.expires is not None and self.expires <= now else "active"

    def described(self, now: datetime) -> str:
        """Its state in words."""
        state = self.state(now)
        if self.expires is None or state not in ("active", "expired"):
            return state
        return (
            f"expired {relative_time(self.expires, now)}"
            if state == "expired"
            else f"expires {relative_time(self.expires, now)}"
        )

    def state_change(self, session: Session, **values: object) -> Change:
        """A change of its STATE item to `values`. It fails if the item changed meanwhile."""
        item = {**self.state_item, "status": self.status, **values}
        item |= {"at": session.now().isoformat(timespec="milliseconds"), "by": session.identity}
        condition = f"at {self.state_item['at']}" if self.state_item else "new"
        return Change(key_pk(self.key_id), STATE_SK, item, condition)


def checked_label(label: str, where: str = "--label") -> str:
    """`label`. Raises UsageError if it is invalid."""
    if re.fullmatch(NAME_PATTERN.rstrip("$"), label, re.ASCII) is None:
        shown = ascii(label) if len(label) <= 40 else f"{label[:40]!a}… ({len(label)} characters)"
        raise UsageError(f"invalid {where} {shown}; accepted: {LABEL_FORMAT}.")
    return label


def key_item(session: Session, key_id: str, consumer: str, label: str, **values: object) -> Change:
    """The KEY item of a new key."""
    item = {
        ACCOUNTS_INDEX_KEY: LISTED_KEY,
        "consumer": consumer,
        "name": label,
        "created_by": session.identity,
        "created": iso_time(session.now()),
    }
    return Change(key_pk(key_id), KEY_SK, {**item, **values}, "new")


def all_keys(session: Session, consumer: str | None = None) -> list[LedgerKey]:
    """Every key of the environment, or of one consumer, by consumer, label and age."""
    keys = keys_of(session, [pk.partition("#")[2] for pk, _ in session.ledger.listed(LISTED_KEY)])
    selected = (key for key in keys if consumer is None or key.consumer == consumer)
    return sorted(selected, key=lambda key: (key.consumer, key.label, key.created or "", key.key_id))


def keys_of(session: Session, ids: Sequence[str]) -> list[LedgerKey]:
    """The existing keys among `ids`, in this order. Unlike `all_keys` it does not depend on the index."""
    items = session.ledger.get_many([(key_pk(key_id), sk) for key_id in ids for sk in (KEY_SK, STATE_SK)])
    rows = ((key_id, items.get((key_pk(key_id), KEY_SK)), items.get((key_pk(key_id), STATE_SK), {})) for key_id in ids)
    return [_key(key_id, item, state) for key_id, item, state in rows if item is not None]


def key_by_id(session: Session, key_id: str) -> LedgerKey | None:
    """One key, or None if it is not in the ledger."""
    return next(iter(keys_of(session, [key_id])), None)


def with_label(keys: Iterable[LedgerKey], label: str) -> list[LedgerKey]:
    """The current keys with a label among one consumer's keys: neither revoked nor replaced."""
    return [key for key in keys if key.label == label and key.status != "revoked" and key.replaced_by is None]


def find(session: Session, key: str) -> LedgerKey:
    """The key with this id or CONSUMER/LABEL. Raises RefusedError, with similar names, if none exists."""
    consumer, slash, label = key.partition("/")
    if slash:
        return _by_name(session, consumer, label)
    if len(key) >= _SHORTEST_VALUE:
        raise UsageError(
            f"KEY has {len(key)} characters, too many for an id. Pass the id (`tollgate keys list`) or CONSUMER/LABEL. "
            "If it is a key's value, your shell history now contains it: rotate the key."
        )
    if _ID.fullmatch(key) is None:
        raise UsageError(f"invalid KEY {key!a}; accepted: an id of letters and digits, or CONSUMER/LABEL.")
    ledger_key = key_by_id(session, key)
    if ledger_key is None:
        raise _not_in_ledger(session, key)
    return ledger_key


def _by_name(session: Session, consumer: str, label: str) -> LedgerKey:
    session.policy(consumer)
    checked_label(label, "KEY: label")
    keys = all_keys(session, consumer)
    labelled = with_label(keys, label)
    successors = [key for key in labelled if key.replaces in {other.key_id for other in labelled}]
    candidates = successors or labelled or [key for key in keys if key.label == label][-1:]
    if not candidates:
        names = {key.name for key in keys}
        raise unknown("key", f"{consumer}/{label}", names, list_command=f"tollgate keys list {consumer}")
    if len(candidates) > 1:
        ids = ", ".join(key.key_id for key in candidates)
        raise RefusedError(f"{len(candidates)} keys have the name {consumer}/{label}: {ids}. Pass the id instead.")
    return candidates[0]


def _not_in_ledger(session: Session, key_id: str) -> RefusedError:
    """The error for a key that is not in this ledger, with what API Gateway knows about it."""
    from admin.keys.api_gateway import gateway_key, owner_of

    key = gateway_key(session, key_id)
    if key is None:
        ids = (key.key_id for key in all_keys(session))
        return unknown("key", key_id, ids, list_command="tollgate keys list")
    owner = owner_of(session, key)
    if owner is None:
        return RefusedError(
            f"key {key_id} ({key.name!a} in API Gateway) was not issued by Tollgate. Import it with "
            "`tollgate keys import`."
        )
    if owner.environment != session.environment:
        return RefusedError(
            f"key {key_id} belongs to environment {owner.environment} ({owner.consumer}/{owner.label}), not to "
            f"{session.environment}. Pass --env {owner.environment}."
        )
    return RefusedError(
        f"key {key_id} of {owner.consumer} exists but is not in the ledger, so it does not work yet. Finish it with "
        f"`tollgate keys issue {owner.consumer} --label {owner.label}`."
    )


def _key(key_id: str, item: Mapping[str, Any], state: Mapping[str, Any]) -> LedgerKey:
    return LedgerKey(
        key_id=key_id,
        consumer=item["consumer"],
        label=item.get("name", "?"),
        created_by=item.get("created_by", "?"),
        created=item.get("created"),
        expires=parse_optional_time(state.get("expires", item.get("expires"))),
        status=state.get("status", "active"),
        replaces=item.get("replaces"),
        replaced_by=state.get("replaced_by"),
        state_item=state,
    )
