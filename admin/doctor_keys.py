"""Do the ledger, API Gateway and the calendar agree about every key?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from admin.doctor_check import Check, Deployed, Finding, error, note, warning
from lambda_src.policy import key_of

SOON: Final = timedelta(days=14)


def places(deployed: Deployed) -> Iterator[Finding]:
    """Every live key is in API Gateway, in the ledger, and on its consumer's plan."""
    enabled, plans = deployed.gateway_keys, deployed.plans_of_keys
    for key_id, item in _live(deployed):
        policy = deployed.session.policies.get(item["consumer"])
        said = f"key {key_id} of {item['consumer']}"
        if policy is None:
            yield error(f"{said} is refused: its consumer has no policy", deployed.command(f"keys revoke {key_id}"))
        elif key_id not in enabled:
            yield warning(f"{said} is gone from API Gateway", deployed.command(f"keys revoke {key_id}"))
        elif key_id not in plans:
            yield error(f"{said} is refused: it is on no plan", _onto_plan(deployed, policy["plan"], key_id))
        elif policy["plan"] not in plans[key_id]:
            there = " and ".join(sorted(plans[key_id]))
            yield warning(
                f"{said} is on plan {there}, not {policy['plan']}", _onto_plan(deployed, policy["plan"], key_id)
            )
    for key_id in sorted(plans.keys() - deployed.ledger_keys.keys()):
        yield warning(
            f"key {key_id} is on plan {' and '.join(sorted(plans[key_id]))} and not in the ledger: it is refused",
            f"{deployed.command('keys import')}, or `aws apigateway delete-api-key --api-key {key_id}`",
        )


def _onto_plan(deployed: Deployed, plan: str, key_id: str) -> str:
    plan_id = deployed.session.plan_ids.get(plan)
    if plan_id is None:
        return deployed.deploy
    return f"`aws apigateway create-usage-plan-key --usage-plan-id {plan_id} --key-type API_KEY --key-id {key_id}`"


def dead_keys(deployed: Deployed) -> Iterator[Finding]:
    """What is over in the ledger is over in API Gateway as well, which refuses it before anything is spent on it."""
    enabled = deployed.gateway_keys
    for key_id, (item, state) in deployed.ledger_keys.items():
        key = key_of(key_id, item, state)
        over = "expired" if key.expires is not None and key.expires <= deployed.now else key.status
        if over != "active" and enabled.get(key_id):
            verb = "disable" if over == "disabled" else "revoke"
            yield warning(
                f"key {key_id} of {item['consumer']} is {over} in the ledger and enabled in API Gateway: "
                "each of its calls still costs one of the gateway's",
                deployed.command(f"keys {verb} {key_id}"),
            )
        if over == "active" and enabled.get(key_id) is False:
            yield note(
                f"key {key_id} of {item['consumer']} is disabled in API Gateway alone",
                deployed.command(f"keys enable {key_id}"),
            )


def expiring(deployed: Deployed) -> Iterator[Finding]:
    """No key in use ends in the next 14 days, but for those that were rotated."""
    for key_id, item in _live(deployed):
        state = deployed.ledger_keys[key_id][1]
        expires = key_of(key_id, item, state).expires
        if expires is not None and "replaced_by" not in state and expires - deployed.now < SOON:
            yield warning(
                f"key {key_id} of {item['consumer']} expires {expires:%Y-%m-%d %H:%M} UTC",
                _longer(deployed, item, key_id),
            )


def _longer(deployed: Deployed, item: Mapping[str, Any], key_id: str) -> str:
    if item.get("created_by") == "terraform":
        file = f"environments/{deployed.session.environment}.toml"
        return f"consumers.{item['consumer']}.expires in {file}, then {deployed.deploy}"
    return deployed.command(f"keys rotate {key_id}")


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
        key = key_of(key_id, item, state)
        if key.status == "active" and not _past(key.expires, deployed.now):
            yield key_id, item


def _past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


CHECKS: Final = (
    Check("keys", "keys", "each in API Gateway, in the ledger and on its consumer's plan", places),
    Check("keys", "dead-keys", "what is over in the ledger is off in API Gateway", dead_keys),
    Check("keys", "expiring-keys", "none ends within 14 days", expiring),
    Check("keys", "rotations", "none is half done", rotations),
)
