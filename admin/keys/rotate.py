"""Rotation: issue a new key, and expire the old one after a grace period.

    issue the new key, which `replaces` the old  →  write the expiry and `replaced_by` to the STATE item of the old

The old key is not changed before the new one works. Running the command again finishes an interrupted rotation with the
same new key. If two operators rotate a key at the same time, the new key of the later one is deleted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from admin.errors import RefusedError
from admin.keys.api_gateway import delete, gateway_keys, key_name
from admin.keys.issue import IssuedKey, KeyRequest, check_expiry, issue, note_on_failure
from admin.keys.ledger import LedgerKey, key_by_id, keys_of
from admin.operator_ledger import Audit
from admin.session import Session
from admin.times import iso_time
from lambda_src.core.policy import parse_optional_time


def rotation_pair(session: Session, key: LedgerKey) -> tuple[LedgerKey, LedgerKey | None]:
    """The key to replace and its unfinished replacement, or None. Raises RefusedError if it was rotated already."""
    if key.replaces is not None:
        old = key_by_id(session, key.replaces)
        if old is not None and old.status != "revoked" and old.replaced_by is None:
            return old, key
    if key.replaced_by is not None:
        raise _already_rotated(key)
    _check_rotatable(session, key)
    return key, _unfinished_replacement(session, key)


def _unfinished_replacement(session: Session, key: LedgerKey) -> LedgerKey | None:
    """The key issued by an interrupted rotation. It is found by its name in API Gateway, because the ledger's index may
    not have it yet."""
    name = key_name(session, key.consumer, key.label)
    ids = [named.key_id for named in gateway_keys(session, name) if named.name == name]
    replacements = (new for new in keys_of(session, ids) if new.replaces == key.key_id and new.status != "revoked")
    return max(replacements, key=lambda new: new.created or "", default=None)


def rotate(
    session: Session, old: LedgerKey, new: LedgerKey | None, grace: timedelta, expires: datetime | None
) -> IssuedKey:
    """Rotate `old`, or finish its rotation. expires: expiry of the new key; None for that of the old one.

    Raises RefusedError if another operator changed the old key meanwhile, and deletes the new key.
    """
    policy, now = session.policy(old.consumer), session.now()
    end = _earlier(old.expires, now + grace)
    check_expiry(policy, expires, now)
    request = KeyRequest(
        consumer=old.consumer,
        label=old.label,
        plan=policy["plan"],
        expires=_earlier(old.expires, parse_optional_time(policy.get("expires"))) if expires is None else expires,
        replaces=old.key_id,
        unfinished=new,
    )
    issued = issue(session, request)
    values = {"expires": None if end is None else iso_time(end), "replaced_by": issued.key_id}
    with note_on_failure(
        session, f"key {issued.key_id} works, and {old.key_id} still does. Run the same command again to finish."
    ):
        before = {"expires": None if old.expires is None else iso_time(old.expires), "replaced_by": None}
        audit = Audit("keys.rotate", f"{old.name} {old.key_id}", before, values)
        try:
            session.ledger.change([old.state_change(session, **values)], audit)
        except RefusedError as error:
            conflict = error
        else:
            return issued
    raise _undone(session, old, issued.key_id, conflict)


def _undone(session: Session, old: LedgerKey, new_id: str, conflict: RefusedError) -> RefusedError:
    """Delete the new key, whose value nobody has seen, unless the other operator finished with the same key."""
    note = f"key {new_id} may still work, although nobody has its value. Revoke it: `tollgate keys revoke {new_id}`."
    deleted = False
    try:
        now_old, new = key_by_id(session, old.key_id), key_by_id(session, new_id)
        if now_old is not None and now_old.replaced_by == new_id:
            deleted = True
            return _already_rotated(now_old)
        if new is not None and new.status != "revoked":
            audit = Audit("keys.revoke", f"{new.name} {new_id}", {"status": new.status}, {"status": "revoked"})
            session.ledger.change([new.state_change(session, status="revoked")], audit)
        delete(session, new_id)
        deleted = True
    finally:
        if not deleted:
            session.output.say(note, style="yellow")
    return RefusedError(f"{conflict} The new key {new_id} was deleted.")


def _earlier(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)


def _check_rotatable(session: Session, key: LedgerKey) -> None:
    state = key.state(session.now())
    if state == "revoked":
        raise RefusedError(
            f"{key.name} ({key.key_id}) is revoked. Issue a new key: `tollgate keys issue {key.consumer} "
            f"--label {key.label}`."
        )
    if state == "expired":
        raise RefusedError(
            f"{key.name} ({key.key_id}) expired on {iso_time(key.expires or session.now())}, so it "
            f"cannot be rotated. Run `tollgate keys revoke {key.name}`, then `tollgate keys issue {key.consumer} "
            f"--label {key.label}`."
        )


def _already_rotated(key: LedgerKey) -> RefusedError:
    end = "" if key.expires is None else f" and expires on {iso_time(key.expires)}"
    return RefusedError(
        f"{key.key_id} was rotated already: it is replaced by {key.replaced_by}{end}. To show the new value: "
        f"`tollgate keys show {key.replaced_by} --reveal`."
    )
