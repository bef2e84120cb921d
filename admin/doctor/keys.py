"""Do the ledger, API Gateway and the calendar agree about every key?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from admin.keys.ledger import LedgerKey
from lambda_src.contract import prefix
from lambda_src.core.policy import parse_optional_time

SOON: Final = timedelta(days=14)


def places(deployed: Deployed) -> Iterator[Finding]:
    """Every live key is in API Gateway, in the ledger, and on its consumer's plan."""
    for key in _live(deployed):
        yield from _place(deployed, key)
    plans, ledger = deployed.plans_of_keys, deployed.keys
    for key_id in sorted(plans.keys() - ledger.keys()):
        yield warning(
            f"key {key_id} is on plan {' and '.join(sorted(plans[key_id]))} and not in the ledger: it is refused",
            f"{deployed.command('keys import FILE')}, or `aws apigateway delete-api-key --api-key {key_id}`",
        )
    ours = f"{prefix(deployed.session.environment)}-"
    for key_id, there in sorted(deployed.gateway_keys.items()):
        if there.get("name", "").startswith(ours) and key_id not in ledger and key_id not in plans:
            yield note(
                f"key {key_id} ({there['name']}) is in API Gateway alone: it works nowhere",
                f"the same `keys issue` again finishes it; else `aws apigateway delete-api-key --api-key {key_id}`",
            )


def _place(deployed: Deployed, key: LedgerKey) -> Iterator[Finding]:
    policy, plans = deployed.session.policies.get(key.consumer), deployed.plans_of_keys.get(key.key_id, set())
    said = f"key {key.key_id} of {key.consumer}"
    to_plan = deployed.deploy if key.by_terraform else deployed.command(f"keys enable {key.key_id}")
    if policy is None:
        yield error(f"{said} is refused: its consumer has no policy", deployed.command(f"keys revoke {key.key_id}"))
    elif key.key_id not in deployed.gateway_keys:
        yield warning(f"{said} is gone from API Gateway", deployed.command(f"keys revoke {key.key_id}"))
    elif not plans:
        yield error(f"{said} is refused: it is on no plan", to_plan)
    elif policy["plan"] not in plans:
        yield warning(f"{said} is on plan {' and '.join(sorted(plans))}, not {policy['plan']}", to_plan)


def dead_keys(deployed: Deployed) -> Iterator[Finding]:
    """What is over in the ledger is over in API Gateway as well, which refuses it before anything is spent on it."""
    for key_id, key in deployed.keys.items():
        if key_id not in deployed.gateway_keys:
            continue
        enabled, state = deployed.gateway_keys[key_id].get("enabled"), key.state(deployed.now)
        if state != "active" and enabled:
            verb = "disable" if state == "disabled" else "revoke"
            yield warning(
                f"key {key_id} of {key.consumer} is {state} in the ledger and enabled in API Gateway: "
                "each of its calls still costs one of the gateway's",
                deployed.command(f"keys {verb} {key_id}"),
            )
        if state == "active" and not enabled:
            yield note(
                f"key {key_id} of {key.consumer} is disabled in API Gateway alone",
                deployed.command(f"keys enable {key_id}"),
            )


def expiring(deployed: Deployed) -> Iterator[Finding]:
    """No key in use ends in the next 14 days, but for those that were rotated."""
    for key in _live(deployed):
        if key.expires is not None and key.replaced_by is None and key.expires - deployed.now < SOON:
            yield warning(
                f"key {key.key_id} of {key.consumer} expires {key.expires:%Y-%m-%d %H:%M} UTC", _longer(deployed, key)
            )


def _longer(deployed: Deployed, key: LedgerKey) -> str:
    consumer_ends = parse_optional_time(deployed.session.policies.get(key.consumer, {}).get("expires"))
    if key.by_terraform or key.expires == consumer_ends:
        file = f"environments/{deployed.session.environment}.toml"
        return f"consumers.{key.consumer}.expires in {file}, then {deployed.deploy}"
    return deployed.command(f"keys rotate {key.key_id}")


def rotations(deployed: Deployed) -> Iterator[Finding]:
    """Every rotation came to its end: the new key is there, and the old one has an end."""
    keys = deployed.keys
    for key in keys.values():
        old = keys.get(key.replaces or "")
        if old is not None and old.status == "active" and (old.replaced_by is None or old.expires is None):
            yield warning(
                f"the rotation of key {old.key_id} of {key.consumer} stopped half-way: {key.key_id} is new, "
                f"{old.key_id} has no end",
                deployed.command(f"keys rotate {old.key_id}"),
            )
        if key.replaced_by is not None and key.replaced_by not in keys:
            yield warning(
                f"key {key.key_id} of {key.consumer} was to be replaced by {key.replaced_by}, which is not in the "
                "ledger",
                deployed.command(f"keys rotate {key.key_id}"),
            )


def labels(deployed: Deployed) -> Iterator[Finding]:
    """A label means one key: two operators who issued it at once may each have handed one out."""
    alike = defaultdict[str, list[str]](list)
    current = {key.key_id: key for key in _live(deployed) if key.replaced_by is None}
    for key in current.values():
        if key.replaces not in current:  # else its rotation is half done, which is said already
            alike[key.name].append(key.key_id)
    for name, ids in sorted(alike.items()):
        if len(ids) > 1:
            in_use, end = deployed.command("usage report --by key"), deployed.command("keys revoke ID")
            yield warning(
                f"{len(ids)} keys are called {name}: {', '.join(ids)}", f"{in_use} tells which is in use; then {end}"
            )


def _live(deployed: Deployed) -> list[LedgerKey]:
    """The keys that the ledger lets through now."""
    return [key for _, key in sorted(deployed.keys.items()) if key.state(deployed.now) == "active"]


CHECKS: Final = (
    Check("keys", "keys", "each in API Gateway, in the ledger and on its consumer's plan", places),
    Check("keys", "dead-keys", "what is over in the ledger is off in API Gateway", dead_keys),
    Check("keys", "expiring-keys", "none ends within 14 days", expiring),
    Check("keys", "rotations", "none is half done", rotations),
    Check("keys", "labels", "each means one key", labels),
)
