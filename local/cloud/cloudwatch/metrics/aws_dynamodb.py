"""AWS/DynamoDB: what an alarm on throttling and on DynamoDB's own failures needs.

AWS: "DynamoDB metrics and dimensions" (amazondynamodb/latest/developerguide/metrics-dimensions.html): SystemErrors,
ThrottledRequests and SuccessfulRequestLatency by TableName and Operation, ReadThrottleEvents and WriteThrottleEvents
by TableName; nothing is published of what did not happen. Not restored: everything else, capacity above all.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from ministack import app as ministack_app

from local.cloud.cloudwatch.metrics import store

NAMESPACE: Final = "AWS/DynamoDB"
THROTTLED: Final = (
    b"ThrottlingException",
    b"ThrottlingError",
    b"ProvisionedThroughputExceeded",
    b"RequestLimitExceeded",
)
TARGET: Final = "DynamoDB_20120810"
READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
COUNTED: Final = READS | WRITES


def apply() -> None:
    """Wrap the way of every request to a service; must come after the repair that lets requests fail."""
    dispatch = ministack_app._dispatch_service_request

    async def counted(method: str, path: str, headers: dict[str, str], body: bytes, *rest: Any) -> Any:
        target, _, operation = headers.get("x-amz-target", "").rpartition(".")
        started = time.monotonic()
        answer = await dispatch(method, path, headers, body, *rest)
        if target == TARGET and operation in COUNTED:
            _count(operation, body, answer[0], answer[2], (time.monotonic() - started) * 1000)
        return answer

    ministack_app._dispatch_service_request = counted


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
            store.record(NAMESPACE, name, value, unit, {"TableName": table, "Operation": operation})
        if "ThrottledRequests" in metrics:
            event = "ReadThrottleEvents" if operation in READS else "WriteThrottleEvents"
            store.record(NAMESPACE, event, 1, "Count", {"TableName": table})


def tables_of(request: dict[str, Any]) -> set[str]:
    """Names of the tables that a request is about, which it may give as ARNs."""
    given = {request["TableName"]} if "TableName" in request else set(request.get("RequestItems") or ())
    for item in request.get("TransactItems") or ():
        given |= {action["TableName"] for action in item.values()}
    return {name.rpartition("/")[2] for name in given}
