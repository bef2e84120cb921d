"""One DynamoDB table: reads and writes of single items, queries, and counts of failed calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_src.contract import PK, SK
from lambda_src.core.account import Update
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import Item, deserialize_item, serialize_item
from lambda_src.edges.dynamodb_update import build_update

CONDITION_FAILED = "ConditionalCheckFailed"
"""Cancellation reason of a transaction whose condition does not hold."""


class DynamoDBTable:
    """The table `name`. Every method raises AwsError if DynamoDB rejects the call or cannot be reached."""

    def __init__(self, aws: AwsClient, name: str) -> None:
        self._aws = aws
        self._table = name
        self._failures = 0

    def take_failure_counts(self) -> tuple[int, int]:
        """Failed calls, and attempts that DynamoDB throttled, since the last call of this method."""
        failures, self._failures = self._failures, 0
        return failures, self._aws.take_throttled("dynamodb")

    def get(self, pk: str, sk: str, deadline: float) -> dict[str, Any]:
        """The plain values of an item, read consistently; empty if it does not exist."""
        response = self._call(
            "GetItem", {"TableName": self._table, "Key": item_key(pk, sk), "ConsistentRead": True}, deadline
        )
        return deserialize_item(response.get("Item", {}))

    def query_partition(self, pk: str, deadline: float, *, sk_prefix: str | None = None) -> list[dict[str, Any]]:
        """All items of a partition, or those whose sort key begins with `sk_prefix`."""
        expression = "#p = :p" if sk_prefix is None else "#p = :p AND begins_with(#s, :s)"
        names = {"#p": PK} if sk_prefix is None else {"#p": PK, "#s": SK}
        values = {":p": {"S": pk}} if sk_prefix is None else {":p": {"S": pk}, ":s": {"S": sk_prefix}}
        parameters = {
            "KeyConditionExpression": expression,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        return self._query(parameters, deadline)

    def put_new(self, pk: str, sk: str, values: Mapping[str, object], deadline: float) -> bool:
        """Create an item. False if it already exists."""
        parameters = {
            "TableName": self._table,
            "Item": {**item_key(pk, sk), **serialize_item(values)},
            "ConditionExpression": "attribute_not_exists(#p)",
            "ExpressionAttributeNames": {"#p": PK},
        }
        try:
            self._call("PutItem", parameters, deadline)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def set_attributes(self, pk: str, sk: str, values: Mapping[str, object], deadline: float) -> None:
        self._call("UpdateItem", build_update(self._table, item_key(pk, sk), Update(sets=values, adds={})), deadline)

    def add_to_set(
        self, pk: str, sk: str, name: str, element: str, values: Mapping[str, object], max_size: int, deadline: float
    ) -> int:
        """Add `element` to the string set `name` of an item and set `values`, unless the set already has `max_size`
        elements. Returns the set's size."""
        sets = {f"#{attribute}": attribute for attribute in values}
        parameters = {
            "TableName": self._table,
            "Key": item_key(pk, sk),
            "UpdateExpression": f"ADD #n :m SET {', '.join(f'#{attribute} = :{attribute}' for attribute in values)}",
            "ConditionExpression": "attribute_not_exists(#n) OR size(#n) < :max_size",
            "ExpressionAttributeNames": {"#n": name, **sets},
            "ExpressionAttributeValues": {
                ":m": {"SS": [element]},
                **{f":{key}": value for key, value in serialize_item({**values, "max_size": max_size}).items()},
            },
            "ReturnValues": "UPDATED_NEW",
        }
        try:
            response = self._call("UpdateItem", parameters, deadline)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                return max_size
            raise
        return len(response["Attributes"][name]["SS"])

    def _query(self, parameters: Mapping[str, object], deadline: float) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        page: dict[str, object] = {"TableName": self._table, **parameters}
        while True:
            response = self._call("Query", page, deadline)
            items += [deserialize_item(item) for item in response["Items"]]
            if "LastEvaluatedKey" not in response:
                return items
            page["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def _call(self, operation: str, parameters: Mapping[str, object], deadline: float) -> dict[str, Any]:
        try:
            return self._aws.call("dynamodb", f"DynamoDB_20120810.{operation}", parameters, deadline=deadline)
        except AwsError as error:
            self._failures += not _is_failed_condition(error)
            raise


def item_key(pk: str, sk: str) -> Item:
    return {PK: {"S": pk}, SK: {"S": sk}}


def _is_failed_condition(error: AwsError) -> bool:
    """Whether the call was rejected by a condition, which is an expected result."""
    reasons = error.details.get("CancellationReasons", ())
    return error.code == "ConditionalCheckFailedException" or any(
        reason.get("Code") == CONDITION_FAILED for reason in reasons
    )
