"""Helpers for tests of keys."""

from __future__ import annotations

import json
from typing import Any

from lambda_src.contract import KEY_SK, key_pk
from tests.e2e.command import Command
from tests.e2e.conftest import System

CHAT: dict[str, Any] = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}
NO_RETRIES = {"AWS_MAX_ATTEMPTS": "1"}
OPERATOR = "arn:aws:iam::000000000000:root"


def issue_key(tollgate: Command, label: str, consumer: str = "desk", *options: str) -> dict[str, Any]:
    """Issue a key and return its JSON document."""
    document: dict[str, Any] = tollgate.here(
        "--output", "json", "keys", "issue", consumer, "--label", label, *options
    ).json
    return document


def status_and_code(system: System, value: str) -> tuple[int, str | None]:
    """Status and error code of a request with this key value."""
    response = system.call("GET", "/v1/models", headers={"x-api-key": value})
    return response.status, None if response.status == 200 else json.loads(response.data)["error"]["code"]


def gateway_key_ids(system: System, label: str, consumer: str = "desk") -> list[str]:
    """Ids of the keys with this label in API Gateway."""
    name = f"tollgate-e2e-{consumer}-{label}"
    keys = system.cloud.client("apigateway").get_api_keys(nameQuery=name, limit=500)["items"]
    return [key["id"] for key in keys if key["name"] == name]


def ledger_item(system: System, key_id: str, sk: str = KEY_SK) -> dict[str, Any]:
    """A key's item in the ledger, in DynamoDB's format; {} if it does not exist."""
    key = {"pk": {"S": key_pk(key_id)}, "sk": {"S": sk}}
    item: dict[str, Any] = (
        system.cloud.client("dynamodb").get_item(TableName=system.outputs["table"], Key=key).get("Item", {})
    )
    return item
