"""Writes corrections, each in one transaction with its audit row. The aggregator books them in account and rollup."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from admin.errors import RefusedError
from admin.operator_ledger import Audit, Change
from admin.usage.corrections.rows import CorrectedRow, Note, Target, corrected_rows, correction_item
from lambda_src.contract import PK, SK
from lambda_src.core.pricing import usd
from lambda_src.core.usage_record import TOKEN_FIELDS
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize, serialize_item
from lambda_src.edges.dynamodb_table import CONDITION_FAILED, DynamoDBTable, item_key

_ABSENT: Final = {"ConditionExpression": "attribute_not_exists(#p)", "ExpressionAttributeNames": {"#p": PK}}
SECONDS_PER_CORRECTION: Final = 20.0
_ATTEMPTS: Final = 5
"""Attempts for a request that others change at the same time."""
_COMPARED: Final = ("settlement", "cost_nano_usd")
"""Attributes of a usage row that change if a late settle replaces it."""


class CorrectionLedger(DynamoDBTable):
    """The ledger `table`. now: returns the time in UTC. All methods raise AwsError if DynamoDB fails."""

    def __init__(self, aws: AwsClient, table: str, now: Callable[[], datetime]) -> None:
        super().__init__(aws, table)
        self.now = now

    def read(self, row: CorrectedRow, deadline: float) -> CorrectedRow | None:
        """The row and its corrections, read consistently. None if the row has expired."""
        parameters = {
            "KeyConditionExpression": "#p = :p AND begins_with(#s, :s)",
            "ExpressionAttributeNames": {"#p": PK, "#s": SK},
            "ExpressionAttributeValues": {":p": {"S": row.pk}, ":s": {"S": row.sk}},
            "ConsistentRead": True,
        }
        rows = corrected_rows(self._query(parameters, deadline), self.now())
        return next((found for found in rows if found.sk == row.sk), None)

    def bring_to(
        self, row: CorrectedRow, target_of: Callable[[CorrectedRow], Target | str], note: Note, action: str
    ) -> int | None:
        """Correct the request to `target_of(row)`. Returns the booked difference in nano-USD; None if it needs none.

        If another operator or a late settle changed the request meanwhile, the difference is computed anew.
        """
        deadline = time.monotonic() + SECONDS_PER_CORRECTION
        current: CorrectedRow | None = row
        for _ in range(_ATTEMPTS):
            target = "expired" if current is None else target_of(current)
            if current is None or isinstance(target, str) or target.reached(current):
                return None
            if self.book(current, target, note, action, deadline):
                return target.cost - current.cost
            current = self.read(current, deadline)
        raise RefusedError(f"request {row.request_id} keeps changing. Run the same command again.")

    def book(self, row: CorrectedRow, target: Target, note: Note, action: str, deadline: float) -> bool:
        """Book the correction that brings `row` to `target`, and its audit row. False, with nothing booked, if the row
        or its corrections are no longer as `row` has them.

        After an AwsError the correction may or may not have been booked. Read the row again to find out.
        """
        item = correction_item(row, target, note)
        put = {"TableName": self._table, "Item": serialize_item(item), "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        writes: list[dict[str, object]] = [
            {"Put": put | _ABSENT},
            {"ConditionCheck": {"TableName": self._table, "Key": item_key(row.pk, row.sk), **_unchanged(row)}},
            {"Put": {"TableName": self._table, **_put(_audit(row, target, item, action).row(note.by, note.at))}},
        ]
        try:
            self._call("TransactWriteItems", {"TransactItems": writes}, deadline)
        except AwsError as error:
            failed = [reason.get("Code") == CONDITION_FAILED for reason in _reasons(error)]
            if not any(failed):
                raise
            # An earlier attempt whose response was lost has written the very same item.
            existing = deserialize_item(_reasons(error)[0].get("Item", {}))
            return existing == {name: value for name, value in item.items() if value is not None}
        return True


def _reasons(error: AwsError) -> list[dict[str, Any]]:
    """Why a transaction was cancelled, for each of its items."""
    return list(error.details.get("CancellationReasons", ()))


def _unchanged(row: CorrectedRow) -> dict[str, object]:
    """The condition that the usage row is still as it was read."""
    expected = {name: row.item.get(name) for name in _COMPARED}
    terms = [f"#{name} = :{name}" if value is not None else f"attribute_not_exists(#{name})"
             for name, value in expected.items()]  # fmt: skip
    values = {f":{name}": serialize(value) for name, value in expected.items() if value is not None}
    return {
        "ConditionExpression": " AND ".join(["attribute_exists(#p)", *terms]),
        "ExpressionAttributeNames": {"#p": PK, **{f"#{name}": name for name in expected}},
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def _audit(row: CorrectedRow, target: Target, item: dict[str, Any], action: str) -> Audit:
    changed = [name for name in TOKEN_FIELDS if name in item]
    return Audit(
        action=action,
        target=f"{row.item['consumer']}/{row.request_id}",
        before={"usd": usd(row.cost)} | {name: getattr(row.tokens, TOKEN_FIELDS[name]) for name in changed},
        after={"usd": usd(target.cost)}
        | {name: getattr(target.tokens, TOKEN_FIELDS[name]) for name in changed}
        | {"reason": item["reason"], "correction": item[SK].rpartition("#")[2], "day": row.day, "run": item["run"]},
    )


def _put(change: Change) -> dict[str, object]:
    """A new item in a transaction."""
    return {"Item": {**item_key(change.pk, change.sk), **serialize_item(change.values)}, **_ABSENT}
