"""Keys in API Gateway: the key, its value and its usage plan."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from admin.errors import DENIED, ConfigurationError, ServiceError
from admin.session import Session
from lambda_src.resource_names import ENVIRONMENT_TAG, api_key_description, api_key_name, prefix

if TYPE_CHECKING:
    from mypy_boto3_apigateway.type_defs import (
        ApiKeyResponseTypeDef,
        ApiKeyTypeDef,
        GetApiKeysRequestPaginateTypeDef,
        PatchOperationTypeDef,
    )

CREATES_PER_SECOND: Final = 5
"""CreateApiKey's limit per account (docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""
_DESCRIPTION: Final = re.compile(r"Key (?P<label>[a-z0-9-]+) of consumer (?P<consumer>[a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """A key as API Gateway lists it, without its value. tag: its ENVIRONMENT_TAG."""

    key_id: str
    name: str
    description: str
    enabled: bool
    tag: str | None


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The owner of a key, according to its name and description."""

    environment: str
    consumer: str
    label: str


class RateLimiter:
    """Limits calls per second. Retries absorb throttling caused by other callers."""

    def __init__(self, per_second: int) -> None:
        self._gap = 1 / per_second
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until the next call may start."""
        now = time.monotonic()
        time.sleep(max(0.0, self._next - now))
        self._next = max(now, self._next) + self._gap


def key_name(session: Session, consumer: str, label: str) -> str:
    """Name of a consumer's keys in API Gateway. It does not change when the consumer is renamed."""
    return api_key_name(session.environment, session.ledger.names.id_of(consumer), label)


def description(session: Session, consumer: str, label: str, replaces: str | None = None) -> str:
    """The description of an operator's key in API Gateway, by which an interrupted one is recognized."""
    suffix = "" if replaces is None else f", replaces {replaces}"
    text = api_key_description(session.ledger.names.id_of(consumer), label)
    return f"{text} in {session.environment}, issued by an operator{suffix}"


def create(session: Session, consumer: str, label: str, description: str) -> tuple[str, str]:
    """Create a key and return its id and secret value. It does not work until it is on a usage plan."""
    name = key_name(session, consumer, label)
    created = session.apigateway.create_api_key(
        name=name, description=description, enabled=True, tags={ENVIRONMENT_TAG: session.environment}
    )
    return created["id"], created["value"]


def gateway_keys(session: Session, name_prefix: str = "") -> list[GatewayKey]:
    """Keys whose names start with `name_prefix`."""
    request: GetApiKeysRequestPaginateTypeDef = {"includeValues": False, "PaginationConfig": {"PageSize": 500}}
    if name_prefix:
        request["nameQuery"] = name_prefix
    pages = session.apigateway.get_paginator("get_api_keys").paginate(**request)
    return [_gateway_key(key) for page in pages for key in page["items"]]


def gateway_key(session: Session, key_id: str) -> GatewayKey | None:
    """One key, or None if it does not exist."""
    client = session.apigateway
    try:
        return _gateway_key(client.get_api_key(apiKey=key_id, includeValue=False))
    except client.exceptions.NotFoundException:
        return None
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
    # IAM denies operators keys without the environment's tag, and so keys that do not exist. They may list all keys.
    return next((key for key in gateway_keys(session) if key.key_id == key_id), None)


def value_of(session: Session, key_id: str) -> str:
    """A key's secret value."""
    return session.apigateway.get_api_key(apiKey=key_id, includeValue=True)["value"]


def enable(session: Session, key_id: str, enabled: bool) -> bool:
    """Enable or disable a key in API Gateway, which takes some seconds. False if the key does not exist."""
    change: PatchOperationTypeDef = {"op": "replace", "path": "/enabled", "value": str(enabled).lower()}
    return _change(session, key_id, lambda: session.apigateway.update_api_key(apiKey=key_id, patchOperations=[change]))


def delete(session: Session, key_id: str) -> None:
    """Delete a key, also from its usage plan. Does nothing if it does not exist."""
    _change(session, key_id, lambda: session.apigateway.delete_api_key(apiKey=key_id))


def tag(session: Session, key_id: str) -> None:
    """Tag a key with the environment, so that the environment's operators may change it."""
    tags = {ENVIRONMENT_TAG: session.environment}
    arn = _arn(session, key_id)
    _change(session, key_id, lambda: session.apigateway.tag_resource(resourceArn=arn, tags=tags))


def _change(session: Session, key_id: str, call: Callable[[], object]) -> bool:
    """Whether `call` changed the key; False if the key does not exist.

    Raises ServiceError if IAM denies the call because the key does not have the environment's tag.
    """
    client = session.apigateway
    try:
        call()
    except client.exceptions.NotFoundException:
        return False
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        key = gateway_key(session, key_id)
        if key is None:
            return False
        if key.tag == session.environment:
            raise
        raise ServiceError(
            f"access denied to key {key_id}: its tag {ENVIRONMENT_TAG} is {key.tag or 'missing'}, and "
            f"{prefix(session.environment)}-operator allows {session.environment} only. If the key belongs to this "
            f"environment, an administrator runs {tag_command(session, key_id)}."
        ) from None
    return True


def tag_command(session: Session, key_id: str) -> str:
    """The AWS CLI's command that does what `tag` does."""
    arn = _arn(session, key_id)
    return f"`aws apigateway tag-resource --resource-arn {arn} --tags {ENVIRONMENT_TAG}={session.environment}`"


def _arn(session: Session, key_id: str) -> str:
    partition = session.boto.get_partition_for_region(session.region)
    return f"arn:{partition}:apigateway:{session.region}::/apikeys/{key_id}"


def plan_id(session: Session, plan: str) -> str:
    """Id of a usage plan. Raises ConfigurationError if it is not deployed."""
    plan_id = session.plan_ids.get(plan)
    if plan_id is None:
        raise ConfigurationError(
            f"usage plan {prefix(session.environment)}-{plan} of a consumer is not deployed: the last deploy did not "
            "finish. Run it again."
        )
    return plan_id


def on_plan(session: Session, plan: str, key_id: str) -> bool:
    """Whether a key is on a plan."""
    client = session.apigateway
    try:
        client.get_usage_plan_key(usagePlanId=plan_id(session, plan), keyId=key_id)
    except client.exceptions.NotFoundException:
        return False
    return True


def plans_of(session: Session, key_id: str) -> list[str]:
    """The environment's usage plans that a key is on; AWS allows at most one."""
    return [plan for plan in session.plan_ids if on_plan(session, plan, key_id)]


def put_on_plan(session: Session, plan: str, key_id: str) -> None:
    """Add a key to a usage plan, if it is not on it already."""
    client = session.apigateway
    try:
        client.create_usage_plan_key(usagePlanId=plan_id(session, plan), keyId=key_id, keyType="API_KEY")
    except client.exceptions.ConflictException:
        if not on_plan(session, plan, key_id):
            raise


def move_to_plan(session: Session, plan: str, key_id: str, present: Sequence[str]) -> None:
    """Add a key to a usage plan and remove it from others: its consumer's plan may have changed since it was issued.

    present: the plans that the key is on.
    """
    for other in present:
        if other != plan:
            session.apigateway.delete_usage_plan_key(usagePlanId=plan_id(session, other), keyId=key_id)
    if plan not in present:
        put_on_plan(session, plan, key_id)


def used_today(session: Session, plan: str, key_id: str) -> tuple[int, int] | None:
    """Requests that count against the plan's quota today, and requests left; None without a quota."""
    client, its_id = session.apigateway, plan_id(session, plan)
    plans = (item for page in client.get_paginator("get_usage_plans").paginate() for item in page["items"])
    if not any(item["id"] == its_id and item.get("quota", {}).get("limit") for item in plans):
        return None
    day = session.now().date().isoformat()
    days = client.get_usage(usagePlanId=its_id, keyId=key_id, startDate=day, endDate=day).get("items", {}).get(key_id)
    return (int(days[-1][0]), int(days[-1][1])) if days else None


def owner_of(session: Session, key: GatewayKey) -> KeyOwner | None:
    """The owner of a key; None if Tollgate did not name it."""
    match = _DESCRIPTION.match(key.description)
    name_prefix = prefix("")
    if match is None or not key.name.startswith(name_prefix):
        return None
    environment = key.name.removeprefix(name_prefix).removesuffix(f"-{match['consumer']}-{match['label']}")
    return KeyOwner(environment, session.ledger.names.consumer(match["consumer"]), match["label"])


def _gateway_key(key: ApiKeyTypeDef | ApiKeyResponseTypeDef) -> GatewayKey:
    tag = key.get("tags", {}).get(ENVIRONMENT_TAG)
    return GatewayKey(key["id"], key.get("name", ""), key.get("description", ""), key.get("enabled", False), tag)
