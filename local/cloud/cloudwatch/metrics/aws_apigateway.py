"""AWS/ApiGateway: what every call to a stage counts, refused ones included.

AWS: "Amazon API Gateway dimensions and metrics" (apigateway/latest/developerguide/api-gateway-metrics-and-dimensions
.html): Count, 4XXError, 5XXError, Latency and, where an integration was called, IntegrationLatency, by ApiName and by
ApiName and Stage. Not restored: by method (detailed metrics), cache hits.
"""

from __future__ import annotations

import time
from typing import Any, Final

from ministack.services import apigateway_v1

from local.cloud.apigateway.request_context import StageCall, current
from local.cloud.cloudwatch.metrics import store

NAMESPACE: Final = "AWS/ApiGateway"


def apply() -> None:
    """Count each call once it is answered; must come after the repair of the calls themselves."""
    answer_call = apigateway_v1._handle_execute_in_scope

    async def counted_call(*arguments: Any, **options: Any) -> Any:
        answer = await answer_call(*arguments, **options)
        call = current()
        if call.request["stage"] is not None:
            count(call)
        return answer

    apigateway_v1._handle_execute_in_scope = counted_call


def count(call: StageCall) -> None:
    """Each error metric has a value for each call, so that its average is a share."""
    name = apigateway_v1._rest_apis[call.request["api_id"]]["name"]
    values: dict[str, tuple[float, str]] = {
        "Count": (1, "Count"),
        "4XXError": (float(400 <= call.status < 500), "Count"),
        "5XXError": (float(call.status >= 500), "Count"),
        "Latency": (round((time.time() - call.started) * 1000), "Milliseconds"),
    }
    if call.integration_seconds is not None:
        values["IntegrationLatency"] = (round(call.integration_seconds * 1000), "Milliseconds")
    for dimensions in ({"ApiName": name}, {"ApiName": name, "Stage": call.request["stage_name"]}):
        for metric, (value, unit) in values.items():
            store.record(NAMESPACE, metric, value, unit, dimensions)
