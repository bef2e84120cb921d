"""Metrics of API Gateway and Lambda that alarms or the dashboard read.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html (by ApiName and Stage)
and docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html (by FunctionName; IteratorAge is the age of the
last record of each batch from a stream, whose records have their time in whole seconds). MiniStack publishes nothing
for API Gateway, and for Lambda only invocations through its Invoke operation.
Test: tests/e2e/test_alarms.py::test_alarm_starts_notifies_and_ends
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ministack.services import apigateway_v1, cloudwatch, lambda_svc

from local.cloud.apigateway.request_context import current

_acquire_execution_slot = lambda_svc._acquire_execution_slot
_apply_filter_criteria = lambda_svc._apply_filter_criteria


def apply() -> None:
    """Wrap the functions that handle requests to a stage and invocations. Apply after `stage` and `function_logs`."""
    handle_stage_request = apigateway_v1._handle_execute_in_scope

    async def counted_stage_request(*arguments: Any, **options: Any) -> Any:
        answer = await handle_stage_request(*arguments, **options)
        record_stage_request()
        return answer

    write_log_lines = lambda_svc._emit_lambda_logs

    def counted_invocation(
        function: Any, request_id: str, text: str, error: bool, duration_ms: int, **rest: Any
    ) -> None:
        write_log_lines(function, request_id, text, error, duration_ms, **rest)
        _record_function(function["config"], {"Errors": error})
        _record_function(function["config"], {"Duration": duration_ms}, "Milliseconds")

    apigateway_v1._handle_execute_in_scope = counted_stage_request
    lambda_svc._acquire_execution_slot = acquire_execution_slot
    lambda_svc._apply_filter_criteria = filtered_batch
    lambda_svc._emit_lambda_logs = counted_invocation
    lambda_svc._emit_lambda_metrics = lambda *_, **__: None


def record_stage_request() -> None:
    """Count the current request. Error metrics have a value for every request: their average is a rate."""
    request = current.get()
    if request.record["stage"] is None or request.status is None:
        return
    name = apigateway_v1._rest_apis[request.record["api_id"]]["name"]
    dimensions = {"ApiName": name, "Stage": request.record["stage_name"]}
    for metric, value, unit in (
        ("Count", 1, "Count"),
        ("4XXError", 400 <= request.status < 500, "Count"),
        ("5XXError", request.status >= 500, "Count"),
        ("Latency", (time.time() - request.started) * 1000, "Milliseconds"),
    ):
        cloudwatch.record_metric("AWS/ApiGateway", metric, value, unit, dimensions)


def acquire_execution_slot(function: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """Reserve one concurrent execution; counts concurrency, or a throttled invocation."""
    slot, limit = _acquire_execution_slot(function, config)
    _, by_function = lambda_svc.executions_in_flight()
    metrics = {"Throttles": 1} if slot is None else {"Throttles": 0, "ConcurrentExecutions": by_function[slot]}
    _record_function(config, metrics)
    return slot, limit


def filtered_batch(records: Sequence[Any], mapping: Mapping[str, Any]) -> Any:
    """The records that an event source mapping passes on; publishes their age, also if they were passed on before."""
    batch = _apply_filter_criteria(records, mapping)
    created = batch[-1].get("dynamodb", {}).get("ApproximateCreationDateTime") if batch else None
    if created is not None:
        _record_function(mapping, {"IteratorAge": 1_000 * (time.time() - created)}, "Milliseconds")
    return batch


def _record_function(config: Mapping[str, Any], metrics: Mapping[str, float], unit: str = "Count") -> None:
    for metric, value in metrics.items():
        cloudwatch.record_metric("AWS/Lambda", metric, value, unit, {"FunctionName": config["FunctionName"]})
