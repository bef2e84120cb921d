"""AWS/DynamoDB: what an alarm on throttling and on DynamoDB's own failures needs.

AWS: "DynamoDB metrics and dimensions" (amazondynamodb/latest/developerguide/metrics-dimensions.html): SystemErrors,
ThrottledRequests and SuccessfulRequestLatency by TableName and Operation, ReadThrottleEvents and WriteThrottleEvents
by TableName; nothing is published of what did not happen. Not restored: everything else, capacity above all.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from ministack.services import dynamodb

from local.repairs import metrics_store

NAMESPACE: Final = "AWS/DynamoDB"
THROTTLED: Final = (
    b"ThrottlingException",
    b"ThrottlingError",
    b"ProvisionedThroughputExceeded",
    b"RequestLimitExceeded",
)
READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})


def apply() -> None:
    """Wrap the service's entry, faults that are asked for included: must come after them."""
    handle = dynamodb.handle_request

    async def counted(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        started = time.monotonic()
        answer = await handle(method, path, headers, body, query_params)
        if operation in READS | WRITES:
            _count(operation, body, answer[0], answer[2], (time.monotonic() - started) * 1000)
        return answer

    dynamodb.handle_request = counted


def _count(operation: str, request: bytes, status: int, answer: bytes, milliseconds: float) -> None:
    metrics: dict[str, tuple[float, str]] = {}
    if status < 400:
        metrics["SuccessfulRequestLatency"] = (milliseconds, "Milliseconds")
    elif status >= 500:
        metrics["SystemErrors"] = (1, "Count")
    elif any(code in answer for code in THROTTLED):
        metrics["ThrottledRequests"] = (1, "Count")
    for table in tables_of(json.loads(request)) if metrics else ():
        for name, (value, unit) in metrics.items():
            metrics_store.record(NAMESPACE, name, value, unit, {"TableName": table, "Operation": operation})
        if "ThrottledRequests" in metrics:
            event = "ReadThrottleEvents" if operation in READS else "WriteThrottleEvents"
            metrics_store.record(NAMESPACE, event, 1, "Count", {"TableName": table})


def tables_of(request: dict[str, Any]) -> set[str]:
    """Names of the tables that a request is about, which it may give as ARNs."""
    given = {request["TableName"]} if "TableName" in request else set(request.get("RequestItems") or ())
    for item in request.get("TransactItems") or ():
        given |= {action["TableName"] for action in item.values()}
    return {name.rpartition("/")[2] for name in given}
