"""Lambda proxy integration: the event a function gets and what becomes of its answer.

AWS: "Set up Lambda proxy integrations in API Gateway" (developerguide/set-up-lambda-proxy-integrations.html) and "Error
handling with an API Gateway API" (lambda/latest/dg/services-apigateway.html). MiniStack's event lacks the key's id, the
request id of the log, repeated headers and the headers API Gateway adds; its answer path has no time-out and shows a
function's error text.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from typing import Any, Final

from ministack.services import apigateway_v1

from local.cloud.apigateway.gateway_responses import FunctionError
from local.cloud.apigateway.request_context import StageCall, current
from local.cloud.apigateway.resource_policy import DENIED, may_invoke

DEFAULT_TIMEOUT_MS: Final = 29_000
INVOKE_LIMIT_BYTES: Final = 6 * 1024 * 1024
ENVELOPE: Final = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
NO_IDENTITY: Final = dict.fromkeys(
    [
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    ]
)

_build_event = apigateway_v1._build_lambda_event_v1


def apply() -> None:
    """Replace the event builder and the proxy invocation."""
    apigateway_v1._build_lambda_event_v1 = build_event
    apigateway_v1._invoke_lambda_proxy_v1 = invoke


def build_event(*arguments: Any, **options: Any) -> dict[str, Any]:
    """The proxy event, with MiniStack's parameters."""
    call = current()
    event: dict[str, Any] = _build_event(*arguments, **options)
    del event["version"]  # is of HTTP APIs alone
    forwarded = [("X-Forwarded-For", call.source_ip), ("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https")]
    multiple: dict[str, list[str]] = {}
    for name, value in [*call.headers, *forwarded, ("X-Amzn-Trace-Id", _trace_id(call))]:
        multiple.setdefault(name, []).append(value)
    event["multiValueHeaders"] = multiple
    event["headers"] = {name: values[-1] for name, values in multiple.items()}
    if event["multiValueQueryStringParameters"]:
        query = event["multiValueQueryStringParameters"].items()
        event["queryStringParameters"] = {name: values[-1] for name, values in query}
    _complete_context(event["requestContext"], call)
    return event


def _complete_context(context: dict[str, Any], call: StageCall) -> None:
    variables = call.variables()
    context |= {name: variables[name] for name in ("requestId", "extendedRequestId", "requestTime", "domainName")}
    context |= {"domainPrefix": variables["domainPrefix"], "requestTimeEpoch": int(variables["requestTimeEpoch"])}
    context["deploymentId"] = call.request["stage"].get("deploymentId")
    identity = NO_IDENTITY | context["identity"]
    context["identity"] = identity | {"sourceIp": call.source_ip, "userAgent": call.user_agent or None}
    if call.key is not None:
        context["identity"] |= {"apiKey": call.key["value"], "apiKeyId": call.key["id"]}


def _trace_id(call: StageCall) -> str:
    digits = call.request_id.replace("-", "")
    return f"Root=1-{int(call.started):08x}-{digits[:24]}"


async def invoke(
    integration: dict[str, Any],
    *arguments: Any,
    owner_account_id: str | None = None,
    owner_region: str | None = None,
    binary_media_types: list[str],
    **options: Any,
) -> Any:
    """Call the function and interpret what it returns: (status, headers, body) or a gateway error."""
    call = current()
    event = build_event(*arguments, binary_media_types=binary_media_types, **options)
    if len(json.dumps(event)) > INVOKE_LIMIT_BYTES:
        return apigateway_v1._gw_error("REQUEST_TOO_LARGE", "Request Too Long")
    function = apigateway_v1._extract_lambda_ref_from_integration_uri(integration["uri"])
    if not may_invoke(function, call):
        return _internal_error(call, 500, DENIED)
    running = asyncio.ensure_future(
        apigateway_v1._call_lambda_raw(function, event, account_id=owner_account_id, region=owner_region)
    )
    started = time.monotonic()
    # The function is not stopped: it goes on, and is billed, after API Gateway gave up on it.
    done, _ = await asyncio.wait(
        {running}, timeout=int(integration.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS) / 1000
    )
    call.integration_seconds = time.monotonic() - started
    if not done:
        call.integration_error = "Execution failed due to a timeout error"
        return apigateway_v1._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
    result, missing = running.result()
    if missing or result.get("throttle"):
        return _internal_error(call, 500, missing or "Rate Exceeded.")
    call.integration_status = 200
    if result.get("error"):
        return _internal_error(
            call, 502, f"The Lambda function returned the following error: {json.dumps(result['body'])}"
        )
    return _answer(call, result["body"], binary_media_types)


def _internal_error(call: StageCall, status: int, message: str) -> Any:
    """A rejected invocation is 500, a failed or malformed one 502; the caller never sees why."""
    call.integration_error = message
    if status == 500:
        call.integration_status = 500
    return FunctionError(status)


def _answer(call: StageCall, returned: Any, binary_media_types: list[str]) -> Any:
    malformed = "Malformed Lambda proxy response"
    if isinstance(returned, str):
        returned = _parsed(returned)
    if not isinstance(returned, dict) or not returned.keys() <= ENVELOPE:
        return _internal_error(call, 502, malformed)
    body = returned.get("body")
    try:
        status = int(returned.get("statusCode", 200))
        content = _content(
            call, "" if body is None else body, bool(returned.get("isBase64Encoded")), binary_media_types
        )
    except (TypeError, ValueError, binascii.Error):
        return _internal_error(call, 502, malformed)
    call.function_status = status
    return status, _headers(returned), content


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _content(call: StageCall, body: Any, encoded: bool, binary_media_types: list[str]) -> bytes:
    """Bytes to send. Base64 is decoded only if the first media type of `Accept` is one of the API's binary ones."""
    if not isinstance(body, str):
        raise TypeError(f"body is {type(body).__name__}, must be a string")
    accept = next((value for name, value in call.headers if name == "accept"), "").split(",")[0]
    if encoded and apigateway_v1._media_type_matches(accept, binary_media_types):
        return base64.b64decode(body, validate=True)
    return body.encode()


def _headers(returned: dict[str, Any]) -> dict[str, Any]:
    """Names are matched without case; `multiValueHeaders` wins over `headers`."""
    headers: dict[str, tuple[str, Any]] = {"content-type": ("Content-Type", "application/json")}
    for name, value in (returned.get("headers") or {}).items():
        headers[name.lower()] = (name, _header_text(value))
    for name, values in (returned.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = (name, [_header_text(value) for value in values])
    return dict(headers.values())


def _header_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
