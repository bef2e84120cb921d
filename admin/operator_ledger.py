"""The ledger as operators read and change it. Every change and its audit row are one transaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from heapq import merge
from typing import TYPE_CHECKING, Any, Final

from admin.errors import RefusedError
from admin.names import Names
from lambda_src.contract import ACCOUNTS_INDEX, ACCOUNTS_INDEX_KEY, AUDIT_MONTH, NAMES_PK, PK, SK, audit_pk, usage_pks
from lambda_src.core.row_change import HELD
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH = 100
"""Items of one BatchGetItem call (docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One item to write.

    condition: `new` if the item must not exist yet; `at TIME` if its attribute `at` must still have that value, so that
    no other operator's change of a STATE item is lost; None for no condition.
    """

    pk: str
    sk: str
    values: Mapping[str, object]
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """An operator's action, such as keys.issue, on `target`, from `before` to `after` (never a secret)."""

    action: str
    target: str
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None

    def row(self, by: str, at: datetime) -> Change:
        """The audit row of the action. by: the operator's ARN."""
        values = {
            "at": at.isoformat(timespec="milliseconds"),
            "by": by,
            "action": self.action,
            "target": self.target,
            "before": None if self.before is None else json.dumps(self.before, default=str),
            "after": None if self.after is None else json.dumps(self.after, default=str),
        }
        sk = f"{int(at.timestamp() * 1000):013d}#{secrets.token_hex(4)}"
        return Change(audit_pk(at.astimezone(UTC).strftime(AUDIT_MONTH)), sk, values, "new")


class OperatorLedger:
    """The table `name`. identity: returns the operator's ARN, called at the first change. now: the time in UTC.

    Partition keys in arguments, and consumers, models and providers in items, have present names (admin/names.py).
    renames: False for names as they are stored.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        name: str,
        identity: Callable[[], str],
        now: Callable[[], datetime],
        *,
        renames: bool = True,
    ) -> None:
        client.meta.events.register(_QUERY_RESPONSE, _keep_raw_items, unique_id=_QUERY_RESPONSE)
        self._client = client
        self._name = name
        self._identity = identity
        self._now = now
        self._renames = renames

    @cached_property
    def names(self) -> Names:
        """Present names of what has been renamed."""
        if not self._renames:
            return Names()
        response: Any = self._client.get_item(TableName=self._name, Key=_key(NAMES_PK, NAMES_PK))
        return Names.of_item(deserialize_item(response.get("Item", {})))

    def get(self, pk: str, sk: str) -> dict[str, Any]:
        """One item's plain values, read consistently; empty if it does not exist."""
        key = _key(self.names.stored_pk(pk), sk)
        response = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        return self._plain(response.get("Item", {}))

    def query(
        self,
        pk: str,
        *,
        begins: str | None = None,
        between: tuple[str, str] | None = None,
        newest_first: bool = False,
        consistent: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Items of a partition by sort key: all, those with a prefix, or those in an inclusive range. consistent: with
        all writes before the query, at twice the cost."""
        condition, values = "#p = :p", {":p": {"S": self.names.stored_pk(pk)}}
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
            ConsistentRead=consistent,
        )
        for page in pages:
            yield from map(self._plain, page["Items"])

    def usage_rows(self, consumer: str, day: str) -> Iterator[dict[str, Any]]:
        """A consumer's usage rows of a UTC day and their corrections, by time, without requests in progress."""
        rows = merge(*(self.query(pk) for pk in usage_pks(consumer, day)), key=lambda row: str(row[SK]))
        return (row for row in rows if row.get("settlement") != HELD)

    def listed(self, kind: str) -> list[tuple[str, str]]:
        """Keys of all items of a kind (contract.LISTED_…), from the sparse index."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName=ACCOUNTS_INDEX,
            KeyConditionExpression="#a = :a",
            ExpressionAttributeNames={"#a": ACCOUNTS_INDEX_KEY},
            ExpressionAttributeValues={":a": {"S": kind}},
        )
        return [(self.names.shown_pk(item[PK]["S"]), item[SK]["S"]) for page in pages for item in page["Items"]]

    def get_many(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        """Items by key, read consistently. Keys without an item are omitted."""
        items: dict[tuple[str, str], dict[str, Any]] = {}
        for start in range(0, len(keys), _BATCH):
            batch = [_key(self.names.stored_pk(pk), sk) for pk, sk in keys[start : start + _BATCH]]
            pending: Any = {self._name: {"Keys": batch, "ConsistentRead": True}}
            while pending:
                response = self._client.batch_get_item(RequestItems=pending)
                for item in map(self._plain, response["Responses"].get(self._name, [])):
                    items[self.names.shown_pk(item[PK]), item[SK]] = item
                pending = response.get("UnprocessedKeys")
        return items

    def change(self, changes: Sequence[Change], audit: Audit) -> None:
        """Write `changes` and their audit row, all or nothing. Raises RefusedError if a condition fails."""
        audit_row = audit.row(self._identity(), self._now())
        try:
            self._client.transact_write_items(TransactItems=[self._write(change) for change in (*changes, audit_row)])
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
            if not reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise
            raise RefusedError(
                f"another operator changed {audit.target} at the same time; nothing was changed. Check it, and run the "
                "command again if you still need to."
            ) from None

    def _write(self, change: Change) -> Any:
        members: dict[str, Any] = {"TableName": self._name}
        if change.condition is not None and change.condition.startswith("at "):
            members |= {"ConditionExpression": "#a = :a", "ExpressionAttributeNames": {"#a": "at"}}
            members["ExpressionAttributeValues"] = {":a": {"S": change.condition.removeprefix("at ")}}
        elif change.condition is not None:
            members |= {"ConditionExpression": "attribute_not_exists(#p)", "ExpressionAttributeNames": {"#p": PK}}
        values = dict(change.values)
        if isinstance(consumer := values.get("consumer"), str):
            values["consumer"] = self.names.id_of(consumer)
        key = _key(self.names.stored_pk(change.pk), change.sk)
        return {"Put": {**members, "Item": {**key, **serialize_item(values)}}}

    def _plain(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return self.names.shown(deserialize_item(dict(attributes)))


_QUERY_RESPONSE: Final = "before-parse.dynamodb.Query"


def _keep_raw_items(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Keep botocore from parsing the attributes of every item, which takes 0.1 ms each: a report may read 100,000."""
    if response_dict["status_code"] == 200:
        body = json.loads(response_dict["body"])
        customized_response_dict["Items"] = body.pop("Items", [])
        response_dict["body"] = json.dumps(body).encode()


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {PK: {"S": pk}, SK: {"S": sk}}
