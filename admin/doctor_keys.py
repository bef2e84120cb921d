"""Do the ledger, API Gateway and the calendar agree about every key?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from admin.doctor_check import Check, Deployed, Finding, error, note, warning
from lambda_src.contract import prefix
from lambda_src.policy import instant

SOON: Final = timedelta(days=14)


def places(deployed: Deployed) -> Iterator[Finding]:
    """Every live key is in API Gateway, in the ledger, and on its consumer's plan."""
    for key_id, item in _live(deployed):
        yield from _place(deployed, key_id, item)
    plans, ledger = deployed.plans_of_keys, deployed.ledger_keys
    for key_id in sorted(plans.keys() - ledger.keys()):
        yield warning(
            f"key {key_id} is on plan {' and '.join(sorted(plans[key_id]))} and not in the ledger: it is refused",
            f"{deployed.command('keys import FILE')}, or `aws apigateway delete-api-key --api-key {key_id}`",
        )
    ours = f"{prefix(deployed.session.environment)}-"
    for key_id, key in sorted(deployed.gateway_keys.items()):
        if key.get("name", "").startswith(ours) and key_id not in ledger and key_id not in plans:
            yield note(
                f"key {key_id} ({key['name']}) is in API Gateway alone: it works nowhere",
                f"the same `keys issue` again finishes it; else `aws apigateway delete-api-key --api-key {key_id}`",
            )


def _place(deployed: Deployed, key_id: str, item: Mapping[str, Any]) -> Iterator[Finding]:
    policy, plans = deployed.session.policies.get(item["consumer"]), deployed.plans_of_keys.get(key_id, set())
    said = f"key {key_id} of {item['consumer']}"
    by_terraform = item.get("created_by") == "terraform"
    to_plan = deployed.deploy if by_terraform else deployed.command(f"keys enable {key_id}")
    if policy is None:
        yield error(f"{said} is refused: its consumer has no policy", deployed.command(f"keys revoke {key_id}"))
    elif key_id not in deployed.gateway_keys:
        yield warning(f"{said} is gone from API Gateway", deployed.command(f"keys revoke {key_id}"))
    elif not plans:
        yield error(f"{said} is refused: it is on no plan", to_plan)
    elif policy["plan"] not in plans:
        yield warning(f"{said} is on plan {' and '.join(sorted(plans))}, not {policy['plan']}", to_plan)


def dead_keys(deployed: Deployed) -> Iterator[Finding]:
    """What is over in the ledger is over in API Gateway as well, which refuses it before anything is spent on it."""
    for key_id, (item, state) in deployed.ledger_keys.items():
        if key_id not in deployed.gateway_keys:
            continue
        enabled, status = deployed.gateway_keys[key_id].get("enabled"), state.get("status", "active")
        over = "expired" if _past(_end(deployed, item, state), deployed.now) else status
        if over != "active" and enabled:
            verb = "disable" if over == "disabled" else "revoke"
            yield warning(
                f"key {key_id} of {item['consumer']} is {over} in the ledger and enabled in API Gateway: "
                "each of its calls still costs one of the gateway's",
                deployed.command(f"keys {verb} {key_id}"),
            )
        if over == "active" and not enabled:
            yield note(
                f"key {key_id} of {item['consumer']} is disabled in API Gateway alone",
                deployed.command(f"keys enable {key_id}"),
            )


def expiring(deployed: Deployed) -> Iterator[Finding]:
    """No key in use ends in the next 14 days, but for those that were rotated."""
    for key_id, item in _live(deployed):
        state = deployed.ledger_keys[key_id][1]
        end = _end(deployed, item, state)
        if end is not None and "replaced_by" not in state and end - deployed.now < SOON:
            yield warning(
                f"key {key_id} of {item['consumer']} expires {end:%Y-%m-%d %H:%M} UTC",
                _longer(deployed, item, key_id, end),
            )


def _longer(deployed: Deployed, item: Mapping[str, Any], key_id: str, end: datetime) -> str:
    if item.get("created_by") == "terraform" or end == _consumer_ends(deployed, item):
        file = f"environments/{deployed.session.environment}.toml"
        return f"consumers.{item['consumer']}.expires in {file}, then {deployed.deploy}"
    return deployed.command(f"keys rotate {key_id}")


def _end(deployed: Deployed, item: Mapping[str, Any], state: Mapping[str, Any]) -> datetime | None:
    """When a key ends: by its own expiry or its consumer's."""
    ends = (instant(state.get("expires", item.get("expires"))), _consumer_ends(deployed, item))
    return min((each for each in ends if each is not None), default=None)


def _consumer_ends(deployed: Deployed, item: Mapping[str, Any]) -> datetime | None:
    return instant(deployed.session.policies.get(item["consumer"], {}).get("expires"))


def rotations(deployed: Deployed) -> Iterator[Finding]:
    """Every rotation came to its end: the new key is there, and the old one has an end."""
    keys = deployed.ledger_keys
    for key_id, (item, _) in keys.items():
        old = item.get("replaces")
        if old in keys and keys[old][1].get("status", "active") == "active" and not _ends(keys[old]):
            yield warning(
                f"the rotation of key {old} of {item['consumer']} stopped half-way: {key_id} is new, {old} has no end",
                deployed.command(f"keys rotate {old}"),
            )
    for key_id, (item, state) in keys.items():
        new = state.get("replaced_by")
        if new is not None and new not in keys:
            yield warning(
                f"key {key_id} of {item['consumer']} was to be replaced by {new}, which is not in the ledger",
                deployed.command(f"keys rotate {key_id}"),
            )


def _ends(key: tuple[Mapping[str, Any], Mapping[str, Any]]) -> bool:
    item, state = key
    return "replaced_by" in state and bool(state.get("expires", item.get("expires")))


def _live(deployed: Deployed) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Ids and KEY items of the keys that the ledger lets through now."""
    for key_id, (item, state) in sorted(deployed.ledger_keys.items()):
        if state.get("status", "active") == "active" and not _past(_end(deployed, item, state), deployed.now):
            yield key_id, item


def _past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


CHECKS: Final = (
    Check("keys", "keys", "each in API Gateway, in the ledger and on its consumer's plan", places),
    Check("keys", "dead-keys", "what is over in the ledger is off in API Gateway", dead_keys),
    Check("keys", "expiring-keys", "none ends within 14 days", expiring),
    Check("keys", "rotations", "none is half done", rotations),
)
