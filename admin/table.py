"""The ledger's table as an operator reads and changes it. Every change carries its audit row in one transaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from admin.errors import RefusedError
from lambda_src.contract import ACCOUNTS_INDEX, ACCOUNTS_INDEX_KEY, AUDIT_MONTH, PK, SK, audit_pk
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH = 100
"""Items of one BatchGetItem (docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One item to write, whole. condition: what must hold of it before.

    condition: `new` it is not there, None nothing, `at …` its `at` still is that moment (of a STATE item that was
    read, so that no other operator's change is lost).
    """

    pk: str
    sk: str
    values: Mapping[str, object]
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What an operator did: `action` such as keys.issue, on `target`, from `before` to `after` (never a secret)."""

    action: str
    target: str
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


class OperatorLedger:
    """The table `name`. identity: tells the operator's ARN, asked for at the first change. now: UTC."""

    def __init__(
        self, client: DynamoDBClient, name: str, identity: Callable[[], str], now: Callable[[], datetime]
    ) -> None:
        client.meta.events.register(_QUERY_ANSWER, _items_as_they_are, unique_id=_QUERY_ANSWER)
        self._client = client
        self._name = name
        self._identity = identity
        self._now = now

    def get(self, pk: str, sk: str) -> dict[str, Any]:
        """One item's plain values, read consistently; empty where there is none."""
        found = self._client.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=True)
        return _plain(found.get("Item", {}))

    def query(
        self,
        pk: str,
        *,
        begins: str | None = None,
        between: tuple[str, str] | None = None,
        newest_first: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Items of a partition by their sort keys; all, those that begin so, or those of a closed range."""
        condition, values = "#p = :p", {":p": {"S": pk}}
        if begins is not None:
            condition, values = condition + " AND begins_with(#s, :a)", {**values, ":a": {"S": begins}}
        if between is not None:
            condition += " AND #s BETWEEN :a AND :b"
            values |= {":a": {"S": between[0]}, ":b": {"S": between[1]}}
        names = {"#p": PK} if condition == "#p = :p" else {"#p": PK, "#s": SK}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
        )
        for page in pages:
            yield from map(_plain, page["Items"])

    def listed(self, kind: str) -> list[tuple[str, str]]:
        """Keys of all items of that kind (contract.LISTED_…), through the sparse index."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName=ACCOUNTS_INDEX,
            KeyConditionExpression="#a = :a",
            ExpressionAttributeNames={"#a": ACCOUNTS_INDEX_KEY},
            ExpressionAttributeValues={":a": {"S": kind}},
        )
        return [(each[PK]["S"], each[SK]["S"]) for page in pages for each in page["Items"]]

    def get_many(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        """Items by their keys, read consistently; those that are not there are left out."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for start in range(0, len(keys), _BATCH):
            wanted = [_key(*each) for each in keys[start : start + _BATCH]]
            asked: Any = {self._name: {"Keys": wanted, "ConsistentRead": True}}
            while asked:
                answer = self._client.batch_get_item(RequestItems=asked)
                for each in map(_plain, answer["Responses"].get(self._name, [])):
                    found[each[PK], each[SK]] = each
                asked = answer.get("UnprocessedKeys")
        return found

    def change(self, changes: Sequence[Change], audit: Audit) -> None:
        """All of `changes` and their audit row, or nothing: Refused where a condition failed."""
        at = self._now()
        row = {
            "at": at.isoformat(timespec="milliseconds"),
            "by": self._identity(),
            "action": audit.action,
            "target": audit.target,
            "before": None if audit.before is None else json.dumps(audit.before, default=str),
            "after": None if audit.after is None else json.dumps(audit.after, default=str),
        }
        sk = f"{int(at.timestamp() * 1000):013d}#{secrets.token_hex(4)}"
        written = Change(audit_pk(at.astimezone(UTC).strftime(AUDIT_MONTH)), sk, row, "new")
        try:
            self._client.transact_write_items(TransactItems=[self._write(each) for each in (*changes, written)])
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = {each.get("Code") for each in error.response.get("CancellationReasons", ())}
            if not reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise
            raise RefusedError(
                f"somebody else changed {audit.target} at the same moment, so nothing was written. Look at it, and "
                "give the command again if it is still wanted."
            ) from None

    def _write(self, change: Change) -> Any:
        members: dict[str, Any] = {"TableName": self._name}
        if change.condition is not None and change.condition.startswith("at "):
            members |= {"ConditionExpression": "#a = :a", "ExpressionAttributeNames": {"#a": "at"}}
            members["ExpressionAttributeValues"] = {":a": {"S": change.condition.removeprefix("at ")}}
        elif change.condition is not None:
            members |= {"ConditionExpression": "attribute_not_exists(#p)", "ExpressionAttributeNames": {"#p": PK}}
        return {"Put": {**members, "Item": {**_key(change.pk, change.sk), **serialize_item(change.values)}}}


_QUERY_ANSWER: Final = "before-parse.dynamodb.Query"


def _items_as_they_are(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Keep botocore from walking through every attribute of every item only to return them as they came: it takes
    0.1 ms for an item, and a report may read 100,000."""
    if response_dict["status_code"] == 200:
        answer = json.loads(response_dict["body"])
        customized_response_dict["Items"] = answer.pop("Items", [])
        response_dict["body"] = json.dumps(answer).encode()


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {PK: {"S": pk}, SK: {"S": sk}}


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return deserialize_item(dict(attributes))
