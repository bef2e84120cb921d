"""API Gateway's side of a key: the key itself, its value, its usage plan."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from admin.errors import ConfigurationError
from admin.session import Session
from lambda_src.contract import api_key_description, api_key_name, prefix

if TYPE_CHECKING:
    from mypy_boto3_apigateway.type_defs import ApiKeyResponseTypeDef, ApiKeyTypeDef, PatchOperationTypeDef

CREATES_PER_SECOND: Final = 5
"""CreateApiKey's limit per account (docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""
_DESCRIPTION: Final = re.compile(r"Key (?P<label>[a-z0-9-]+) of consumer (?P<consumer>[a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key as API Gateway lists it, without its value."""

    key_id: str
    name: str
    description: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a key is by its name and description."""

    environment: str
    consumer: str
    label: str


class RateLimiter:
    """Keeps a row of calls at or under so many a second; what other callers use up, backoff has to absorb."""

    def __init__(self, per_second: int) -> None:
        self._gap = 1 / per_second
        self._next = 0.0

    def wait(self) -> None:
        """Until the next call may start."""
        now = time.monotonic()
        time.sleep(max(0.0, self._next - now))
        self._next = max(now, self._next) + self._gap


def description(session: Session, consumer: str, label: str, replaces: str | None = None) -> str:
    """What an operator's key says of itself in API Gateway, by which a half-made one is found again."""
    tail = "" if replaces is None else f", replaces {replaces}"
    return f"{api_key_description(consumer, label)} in {session.environment}, issued by an operator{tail}"


def create(session: Session, consumer: str, label: str, description: str) -> tuple[str, str]:
    """Id and secret value of a new key. It works nowhere yet: it is on no plan."""
    name = api_key_name(session.environment, consumer, label)
    made = session.apigateway.create_api_key(name=name, description=description, enabled=True)
    return made["id"], made["value"]


def named_keys(session: Session, beginning: str) -> list[NamedKey]:
    """Keys whose names begin so."""
    pages = session.apigateway.get_paginator("get_api_keys").paginate(
        nameQuery=beginning, includeValues=False, PaginationConfig={"PageSize": 500}
    )
    return [_named(each) for page in pages for each in page["items"]]


def named_key(session: Session, key_id: str) -> NamedKey | None:
    """One key; None where API Gateway has none of that id."""
    client = session.apigateway
    try:
        return _named(client.get_api_key(apiKey=key_id, includeValue=False))
    except client.exceptions.NotFoundException:
        return None


def value_of(session: Session, key_id: str) -> str:
    """A key's secret value."""
    return session.apigateway.get_api_key(apiKey=key_id, includeValue=True)["value"]


def enable(session: Session, key_id: str, enabled: bool) -> bool:
    """Let API Gateway accept or refuse a key, at once; False where it is gone."""
    client = session.apigateway
    change: PatchOperationTypeDef = {"op": "replace", "path": "/enabled", "value": str(enabled).lower()}
    try:
        client.update_api_key(apiKey=key_id, patchOperations=[change])
    except client.exceptions.NotFoundException:
        return False
    return True


def delete(session: Session, key_id: str) -> None:
    """Delete a key, and so its place on any plan; nothing where it is gone."""
    client = session.apigateway
    try:
        client.delete_api_key(apiKey=key_id)
    except client.exceptions.NotFoundException:
        return


def plan_id(session: Session, plan: str) -> str:
    """Id of a usage plan; Unconfigured where it is not deployed."""
    found = session.plan_ids.get(plan)
    if found is None:
        raise ConfigurationError(
            f"usage plan {prefix(session.environment)}-{plan} is not deployed, though a consumer is on it: the last "
            "deploy did not finish. Run it again."
        )
    return found


def on_plan(session: Session, plan: str, key_id: str) -> bool:
    """Whether a key is on a plan."""
    client = session.apigateway
    try:
        client.get_usage_plan_key(usagePlanId=plan_id(session, plan), keyId=key_id)
    except client.exceptions.NotFoundException:
        return False
    return True


def plans_of(session: Session, key_id: str) -> list[str]:
    """The environment's plans that a key is on; more than one is not possible on AWS."""
    return [plan for plan in session.plan_ids if on_plan(session, plan, key_id)]


def put_on_plan(session: Session, plan: str, key_id: str) -> None:
    """Put a key on a plan; nothing where it is on it already."""
    client = session.apigateway
    try:
        client.create_usage_plan_key(usagePlanId=plan_id(session, plan), keyId=key_id, keyType="API_KEY")
    except client.exceptions.ConflictException:
        if not on_plan(session, plan, key_id):
            raise


def move_to_plan(session: Session, plan: str, key_id: str, present: Sequence[str]) -> None:
    """Put a key on a plan and on no other: a consumer's plan may have changed since it was made.

    present: `plans_of` the key.
    """
    for other in present:
        if other != plan:
            session.apigateway.delete_usage_plan_key(usagePlanId=plan_id(session, other), keyId=key_id)
    if plan not in present:
        put_on_plan(session, plan, key_id)


def used_today(session: Session, plan: str, key_id: str) -> tuple[int, int] | None:
    """Requests that API Gateway counted today against a plan's quota, and how many are left; None without a quota."""
    client, its_id = session.apigateway, plan_id(session, plan)
    plans = (each for page in client.get_paginator("get_usage_plans").paginate() for each in page["items"])
    if not any(each["id"] == its_id and each.get("quota", {}).get("limit") for each in plans):
        return None
    day = session.now().date().isoformat()
    days = client.get_usage(usagePlanId=its_id, keyId=key_id, startDate=day, endDate=day).get("items", {}).get(key_id)
    return (int(days[-1][0]), int(days[-1][1])) if days else None


def environment_of(key: NamedKey) -> Owner | None:
    """Whose a key is; None for one that tollgate did not name."""
    said = _DESCRIPTION.match(key.description)
    head = prefix("")
    if said is None or not key.name.startswith(head):
        return None
    environment = key.name.removeprefix(head).removesuffix(f"-{said['consumer']}-{said['label']}")
    return Owner(environment, said["consumer"], said["label"])


def _named(found: ApiKeyTypeDef | ApiKeyResponseTypeDef) -> NamedKey:
    return NamedKey(found["id"], found.get("name", ""), found.get("description", ""), found.get("enabled", False))
