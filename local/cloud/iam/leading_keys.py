"""`dynamodb:LeadingKeys`: the partition keys that a request touches, by which a policy can tell items apart.

AWS: "Using IAM policy conditions for fine-grained access control"
(amazondynamodb/latest/developerguide/specifying-conditions.html). MiniStack does not know the key. Each item of a
transaction is asked about with its own key. A Scan touches none, and passes `ForAllValues`, as on AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from ministack.core import iam_actions, iam_evaluator
from ministack.services import dynamodb

LEADING: Final = "dynamodb:LeadingKeys"
EQUALITY: Final = re.compile(r"([#\w.-]+)\s*=\s*(:\w+)")

_service_context = iam_actions.dynamodb_service_context
_transaction_checks = iam_actions.dynamodb_transaction_checks


class ItemArn(str):
    """The ARN of a table, and the key of one item of a transaction."""

    __slots__ = ("leading_keys",)

    leading_keys: list[str]


def apply() -> None:
    """Replace the condition keys of DynamoDB, and add those of one item to the engine's question."""
    iam_actions.dynamodb_service_context = service_context
    iam_actions.dynamodb_transaction_checks = transaction_checks
    enforce = iam_evaluator.enforce

    def enforce_item(
        access_key: str, action: str, service: str, region: str, resource_arn: str = "*", **more: Any
    ) -> Any:
        if isinstance(resource_arn, ItemArn):
            more["service_context"] = {**more["service_context"], LEADING: resource_arn.leading_keys}
        return enforce(access_key, action, service, region, resource_arn=resource_arn, **more)

    iam_evaluator.enforce = enforce_item


def service_context(body: bytes) -> Any:
    """The condition keys of a request that is no transaction."""
    keys = sorted(set(_leading_keys(json.loads(body or b"{}"))))
    return _service_context(body) | ({LEADING: keys} if keys else {})


def transaction_checks(action: str, body: bytes, region: str, account: str) -> list[tuple[str, str]]:
    """What is asked of each item: its action and its table."""
    checks: list[tuple[str, str]] = []
    for item in json.loads(body or b"{}").get("TransactItems", []):
        one = json.dumps({"TransactItems": [item]}).encode()
        for item_action, table in _transaction_checks(action, one, region, account):
            arn = ItemArn(table)
            arn.leading_keys = sorted({key for request in item.values() for key in _leading_keys(request)})
            checks.append((item_action, arn))
    return checks


def _leading_keys(request: dict[str, Any]) -> Iterable[str]:
    for table, wanted in request.get("RequestItems", {}).items():
        if isinstance(wanted, dict):
            yield from _of_items(table, wanted.get("Keys", []))
        else:
            writes = [write for each in wanted for write in each.values()]
            yield from _of_items(table, [write.get("Item") or write.get("Key") for write in writes])
    table = request.get("TableName")
    if table is None:
        return
    yield from _of_items(table, [request[name] for name in ("Key", "Item") if name in request])
    yield from _of_query(request)


def _of_items(table: str, items: Iterable[dict[str, Any]]) -> Iterable[str]:
    name = _partition_key(table, None)
    return [str(value) for item in items if name in item for value in item[name].values()]


def _of_query(request: dict[str, Any]) -> Iterable[str]:
    name = _partition_key(request["TableName"], request.get("IndexName"))
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    for field, placeholder in EQUALITY.findall(request.get("KeyConditionExpression", "")):
        if names.get(field, field) == name and placeholder in values:
            yield from map(str, values[placeholder].values())


def _partition_key(table: str, index: str | None) -> str | None:
    record = dynamodb._tables.get(table.rpartition("table/")[2] or table)
    if record is None:
        return None
    indexes = [*(record.get("GlobalSecondaryIndexes") or []), *(record.get("LocalSecondaryIndexes") or [])]
    owner = next((each for each in indexes if each["IndexName"] == index), record)
    return next((str(key["AttributeName"]) for key in owner["KeySchema"] if key["KeyType"] == "HASH"), None)
