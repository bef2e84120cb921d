"""Checks that the ledger and API Gateway agree on every key, and of expiries and labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from admin.keys.api_gateway import tag_command
from admin.keys.ledger import LedgerKey
from lambda_src.core.policy import parse_optional_time
from lambda_src.resource_names import ENVIRONMENT_TAG, prefix

EXPIRY_WARNING: Final = timedelta(days=14)


def places(deployed: Deployed) -> Iterator[Finding]:
    """Every active key is in API Gateway, in the ledger and on its consumer's usage plan."""
    for key in _active_keys(deployed):
        yield from _place(deployed, key)
    plans, ledger = deployed.plans_of_keys, deployed.keys
    for key_id in sorted(plans.keys() - ledger.keys()):
        yield warning(
            f"key {key_id} is on plan {' and '.join(sorted(plans[key_id]))} but not in the ledger, so it is rejected",
            f"{deployed.command('keys import FILE')}, or `aws apigateway delete-api-key --api-key {key_id}`",
        )
    name_prefix = f"{prefix(deployed.session.environment)}-"
    for key_id, api_key in sorted(deployed.gateway_keys.items()):
        if api_key.name.startswith(name_prefix) and key_id not in ledger and key_id not in plans:
            yield note(
                f"key {key_id} ({api_key.name}) is only in API Gateway, so it does not work",
                f"repeat its `keys issue` to finish it, or `aws apigateway delete-api-key --api-key {key_id}`",
            )


def tags(deployed: Deployed) -> Iterator[Finding]:
    """Every key has the tag that lets the environment's operators change it."""
    environment = deployed.session.environment
    for key_id, key in sorted(deployed.keys.items()):
        api_key = deployed.gateway_keys.get(key_id)
        if api_key is not None and api_key.tag != environment:
            yield warning(
                f"operators cannot change key {key_id} of {key.consumer}: no tag {ENVIRONMENT_TAG}={environment}",
                f"as an administrator: {tag_command(deployed.session, key_id)}",
            )


def _place(deployed: Deployed, key: LedgerKey) -> Iterator[Finding]:
    policy, plans = deployed.session.policies.get(key.consumer), deployed.plans_of_keys.get(key.key_id, set())
    subject = f"key {key.key_id} of {key.consumer}"
    to_plan = deployed.deploy if key.by_terraform else deployed.command(f"keys enable {key.key_id}")
    if policy is None:
        yield error(f"{subject} is rejected: its consumer has no policy", deployed.command(f"keys revoke {key.key_id}"))
    elif key.key_id not in deployed.gateway_keys:
        yield warning(f"{subject} no longer exists in API Gateway", deployed.command(f"keys revoke {key.key_id}"))
    elif not plans:
        yield error(f"{subject} is rejected: it is on no usage plan", to_plan)
    elif policy["plan"] not in plans:
        yield warning(f"{subject} is on plan {' and '.join(sorted(plans))}, not {policy['plan']}", to_plan)


def dead_keys(deployed: Deployed) -> Iterator[Finding]:
    """API Gateway rejects keys that the ledger rejects, so that they do not invoke the gateway."""
    for key_id, key in deployed.keys.items():
        if key_id not in deployed.gateway_keys:
            continue
        enabled, state = deployed.gateway_keys[key_id].enabled, key.state(deployed.now)
        if state != "active" and enabled:
            verb = "disable" if state == "disabled" else "revoke"
            yield warning(
                f"key {key_id} of {key.consumer} is {state} in the ledger but enabled in API Gateway, "
                "so its requests still invoke the gateway",
                deployed.command(f"keys {verb} {key_id}"),
            )
        if state == "active" and not enabled:
            yield note(
                f"key {key_id} of {key.consumer} is disabled only in API Gateway",
                deployed.command(f"keys enable {key_id}"),
            )


def expiring(deployed: Deployed) -> Iterator[Finding]:
    """No active key expires within 14 days, except rotated keys."""
    for key in _active_keys(deployed):
        if key.expires is not None and key.replaced_by is None and key.expires - deployed.now < EXPIRY_WARNING:
            yield warning(
                f"key {key.key_id} of {key.consumer} expires {key.expires:%Y-%m-%d %H:%M} UTC", _renewal(deployed, key)
            )


def _renewal(deployed: Deployed, key: LedgerKey) -> str:
    consumer_expiry = parse_optional_time(deployed.session.policies.get(key.consumer, {}).get("expires"))
    if key.by_terraform or key.expires == consumer_expiry:
        file = f"environments/{deployed.session.environment}.toml"
        return f"change consumers.{key.consumer}.expires in {file}, then {deployed.deploy}"
    return deployed.command(f"keys rotate {key.key_id}")


def rotations(deployed: Deployed) -> Iterator[Finding]:
    """Every rotation is complete: the new key exists, and the old one has an expiry."""
    keys = deployed.keys
    for key in keys.values():
        old = keys.get(key.replaces or "")
        if old is not None and old.status == "active" and (old.replaced_by is None or old.expires is None):
            yield warning(
                f"the rotation of key {old.key_id} of {key.consumer} is incomplete: {key.key_id} replaces it, but "
                f"{old.key_id} has no expiry",
                deployed.command(f"keys rotate {old.key_id}"),
            )
        if key.replaced_by is not None and key.replaced_by not in keys:
            yield warning(
                f"key {key.key_id} of {key.consumer} is replaced by {key.replaced_by}, which is not in the ledger",
                deployed.command(f"keys rotate {key.key_id}"),
            )


def labels(deployed: Deployed) -> Iterator[Finding]:
    """Each label names one key. Two operators who issue the same label at the same time create two."""
    ids_by_name = defaultdict[str, list[str]](list)
    current = {key.key_id: key for key in _active_keys(deployed) if key.replaced_by is None}
    for key in current.values():
        if key.replaces not in current:  # an incomplete rotation, which `rotations` reports
            ids_by_name[key.name].append(key.key_id)
    for name, ids in sorted(ids_by_name.items()):
        if len(ids) > 1:
            report, revoke = deployed.command("usage report --by key"), deployed.command("keys revoke ID")
            yield warning(
                f"{len(ids)} keys are named {name}: {', '.join(ids)}", f"{report} shows which is in use; then {revoke}"
            )


def _active_keys(deployed: Deployed) -> list[LedgerKey]:
    """The keys that the gateway accepts now."""
    return [key for _, key in sorted(deployed.keys.items()) if key.state(deployed.now) == "active"]


CHECKS: Final = (
    Check("keys", "keys", "each in API Gateway, in the ledger and on its consumer's plan", places),
    Check("keys", "dead-keys", "inactive keys of the ledger are disabled in API Gateway", dead_keys),
    Check("keys", "expiring-keys", "none expires within 14 days", expiring),
    Check("keys", "rotations", "all are complete", rotations),
    Check("keys", "tags", "operators can change each of them", tags),
    Check("keys", "labels", "each names one key", labels),
)
