"""What the tests of keys share."""

from __future__ import annotations

import json
from typing import Any

from lambda_src.contract import KEY_SK, key_pk
from tests.e2e.command import Command
from tests.e2e.conftest import System

CHAT: dict[str, Any] = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}
ONCE = {"AWS_MAX_ATTEMPTS": "1"}
OPERATOR = "arn:aws:iam::000000000000:root"


def issued(tollgate: Command, label: str, consumer: str = "desk", *options: str) -> dict[str, Any]:
    """A new key's document."""
    document: dict[str, Any] = tollgate.here(
        "--output", "json", "keys", "issue", consumer, "--label", label, *options
    ).json
    return document


def asked(system: System, value: str) -> tuple[int, str | None]:
    """Status and error code of a request with a key."""
    answer = system.call("GET", "/v1/models", headers={"x-api-key": value})
    return answer.status, None if answer.status == 200 else json.loads(answer.data)["error"]["code"]


def in_gateway(system: System, label: str, consumer: str = "desk") -> list[str]:
    """Ids of API Gateway's keys of that name."""
    found = system.cloud.client("apigateway").get_api_keys(nameQuery=f"tollgate-e2e-{consumer}-{label}", limit=500)
    return [each["id"] for each in found["items"] if each["name"] == f"tollgate-e2e-{consumer}-{label}"]


def in_ledger(system: System, key_id: str, sk: str = KEY_SK) -> dict[str, Any]:
    """An item of a key, in DynamoDB's types."""
    key = {"pk": {"S": key_pk(key_id)}, "sk": {"S": sk}}
    item: dict[str, Any] = (
        system.cloud.client("dynamodb").get_item(TableName=system.outputs["table"], Key=key).get("Item", {})
    )
    return item
