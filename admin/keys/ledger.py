"""API keys as the ledger knows them: whose they are, what an operator said of them, and which one is meant."""

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
from lambda_src.contract import (
    ACCOUNTS_INDEX_KEY,
    KEY_SK,
    LISTED_KEY,
    NAME_PATTERN,
    STATE_SK,
    key_pk,
)
from lambda_src.core.policy import parse_optional_time

TERRAFORM: Final = "terraform"
LABEL_WORDS: Final = "1 to 31 lower-case letters, digits and hyphens, the first no hyphen"
_ID: Final = re.compile(r"[A-Za-z0-9]{1,19}", re.ASCII)
_SHORTEST_VALUE: Final = 20
"""API Gateway takes no value shorter than that (apigateway/latest/api/API_CreateApiKey.html); its ids have ten."""

State = Literal["active", "disabled", "revoked", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerKey:
    """A KEY item and its STATE item. expires: what STATE says, else KEY; the consumer's own may be earlier."""

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
        """Terraform made it, and only Terraform takes it away."""
        return self.created_by == TERRAFORM

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{self.consumer}/{self.label}"

    def state(self, now: datetime) -> State:
        """What the gateway makes of it; a word it does not know stops a key too."""
        if self.status == "revoked":
            return "revoked"
        if self.status != "active":
            return "disabled"
        return "expired" if self.expires is not None and self.expires <= now else "active"

    def described(self, now: datetime) -> str:
        """Its state for people."""
        state = self.state(now)
        if self.expires is None or state not in ("active", "expired"):
            return state
        return (
            f"expired {relative_time(self.expires, now)}"
            if state == "expired"
            else f"expires {relative_time(self.expires, now)}"
        )

    def changed(self, session: Session, **values: object) -> Change:
        """Its STATE item with these values, written only if nobody else wrote it meanwhile."""
        said = {**self.state_item, "status": self.status, **values}
        said |= {"at": session.now().isoformat(timespec="milliseconds"), "by": session.identity}
        condition = f"at {self.state_item['at']}" if self.state_item else "new"
        return Change(key_pk(self.key_id), STATE_SK, said, condition)


def checked_label(label: str, where: str = "--label") -> str:
    """The label itself; Usage where a name may not look so."""
    if re.fullmatch(NAME_PATTERN.rstrip("$"), label, re.ASCII) is None:
        shown = ascii(label) if len(label) <= 40 else f"{label[:40]!a}… ({len(label)} characters)"
        raise UsageError(f"{where} {shown}: accepted are {LABEL_WORDS}.")
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
    keys = keys_of(session, [pk.partition("#")[2] for pk, _ in session.table.listed(LISTED_KEY)])
    chosen = (key for key in keys if consumer is None or key.consumer == consumer)
    return sorted(chosen, key=lambda key: (key.consumer, key.label, key.created or "", key.key_id))


def keys_of(session: Session, ids: Sequence[str]) -> list[LedgerKey]:
    """Those of these keys that the ledger has, in that order; one that its index does not have yet, too."""
    items = session.table.get_many([(key_pk(key_id), sk) for key_id in ids for sk in (KEY_SK, STATE_SK)])
    found = ((key_id, items.get((key_pk(key_id), KEY_SK)), items.get((key_pk(key_id), STATE_SK), {})) for key_id in ids)
    return [_key(key_id, item, state) for key_id, item, state in found if item is not None]


def by_id(session: Session, key_id: str) -> LedgerKey | None:
    """One key; None where the ledger has none of that id."""
    return next(iter(keys_of(session, [key_id])), None)


def named(keys: Iterable[LedgerKey], label: str) -> list[LedgerKey]:
    """Keys of one consumer that bear a label now: neither revoked nor replaced by another."""
    return [key for key in keys if key.label == label and key.status != "revoked" and key.replaced_by is None]


def find(session: Session, wanted: str) -> LedgerKey:
    """The key that an operator means by an id or by CONSUMER/LABEL; Refused, saying what there is, where none is."""
    consumer, slash, label = wanted.partition("/")
    if slash:
        return _by_name(session, consumer, label)
    if len(wanted) >= _SHORTEST_VALUE:
        raise UsageError(
            f"KEY has {len(wanted)} characters, too many for an id: is it a key's value? Then somebody may have read "
            "it. Give the id (`tollgate keys list`) or CONSUMER/LABEL."
        )
    if _ID.fullmatch(wanted) is None:
        raise UsageError(f"KEY {wanted!a}: accepted is an id of letters and digits, or CONSUMER/LABEL.")
    found = by_id(session, wanted)
    if found is None:
        raise _not_here(session, wanted)
    return found


def _by_name(session: Session, consumer: str, label: str) -> LedgerKey:
    session.policy(consumer)
    checked_label(label, "KEY: label")
    keys = all_keys(session, consumer)
    bearing = named(keys, label)
    heirs = [key for key in bearing if key.replaces in {other.key_id for other in bearing}]
    candidates = heirs or bearing or [key for key in keys if key.label == label][-1:]
    if not candidates:
        names = {key.name for key in keys}
        raise unknown("key", f"{consumer}/{label}", names, seen_with=f"tollgate keys list {consumer}")
    if len(candidates) > 1:
        ids = ", ".join(key.key_id for key in candidates)
        raise RefusedError(
            f"{len(candidates)} keys are called {consumer}/{label}: {ids}. Give the id of the one you mean."
        )
    return candidates[0]


def _not_here(session: Session, key_id: str) -> RefusedError:
    """Where a key that this ledger does not know might belong, as far as API Gateway tells."""
    from admin.keys.api_gateway import environment_of, named_key

    there = named_key(session, key_id)
    if there is None:
        ids = (key.key_id for key in all_keys(session))
        return unknown("key", key_id, ids, seen_with="tollgate keys list")
    owner = environment_of(there)
    if owner is None:
        return RefusedError(
            f"key {key_id} ({there.name!a} in API Gateway) is none that tollgate made. To take it in: "
            "`tollgate keys import`."
        )
    if owner.environment != session.environment:
        return RefusedError(
            f"key {key_id} belongs to another environment, {owner.environment} ({owner.consumer}/{owner.label}); this "
            f"is {session.environment}. Use --env {owner.environment}."
        )
    return RefusedError(
        f"key {key_id} of {owner.consumer} was made but is not in the ledger, so that it works nowhere yet. Finish it: "
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
