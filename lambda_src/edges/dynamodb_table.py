"""One DynamoDB table: reads and writes of single items, queries, and counts of failed calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lambda_src.contract import PK, SK
from lambda_src.core.account import Update
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import Item, deserialize_item, serialize_item
from lambda_src.edges.dynamodb_update import build_update

CONDITION_FAILED = "ConditionalCheckFailed"
"""Cancellation reason of a transaction whose condition does not hold."""


class Failures(NamedTuple):
    """Calls of a table that failed after all retries; attempts that DynamoDB throttled; and attempts that conflicted
    with a transaction."""

    failed: int
    throttled: int
    conflicting: int


class ConditionError(Exception):
    """The condition of a write does not hold. item: the item, as it was then; empty if it does not exist."""

    def __init__(self, item: dict[str, Any]) -> None:
        super().__init__("the condition of a write does not hold")
        self.item = item


class DynamoDBTable:
    """The table `name`. Every method raises AwsError if DynamoDB rejects the call or cannot be reached."""

    def __init__(self, aws: AwsClient, name: str) -> None:
        self._aws = aws
        self._table = name
        self._failures = 0

    def take_failures(self) -> Failures:
        """What failed since the last call of this method."""
        failed, self._failures = self._failures, 0
        return Failures(failed, *self._aws.take_rejected("dynamodb"))

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

    def query_between(self, pk: str, first: str, last: str, deadline: float) -> list[dict[str, Any]]:
        """The items of a partition whose sort keys are between `first` and `last`, read consistently."""
        parameters = {
            "KeyConditionExpression": "#p = :p AND #s BETWEEN :f AND :l",
            "ExpressionAttributeNames": {"#p": PK, "#s": SK},
            "ExpressionAttributeValues": {":p": {"S": pk}, ":f": {"S": first}, ":l": {"S": last}},
            "ConsistentRead": True,
        }
        return self._query(parameters, deadline)

    def update(
        self,
        pk: str,
        sk: str,
        update: Update,
        deadline: float,
        *,
        throttled_until: float | None = None,
        repeats: int | None = None,
    ) -> dict[str, Any]:
        """The item after `update`. ConditionError if its condition does not hold. The last two parameters are those of
        `AwsClient.call`."""
        parameters = build_update(self._table, item_key(pk, sk), update)
        parameters |= {"ReturnValues": "ALL_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            response = self._call("UpdateItem", parameters, deadline, throttled_until=throttled_until, repeats=repeats)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            raise ConditionError(deserialize_item(error.details.get("Item", {}))) from None
        return deserialize_item(response["Attributes"])

    def set_attributes(self, pk: str, sk: str, values: Mapping[str, object], deadline: float) -> None:
        self._call("UpdateItem", build_update(self._table, item_key(pk, sk), Update(sets=values)), deadline)

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

    def _call(
        self,
        operation: str,
        parameters: Mapping[str, object],
        deadline: float,
        *,
        throttled_until: float | None = None,
        repeats: int | None = None,
    ) -> dict[str, Any]:
        try:
            return self._aws.call(
                "dynamodb",
                f"DynamoDB_20120810.{operation}",
                parameters,
                deadline=deadline,
                throttled_until=throttled_until,
                repeats=repeats,
            )
        except AwsError as error:
            self._failures += not _is_failed_condition(error)
            raise


def _is_failed_condition(error: AwsError) -> bool:
    """Whether the call was rejected by a condition, which is an expected result."""
    reasons = error.details.get("CancellationReasons", ())
    return error.code == "ConditionalCheckFailedException" or any(
        reason.get("Code") == CONDITION_FAILED for reason in reasons
    )


def item_key(pk: str, sk: str) -> Item:
    return {PK: {"S": pk}, SK: {"S": sk}}
