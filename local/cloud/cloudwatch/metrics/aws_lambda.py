"""AWS/Lambda: what every invocation counts, whoever invoked.

AWS: "Types of metrics for Lambda functions" (lambda/latest/dg/monitoring-metrics-types.html): Invocations, Errors,
Throttles, Duration and ConcurrentExecutions, by FunctionName and for all functions of the region together. A throttled
invocation is no invocation. MiniStack counts those alone that come through Lambda's own API. Not restored: by version
and alias, asynchronous events, iterator ages.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from ministack.services import lambda_svc

from local.cloud.cloudwatch.metrics import store

NAMESPACE: Final = "AWS/Lambda"

_dispatch = lambda_svc._execute_function_dispatch
_acquire = lambda_svc._acquire_execution_slot


def apply() -> None:
    """Replace the one point every invocation comes through, and the one where it is turned away."""
    lambda_svc._execute_function_dispatch = dispatch
    lambda_svc._acquire_execution_slot = acquire
    lambda_svc._emit_lambda_metrics = _counted_already


def acquire(function: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """Room for one more execution: (slot, None), or (None, the limit that was reached)."""
    slot, limit = _acquire(function, config)
    if slot is None:
        _record(str(config.get("FunctionName")), {"Throttles": (1, "Count")}, time.time())
    return slot, limit


def dispatch(
    function: Mapping[str, Any], config: Mapping[str, Any], event: Any, request_id: str, started: float
) -> Any:
    """Run one invocation; its metrics are of the moment it began, as on AWS."""
    name = str(config.get("FunctionName"))
    total, by_function = lambda_svc.executions_in_flight()
    own = by_function.get(lambda_svc._inflight_key(config), 1)
    store.record(NAMESPACE, "ConcurrentExecutions", total, "Count")
    store.record(NAMESPACE, "ConcurrentExecutions", own, "Count", {"FunctionName": name})
    begun = time.monotonic()
    result = _dispatch(function, config, event, request_id, started)
    failed = isinstance(result, dict) and bool(result.get("error"))
    values: dict[str, tuple[float, str]] = {
        "Invocations": (1, "Count"),
        "Errors": (float(failed), "Count"),
        "Throttles": (0, "Count"),
        "Duration": (round((time.monotonic() - begun) * 1000, 2), "Milliseconds"),
    }
    _record(name, values, started)
    return result


def _record(function: str, values: Mapping[str, tuple[float, str]], at: float) -> None:
    for dimensions in ((), (("FunctionName", function),)):
        for metric, (value, unit) in values.items():
            key = store.key_of(NAMESPACE, metric, dimensions)
            store.put(key, at, {store.single(value): 1.0}, unit)


def _counted_already(*_: Any, **__: Any) -> None:
    """MiniStack's own count, of some invocations."""
