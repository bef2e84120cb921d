"""Rotation: a new key now, the old one dies after a grace.

    new key made, in the ledger (it `replaces` the old), on the plan  →  STATE of the old: its end, and by what

The old key is not touched before the new one works. Whatever step a rotation ended at, giving the command again
finishes it with the same new key. Of two operators who rotate one key at once, the later one's new key is taken back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from admin.errors import RefusedError
from admin.keys.api_gateway import delete, named_keys
from admin.keys.issue import Issued, Order, check_expiry, issue, left_half
from admin.keys.ledger import LedgerKey, by_id, keys_of
from admin.operator_ledger import Audit
from admin.session import Session
from admin.times import iso_time
from lambda_src.contract import api_key_name
from lambda_src.core.policy import parse_optional_time


def pair(session: Session, key: LedgerKey) -> tuple[LedgerKey, LedgerKey | None]:
    """The key to replace and the one made for it already (None: none yet); Refused where nothing is left to do."""
    if key.replaces is not None:
        old = by_id(session, key.replaces)
        if old is not None and old.status != "revoked" and old.replaced_by is None:
            return old, key
    if key.replaced_by is not None:
        raise _rotated_already(key)
    _check_rotatable(session, key)
    return key, _heir(session, key)


def _heir(session: Session, key: LedgerKey) -> LedgerKey | None:
    """The key made for it by a rotation that did not end.

    Looked for by the name in API Gateway, since the ledger's index may not have a key that was made a second ago.
    """
    name = api_key_name(session.environment, key.consumer, key.label)
    there = [each.key_id for each in named_keys(session, name) if each.name == name]
    heirs = (each for each in keys_of(session, there) if each.replaces == key.key_id and each.status != "revoked")
    return max(heirs, key=lambda each: each.created or "", default=None)


def rotate(
    session: Session, old: LedgerKey, new: LedgerKey | None, grace: timedelta, expires: datetime | None
) -> Issued:
    """Finish, or do, the rotation of `old`. expires: of the new key; None: when the old one would have ended.

    Refused where somebody else changed the old key meanwhile; then no new key is left that nobody knows of.
    """
    policy, now = session.policy(old.consumer), session.now()
    end = _earlier(old.expires, now + grace)
    check_expiry(policy, expires, now)
    wanted = Order(
        consumer=old.consumer,
        label=old.label,
        plan=policy["plan"],
        expires=_earlier(old.expires, parse_optional_time(policy.get("expires"))) if expires is None else expires,
        replaces=old.key_id,
        unfinished=new,
    )
    issued = issue(session, wanted)
    values = {"expires": None if end is None else iso_time(end), "replaced_by": issued.key_id}
    with left_half(
        session, f"key {issued.key_id} works, and so does {old.key_id} still: give the same command again to finish."
    ):
        before = {"expires": None if old.expires is None else iso_time(old.expires), "replaced_by": None}
        audit = Audit("keys.rotate", f"{old.name} {old.key_id}", before, values)
        try:
            session.table.change([old.changed(session, **values)], audit)
        except RefusedError as overtaken:
            lost = overtaken
        else:
            return issued
    raise _overtaken(session, old, issued.key_id, lost)


def _overtaken(session: Session, old: LedgerKey, new_id: str, fault: RefusedError) -> RefusedError:
    """Take the new key back, of which nobody was told; unless the other operator finished with that very key."""
    note = f"key {new_id} may still work, and nobody was told its value: `tollgate keys revoke {new_id}` ends it."
    taken_back = False
    try:
        now_old, new = by_id(session, old.key_id), by_id(session, new_id)
        if now_old is not None and now_old.replaced_by == new_id:
            taken_back = True
            return _rotated_already(now_old)
        if new is not None and new.status != "revoked":
            audit = Audit("keys.revoke", f"{new.name} {new_id}", {"status": new.status}, {"status": "revoked"})
            session.table.change([new.changed(session, status="revoked")], audit)
        delete(session, new_id)
        taken_back = True
    finally:
        if not taken_back:
            session.output.say(note, style="yellow")
    return RefusedError(f"{fault} The new key {new_id} was taken back: it works nowhere.")


def _earlier(*moments: datetime | None) -> datetime | None:
    return min((each for each in moments if each is not None), default=None)


def _check_rotatable(session: Session, key: LedgerKey) -> None:
    state = key.state(session.now())
    if state == "revoked":
        raise RefusedError(
            f"{key.name} ({key.key_id}) is revoked. Issue another: `tollgate keys issue {key.consumer} "
            f"--label {key.label}`."
        )
    if state == "expired":
        raise RefusedError(
            f"{key.name} ({key.key_id}) expired on {iso_time(key.expires or session.now())}: nobody can be "
            f"moving from it. `tollgate keys revoke {key.name}`, then `tollgate keys issue {key.consumer} "
            f"--label {key.label}`."
        )


def _rotated_already(key: LedgerKey) -> RefusedError:
    end = "" if key.expires is None else f"; it ends on {iso_time(key.expires)}"
    return RefusedError(
        f"{key.key_id} was rotated already: {key.replaced_by} is in its place{end}. The new value is shown by "
        f"`tollgate keys show {key.replaced_by} --reveal`."
    )
