"""Integrations that stream: the status, the headers and each part of a response reach the caller as they come.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html. An integration streams if
its URI is that of response streaming. MiniStack takes the response of a function only when it is complete.
Test: tests/local/cloud/test_streaming.py::test_parts_arrive_before_the_next_is_written
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final

from ministack.core.responses import StreamingResponse
from ministack.services import apigateway_v1

from local.cloud import lambda_streaming
from local.cloud.apigateway import lambda_proxy, stage
from local.cloud.apigateway.request_context import current

STREAMED: Final = "/response-streaming-invocations"
DELIMITER: Final = bytes(8)
MAX_PRELUDE: Final = 16_384
_LOG_SECONDS: Final = 2.0
MALFORMED: Final = (502, {"Content-Type": "application/json"}, b'{"message": "Internal server error"}')

_function_of = apigateway_v1._extract_lambda_ref_from_integration_uri


def apply() -> None:
    """Wrap the integration, which lambda_proxy has replaced, and the reading of its URI."""
    apigateway_v1._invoke_lambda_proxy_v1 = invoke
    apigateway_v1._extract_lambda_ref_from_integration_uri = function_of


def function_of(uri: str) -> Any:
    """The function that an integration's URI names."""
    return _function_of(uri.removesuffix(STREAMED))


async def invoke(integration: dict[str, Any], *arguments: Any, **options: Any) -> Any:
    """Call the function."""
    call = _stream if integration["uri"].endswith(STREAMED) else lambda_proxy.invoke
    return await call(integration, *arguments, **options)


async def _stream(
    integration: dict[str, Any],
    *arguments: Any,
    owner_account_id: str | None = None,
    owner_region: str | None = None,
    **options: Any,
) -> Any:
    """Call the function; its status and headers as soon as it sends them, with a body that follows."""
    request, started = current.get(), time.monotonic()
    until = started + int(integration["timeoutInMillis"]) / 1000
    event = lambda_proxy.build_event(*arguments, **options)
    loop = asyncio.get_running_loop()
    parts: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def put(kind: str, data: bytes) -> None:
        loop.call_soon_threadsafe(parts.put_nowait, (kind, data))

    token = lambda_streaming.sink.set(put)
    function = function_of(integration["uri"])
    invocation = asyncio.ensure_future(
        apigateway_v1._call_lambda_raw(function, event, account_id=owner_account_id, region=owner_region)
    )
    lambda_streaming.sink.reset(token)
    # A function that ends without a response, or does not exist, says so by returning.
    invocation.add_done_callback(lambda _: parts.put_nowait(("returned", b"")))
    head = b""
    try:
        while DELIMITER not in head:
            kind, data = await asyncio.wait_for(parts.get(), until - time.monotonic())
            head += data
            if kind != "part" or (len(head) > MAX_PRELUDE and DELIMITER not in head[:MAX_PRELUDE]):
                request.function_seconds = time.monotonic() - started
                return _failure(invocation)
    except TimeoutError:
        request.function_seconds = time.monotonic() - started
        return apigateway_v1._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
    prelude, _, rest = head.partition(DELIMITER)
    answer = json.loads(prelude)
    request.function_status = request.status = int(answer.get("statusCode", 200))
    headers = {"Content-Type": "application/json"} | {name.title(): text for name, text in answer["headers"].items()}

    async def body(send: Any, _: Any) -> None:
        kind, data, length = "part", rest, 0
        while kind == "part":
            if data:
                await send({"type": "http.response.body", "body": data, "more_body": True})
                length += len(data)
            kind, data = await _next(parts, until)
        request.function_seconds, request.response_length = time.monotonic() - started, length
        if kind == "end":  # the function's log is complete before its caller goes on, as without streaming
            await asyncio.wait({invocation}, timeout=_LOG_SECONDS)
        stage.write_access_log(request)
        if kind == "end":  # else the last frame stays unsent, so that the caller sees that the response is incomplete
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return request.status, headers, StreamingResponse(body)


async def _next(parts: asyncio.Queue[tuple[str, bytes]], until: float) -> tuple[str, bytes]:
    """The next part of a response."""
    try:
        return await asyncio.wait_for(parts.get(), until - time.monotonic())
    except TimeoutError:
        return "failed", b""


def _failure(invocation: asyncio.Future[Any]) -> Any:
    """The response if the function sent none, or none that can be read."""
    error = invocation.result()[1] if invocation.done() else None
    return apigateway_v1._gw_error("API_CONFIGURATION_ERROR", "Internal server error") if error else MALFORMED
