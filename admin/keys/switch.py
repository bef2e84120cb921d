"""Disables, enables and revokes keys.

The ledger and the audit row are written first: the gateway applies them within a minute, even if API Gateway's control
plane fails. The change in API Gateway itself takes effect after some seconds.
"""

from __future__ import annotations

from typing import Final

from admin.errors import RefusedError
from admin.keys import api_gateway
from admin.keys.api_gateway import delete, gateway_key, move_to_plan, plans_of
from admin.keys.issue import check_expiry, note_on_failure
from admin.keys.ledger import LedgerKey
from admin.operator_ledger import Audit
from admin.session import Session
from admin.times import iso_time

_UNFINISHED: Final = (
    "the ledger has the change, and the gateway applies it within a minute; API Gateway does not have it yet. "
    "Run the same command again to finish."
)


def _write(session: Session, key: LedgerKey, action: str, status: str) -> None:
    """Write the key's STATE item and the audit row."""
    audit = Audit(action, f"{key.name} {key.key_id}", {"status": key.status}, {"status": status})
    session.ledger.change([key.state_change(session, status=status)], audit)


def check_not_revoked(key: LedgerKey) -> None:
    """Raise RefusedError for a revoked key."""
    if key.status == "revoked":
        raise RefusedError(f"{key.name} ({key.key_id}) is revoked already; this cannot be undone.")


def disable(session: Session, key: LedgerKey) -> None:
    """Disable a key until `enable`."""
    if key.status != "disabled":
        _write(session, key, "keys.disable", "disabled")
    with note_on_failure(session, _UNFINISHED):
        api_gateway.enable(session, key.key_id, False)


def enable(session: Session, key: LedgerKey) -> bool:
    """Enable a disabled key, on its consumer's plan. False in a dry run. Raises RefusedError if it cannot work."""
    policy, now = session.policy(key.consumer), session.now()
    reissue = f"`tollgate keys issue {key.consumer} --label {key.label}`"
    if key.status == "revoked":
        raise RefusedError(f"{key.name} ({key.key_id}) is revoked; this cannot be undone. Issue a new key: {reissue}.")
    if key.expires is not None and key.expires <= now:
        raise RefusedError(
            f"{key.name} ({key.key_id}) expired on {iso_time(key.expires)}, so it would still be rejected. "
            f"Run `tollgate keys revoke {key.key_id}`, then {reissue}."
        )
    check_expiry(policy, None, now)
    in_gateway = gateway_key(session, key.key_id)
    if in_gateway is None:
        raise RefusedError(
            f"{key.name} ({key.key_id}) was deleted in API Gateway. "
            f"Run `tollgate keys revoke {key.key_id}`, then {reissue}."
        )
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: enable {key.name} ({key.key_id})")
        return False
    plans = plans_of(session, key.key_id)
    target_plans = plans if key.by_terraform else [policy["plan"]]
    before = {"status": key.status, "enabled": in_gateway.enabled, "plan": ", ".join(plans)}
    after = {"status": "active", "enabled": True, "plan": ", ".join(target_plans)}
    if before != after:  # only API Gateway may differ, after a change there or of the consumer's plan
        changes = [] if key.status == "active" else [key.state_change(session, status="active")]
        session.ledger.change(changes, Audit("keys.enable", f"{key.name} {key.key_id}", before, after))
    with note_on_failure(
        session, "the ledger has the change, API Gateway does not yet. Run the same command again to finish."
    ):
        if not key.by_terraform:
            move_to_plan(session, policy["plan"], key.key_id, plans)
        api_gateway.enable(session, key.key_id, True)
    return True


def revoke(session: Session, key: LedgerKey) -> None:
    """Revoke a key permanently. One that Terraform created stays in API Gateway, disabled, so that plans stay empty."""
    if key.status != "revoked":
        _write(session, key, "keys.revoke", "revoked")
    with note_on_failure(session, _UNFINISHED):
        if api_gateway.enable(session, key.key_id, False) and not key.by_terraform:
            delete(session, key.key_id)
