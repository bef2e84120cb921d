"""Lambda proxy integration: the caller's key and address in the event, the integration timeout, throttled functions.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html and
docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html (a throttled function is a 500). MiniStack's event has no
key id, another request id than the access log, and the address that the caller claims; its integration has no timeout.
Test: tests/e2e/test_sdks.py::test_custom_function_requires_the_same_keys
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ministack.services import apigateway_v1

from local.cloud.apigateway.domain_names import add_domain
from local.cloud.apigateway.request_context import current

_build_event = apigateway_v1._build_lambda_event_v1
_invoke = apigateway_v1._invoke_lambda_proxy_v1
_call_lambda = apigateway_v1._call_lambda_raw


def apply() -> None:
    """Wrap the event builder, the integration and the invocation."""
    apigateway_v1._build_lambda_event_v1 = build_event
    apigateway_v1._invoke_lambda_proxy_v1 = invoke
    apigateway_v1._call_lambda_raw = call_lambda


def build_event(*arguments: Any, **options: Any) -> Any:
    """The event that the function receives."""
    event, request = _build_event(*arguments, **options), current.get()
    event["requestContext"]["extendedRequestId"] = request.extended_request_id
    event["requestContext"]["identity"]["sourceIp"] = request.source_ip
    if request.key is not None:
        event["requestContext"]["identity"] |= {"apiKey": request.key["value"], "apiKeyId": request.key["id"]}
    add_domain(event)
    return event


async def invoke(integration: dict[str, Any], *arguments: Any, **options: Any) -> Any:
    """Call the function. After the timeout it runs on, and is billed, but nobody waits for it."""
    request, started = current.get(), time.monotonic()
    invocation = asyncio.ensure_future(_invoke(integration, *arguments, **options))
    done, _ = await asyncio.wait({invocation}, timeout=int(integration["timeoutInMillis"]) / 1000)
    request.function_seconds = time.monotonic() - started
    if not done:
        return apigateway_v1._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
    answer = invocation.result()
    if isinstance(answer, tuple):
        request.function_status = answer[0]
    return answer


async def call_lambda(*arguments: Any, **options: Any) -> Any:
    """Invoke the function: its result, and what prevented the invocation."""
    result, error = await _call_lambda(*arguments, **options)
    return (None, "Rate exceeded") if result and result.get("throttle") else (result, error)
