"""What is lost when a plan destroys a resource: keys, history, money or service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from admin.plan_summary.items import KEY, display_name, is_model, is_policy, policy_settings
from admin.plan_summary.plan import ResourceChange


@dataclass(frozen=True, slots=True)
class Loss:
    """kind: what is lost. text: the consequence."""

    kind: str
    text: str


_ORDER: Final = (
    "Keys", "History and money", "Money", "History", "Consumers", "Models", "Providers", "Service", "Alerts",
)  # fmt: skip
_BY_TYPE: Final = {
    KEY: Loss("Keys", "no longer work; new keys have other values, which clients need"),
    "aws_api_gateway_usage_plan_key": Loss("Keys", "API Gateway rejects them while they have no usage plan"),
    "aws_api_gateway_usage_plan": Loss(
        "Keys", "API Gateway rejects the plan's keys; counts of its quota start at zero"
    ),
    "aws_dynamodb_table": Loss(
        "History and money",
        "policies, spend, usage rows, corrections, the audit trail and operators' keys are lost, and budgets start at "
        "zero; DynamoDB keeps a backup of a deleted table for 35 days",
    ),
    "aws_lambda_event_source_mapping": Loss("Money", "usage is not booked in budgets and reports while it is missing"),
    "aws_cloudwatch_log_group": Loss("History", "its log lines are lost"),
    "aws_kms_key": Loss("History", "data that it encrypts cannot be read once KMS deletes it"),
    "aws_secretsmanager_secret": Loss(
        "Providers", "requests to the provider fail until `tollgate providers secret set` sets its key in a new secret"
    ),
    "aws_api_gateway_rest_api": Loss("Service", "clients need another base URL"),
    "aws_api_gateway_stage": Loss("Service", "requests fail while it is missing"),
    "aws_api_gateway_domain_name": Loss("Service", "clients that use this name need another base URL"),
    "aws_api_gateway_base_path_mapping": Loss("Service", "requests through the custom domain fail while it is missing"),
    "aws_lambda_function": Loss("Service", "what calls it fails while it is missing"),
    "aws_sns_topic": Loss("Alerts", "each subscriber confirms a new subscription"),
    "aws_sns_topic_subscription": Loss("Alerts", "the subscriber confirms a new subscription"),
}
_POLICY: Final = Loss(
    "Consumers",
    "all requests are rejected, also with keys that operators issued; spend and usage rows stay under its name",
)
_MODEL: Final = Loss("Models", "requests for it are rejected")


def loss(change: ResourceChange) -> Loss | None:
    """What is lost with a destroyed resource; None: nothing that an apply does not bring back."""
    if is_policy(change):
        return _POLICY
    return _MODEL if is_model(change) else _BY_TYPE.get(change.type)


def losses(changes: Iterable[ResourceChange]) -> dict[Loss, list[ResourceChange]]:
    """The losses, the worst first, each with what is destroyed. A usage plan's key is lost with the API key."""
    found: dict[Loss, list[ResourceChange]] = {}
    destroyed = [change for change in changes if change.destroys]
    keys = {(change.module, change.name) for change in destroyed if change.type == KEY}
    for change in destroyed:
        lost = loss(change)
        implied = change.type == "aws_api_gateway_usage_plan_key" and (change.module, change.name) in keys
        if lost is not None and not implied:
            found.setdefault(lost, []).append(change)
    return dict(sorted(found.items(), key=lambda item: _ORDER.index(item[0].kind)))


def changed_ids(changes: Iterable[ResourceChange]) -> Iterator[tuple[str, str, str]]:
    """Name, old and new id of each consumer whose id in the ledger changes: what it spent stays under the old id."""
    for change in changes:
        if is_policy(change) and change.item_before and change.item_after:
            old, new = change.item_before.get("consumer"), change.item_after.get("consumer")
            if old != new:
                yield display_name(change), str(old), str(new)


def likely_renames(changes: Iterable[ResourceChange]) -> Iterator[tuple[str, str]]:
    """Consumers of which one goes and one comes with the same policy."""
    policies = [change for change in changes if is_policy(change)]
    coming = [change for change in policies if change.action == "create"]
    for gone in policies:
        if gone.action == "delete" and gone.item_before:
            for new in coming:
                same = policy_settings(gone.item_before) == policy_settings(new.item_after or {})
                if new.module == gone.module and same:
                    coming.remove(new)
                    yield display_name(gone), display_name(new)
                    break
