"""DynamoDB rejects writes to an item that a running transaction holds, and too many writes to one partition key.

AWS: docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html (conflicts) and
docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-key-range-limit-exceeded-mitigation.html
(1,000 write units a second). MiniStack's transactions take no time, and it has no limit. Here the limit is per
partition key: DynamoDB gives a busy key a partition of its own at best.
Test: tests/local/cloud/test_contention.py::test_writes_conflict_with_a_running_transaction
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import dynamodb

_Key = tuple[str, str, str]
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
_TRANSACTION = "TransactWriteItems"


@dataclass(frozen=True, slots=True)
class Contention:
    """transaction_seconds: how long a transaction holds its items. write_units: per second and partition key; None: no
    limit."""

    transaction_seconds: float = 0.005
    write_units: int | None = 1_000


_active = [Contention()]
_held: set[_Key] = set()
_units_left: dict[tuple[str, str], tuple[float, float]] = {}
"""By table and partition key: units that are left, and when they were counted."""

_handle = dynamodb.handle_request


def apply() -> None:
    """Wrap the function that handles requests."""
    dynamodb.handle_request = handle_request


def change(**changes: Any) -> dict[str, Any]:
    """Change fields of `Contention`; returns the fields as they were."""
    before = _active[0]
    _active[0] = replace(before, **changes)
    _units_left.clear()
    return asdict(before)


async def handle_request(
    method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
) -> Any:
    """Handle a request, or reject a write."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if operation not in _WRITES and operation != _TRANSACTION:
        return await _handle(method, path, headers, body, query_params)
    keys = list(_written_keys(operation, json.loads(body)))
    if error := _rejection(operation, keys):
        return error
    if operation in _WRITES:
        answer = await _handle(method, path, headers, body, query_params)
        _charge(keys, 1)
        return answer
    _held.update(keys)
    try:
        answer = await _handle(method, path, headers, body, query_params)
        _charge(keys, 2)
        await asyncio.sleep(_active[0].transaction_seconds)
    finally:
        _held.difference_update(keys)
    return answer


def _written_keys(operation: str, request: Mapping[str, Any]) -> Iterator[_Key]:
    """Table, partition key and sort key of each item that a request writes or checks, as MiniStack stores them."""
    actions = [request]
    if operation == _TRANSACTION:
        actions = [action for entry in request.get("TransactItems", ()) for action in entry.values()]
    for action in actions:
        name = action.get("TableName", "")
        table = dynamodb._tables.get(name)
        if table is not None:
            pk, sk, error = dynamodb._resolve_table_key_values(table, action.get("Key") or action.get("Item"), True)
            if error is None:
                yield name, pk, sk


def _rejection(operation: str, keys: list[_Key]) -> Any:
    """The error that DynamoDB returns for a write to `keys`; None if it accepts it."""
    conflicting = [key in _held for key in keys]
    throttled = [_left(key[:2]) <= 0 for key in keys]
    if not any(conflicting) and not any(throttled):
        return None
    if operation == _TRANSACTION:
        codes = [
            "TransactionConflict" if conflicts else "ThrottlingError" if throttles else "None"
            for conflicts, throttles in zip(conflicting, throttled, strict=True)
        ]
        return error_response_json(
            "TransactionCanceledException",
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]",
            400,
            extra={"CancellationReasons": [{"Code": code} for code in codes]},
        )
    if any(conflicting):
        return error_response_json("TransactionConflictException", "Transaction is ongoing for the item", 400)
    table = dynamodb._tables[keys[0][0]]
    reasons = [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": table["TableArn"]}]
    message = "Throughput exceeds the limit of a partition key."
    return error_response_json("ThrottlingException", message, 400, extra={"throttlingReasons": reasons})


def _left(partition: tuple[str, str]) -> float:
    """Write units that are left of a partition key's: at most those of one second."""
    limit = _active[0].write_units
    if limit is None:
        return 1.0
    units, at = _units_left.get(partition, (float(limit), 0.0))
    return min(limit, units + (time.monotonic() - at) * limit)


def _charge(keys: list[_Key], factor: int) -> None:
    """Take the write units of items from their partition keys: one for each started kilobyte of an item."""
    for name, pk, sk in keys if _active[0].write_units is not None else ():
        item = dynamodb._tables[name]["items"].get(pk, {}).get(sk)
        units = dynamodb._capacity_kb(dynamodb._item_size_bytes(item)) if item else 1
        _units_left[name, pk] = _left((name, pk)) - units * factor, time.monotonic()
