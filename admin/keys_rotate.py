"""Rotation: a new key now, the old one dies after a grace.

    new key made, in the ledger (it `replaces` the old), on the plan  →  STATE of the old: its end, and by what

The old key is not touched before the new one works. Whatever step a rotation ended at, giving the command again
finishes it with the same new key.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from admin.faults import Refused
from admin.keys_issue import Issued, Order, check_expiry, issue, left_half
from admin.keys_ledger import Key, all_keys, by_id
from admin.moments import written
from admin.session import Session
from admin.table import Audit
from lambda_src.policy import instant


def pair(session: Session, key: Key) -> tuple[Key, Key | None]:
    """The key to replace and the one made for it already (None: none yet); Refused where nothing is left to do."""
    if key.replaces is not None:
        old = by_id(session, key.replaces)
        if old is not None and old.status != "revoked" and old.replaced_by is None:
            return old, key
    if key.replaced_by is not None:
        raise _rotated_already(key)
    _check_rotatable(session, key)
    heirs = [each for each in all_keys(session, key.consumer) if each.replaces == key.key_id]
    alive = [each for each in heirs if each.status != "revoked"]
    return key, alive[-1] if alive else None


def rotate(session: Session, old: Key, new: Key | None, grace: timedelta, expires: datetime | None) -> Issued:
    """Finish, or do, the rotation of `old`. expires: of the new key; None: when the old one would have ended."""
    policy, now = session.policy(old.consumer), session.now()
    check_expiry(policy, expires, now)
    wanted = Order(
        consumer=old.consumer,
        label=old.label,
        plan=policy["plan"],
        expires=_earlier(old.expires, instant(policy.get("expires"))) if expires is None else expires,
        replaces=old.key_id,
        unfinished=new,
    )
    issued = issue(session, wanted)
    end = _earlier(old.expires, now + grace)
    values = {"expires": None if end is None else written(end), "replaced_by": issued.key_id}
    with left_half(
        session, f"key {issued.key_id} works, and so does {old.key_id} still: give the same command again to finish."
    ):
        before = {"expires": None if old.expires is None else written(old.expires), "replaced_by": None}
        audit = Audit("keys.rotate", f"{old.name} {old.key_id}", before, values)
        session.table.change([old.changed(session, **values)], audit)
    return issued


def _earlier(*moments: datetime | None) -> datetime | None:
    return min((each for each in moments if each is not None), default=None)


def _check_rotatable(session: Session, key: Key) -> None:
    state = key.state(session.now())
    if state == "revoked":
        raise Refused(
            f"{key.name} ({key.key_id}) is revoked. Issue another: `tollgate keys issue {key.consumer} "
            f"--label {key.label}`."
        )
    if state == "expired":
        raise Refused(
            f"{key.name} ({key.key_id}) expired on {written(key.expires or session.now())}: nobody can be "
            f"moving from it. `tollgate keys revoke {key.name}`, then `tollgate keys issue {key.consumer} "
            f"--label {key.label}`."
        )


def _rotated_already(key: Key) -> Refused:
    end = "" if key.expires is None else f"; it ends on {written(key.expires)}"
    return Refused(
        f"{key.key_id} was rotated already: {key.replaced_by} is in its place{end}. The new value is shown by "
        f"`tollgate keys show {key.replaced_by} --reveal`."
    )
