"""Stopping a key, for a while or for good, and letting it work again.

The ledger is written first, with its audit row, and holds within a minute even if API Gateway cannot be reached; API
Gateway's own switch then works at once.
"""

from __future__ import annotations

from typing import Final

from admin.errors import RefusedError
from admin.keys.api_gateway import delete, enable, move_to_plan, named_key, plans_of
from admin.keys.issue import check_expiry, left_half
from admin.keys.ledger import LedgerKey
from admin.operator_ledger import Audit
from admin.session import Session
from admin.times import iso_time

_STILL: Final = (
    "the ledger has it, and the gateway obeys within a minute; API Gateway was not told yet. "
    "Give the same command again to finish."
)


def _write(session: Session, key: LedgerKey, action: str, status: str) -> None:
    """Its STATE item and the audit row of that."""
    audit = Audit(action, f"{key.name} {key.key_id}", {"status": key.status}, {"status": status})
    session.table.change([key.changed(session, status=status)], audit)


def check_stoppable(key: LedgerKey) -> None:
    """Refused for a key that was stopped for good."""
    if key.status == "revoked":
        raise RefusedError(f"{key.name} ({key.key_id}) is revoked already, which nothing undoes.")


def stop(session: Session, key: LedgerKey) -> None:
    """Disable a key until `start`."""
    if key.status != "disabled":
        _write(session, key, "keys.disable", "disabled")
    with left_half(session, _STILL):
        enable(session, key.key_id, False)


def start(session: Session, key: LedgerKey) -> bool:
    """Let a disabled key work again, on its consumer's plan; Refused for one that cannot. False: a dry run."""
    policy, now = session.policy(key.consumer), session.now()
    again = f"`tollgate keys issue {key.consumer} --label {key.label}`"
    if key.status == "revoked":
        raise RefusedError(f"{key.name} ({key.key_id}) is revoked, which nothing undoes. Issue another: {again}.")
    if key.expires is not None and key.expires <= now:
        raise RefusedError(
            f"{key.name} ({key.key_id}) expired on {iso_time(key.expires)}: enabled it would still be refused. "
            f"`tollgate keys revoke {key.key_id}`, then {again}."
        )
    check_expiry(policy, None, now)
    there = named_key(session, key.key_id)
    if there is None:
        raise RefusedError(
            f"{key.name} ({key.key_id}) is gone from API Gateway: somebody deleted it there. "
            f"`tollgate keys revoke {key.key_id}`, then {again}."
        )
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: enable {key.name} ({key.key_id})")
        return False
    plans = plans_of(session, key.key_id)
    wanted = plans if key.by_terraform else [policy["plan"]]
    before = {"status": key.status, "enabled": there.enabled, "plan": ", ".join(plans)}
    after = {"status": "active", "enabled": True, "plan": ", ".join(wanted)}
    if before != after:  # API Gateway alone may differ, where somebody changed it there or the consumer changed plans
        changes = [] if key.status == "active" else [key.changed(session, status="active")]
        session.table.change(changes, Audit("keys.enable", f"{key.name} {key.key_id}", before, after))
    with left_half(session, "the ledger has it, API Gateway not yet: give the same command again to finish."):
        if not key.by_terraform:
            move_to_plan(session, policy["plan"], key.key_id, plans)
        enable(session, key.key_id, True)
    return True


def revoke(session: Session, key: LedgerKey) -> None:
    """Stop a key for good; one that Terraform made stays in API Gateway, disabled, since its plan would miss it."""
    if key.status != "revoked":
        _write(session, key, "keys.revoke", "revoked")
    with left_half(session, _STILL):
        if enable(session, key.key_id, False) and not key.by_terraform:
            delete(session, key.key_id)
