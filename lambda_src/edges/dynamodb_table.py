"""One DynamoDB table through signed calls: single items and queries, and how many of its calls went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_src.contract import PK, SK
from lambda_src.core.account import Update
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import Item, deserialize_item, serialize_item
from lambda_src.edges.dynamodb_update import build_update

CONDITION = "ConditionalCheckFailed"
"""Why a part of a transaction was cancelled: what it tested does not hold."""


class DynamoDBTable:
    """The table `name`. Every method raises AwsError where DynamoDB cannot be reached, or refuses."""

    def __init__(self, aws: AwsClient, name: str) -> None:
        self._aws = aws
        self._table = name
        self._failures = 0

    def take_failure_counts(self) -> tuple[int, int]:
        """How many calls failed in the end, and how many tries DynamoDB throttled, since this was last asked."""
        failures, self._failures = self._failures, 0
        return failures, self._aws.take_throttled("dynamodb")

    def get(self, pk: str, sk: str, deadline: float) -> dict[str, Any]:
        """One item's plain values, read consistently; empty where there is none."""
        answer = self._call(
            "GetItem", {"TableName": self._table, "Key": item_key(pk, sk), "ConsistentRead": True}, deadline
        )
        return deserialize_item(answer.get("Item", {}))

    def query_partition(self, pk: str, deadline: float, *, sk_prefix: str | None = None) -> list[dict[str, Any]]:
        """All items of a partition, or those whose sort key begins so."""
        expression = "#p = :p" if sk_prefix is None else "#p = :p AND begins_with(#s, :s)"
        names = {"#p": PK} if sk_prefix is None else {"#p": PK, "#s": SK}
        values = {":p": {"S": pk}} if sk_prefix is None else {":p": {"S": pk}, ":s": {"S": sk_prefix}}
        members = {
            "KeyConditionExpression": expression,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        return self._query(members, deadline)

    def put_new(self, pk: str, sk: str, values: Mapping[str, object], deadline: float) -> bool:
        """Put an item that must not be there yet; False where it is."""
        members = {
            "TableName": self._table,
            "Item": {**item_key(pk, sk), **serialize_item(values)},
            "ConditionExpression": "attribute_not_exists(#p)",
            "ExpressionAttributeNames": {"#p": PK},
        }
        try:
            self._call("PutItem", members, deadline)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def set_attributes(self, pk: str, sk: str, values: Mapping[str, object], deadline: float) -> None:
        """Set attributes of an item."""
        self._call("UpdateItem", build_update(self._table, item_key(pk, sk), Update(sets=values, adds={})), deadline)

    def add_to_set(
        self, pk: str, sk: str, name: str, member: str, values: Mapping[str, object], most: int, deadline: float
    ) -> int:
        """Add `member` to the string set `name` of an item, unless it has `most` already; how many it has then."""
        sets = {f"#{each}": each for each in values}
        members = {
            "TableName": self._table,
            "Key": item_key(pk, sk),
            "UpdateExpression": f"ADD #n :m SET {', '.join(f'{each} = :{each[1:]}' for each in sets)}",
            "ConditionExpression": "attribute_not_exists(#n) OR size(#n) < :most",
            "ExpressionAttributeNames": {"#n": name, **sets},
            "ExpressionAttributeValues": {
                ":m": {"SS": [member]},
                **{f":{each}": value for each, value in serialize_item({**values, "most": most}).items()},
            },
            "ReturnValues": "UPDATED_NEW",
        }
        try:
            answer = self._call("UpdateItem", members, deadline)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                return most
            raise
        return len(answer["Attributes"][name]["SS"])

    def _query(self, members: Mapping[str, object], deadline: float) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: dict[str, object] = {"TableName": self._table, **members}
        while True:
            answer = self._call("Query", page, deadline)
            found += [deserialize_item(each) for each in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            page["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _call(self, operation: str, members: Mapping[str, object], deadline: float) -> dict[str, Any]:
        try:
            return self._aws.call("dynamodb", f"DynamoDB_20120810.{operation}", members, deadline=deadline)
        except AwsError as error:
            self._failures += not _refused_by_condition(error)
            raise


def item_key(pk: str, sk: str) -> Item:
    """The key of an item, as DynamoDB takes it."""
    return {PK: {"S": pk}, SK: {"S": sk}}


def _refused_by_condition(error: AwsError) -> bool:
    """Whether DynamoDB did what it was asked to: test a condition, which did not hold."""
    reasons = error.details.get("CancellationReasons", ())
    return error.code == "ConditionalCheckFailedException" or any(each.get("Code") == CONDITION for each in reasons)
