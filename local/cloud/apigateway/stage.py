"""Access logs and request ids of a stage, and its responses to unknown paths.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html (one line for every request, also for
rejected ones), docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html. If a
path does not exist, API Gateway checks an `Authorization` header as a signature (github.com/aws/chalice/issues/828).
MiniStack writes no access log and does not know `$context.extendedRequestId`.
Test: tests/e2e/test_operations.py::test_access_log_and_usage_log_agree
"""

from __future__ import annotations

import json
import re
import time
from typing import Any, Final

from ministack.core.responses import StreamingResponse
from ministack.services import apigateway_v1, cloudwatch_logs

from local.cloud.apigateway.request_context import StageRequest, current

VARIABLE: Final = re.compile(r"\$context\.([A-Za-z0-9_.]*\w)")
NO_SIGNATURE: Final = (
    "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
    "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a "
    "'X-Amz-Date' or a 'Date' header."
)
OTHER_SERVICE: Final = "Credential should be scoped to correct service: 'execute-api'."

_handle_execute = apigateway_v1._handle_execute_in_scope
_execute = apigateway_v1._execute_in_scope
_check_api_key = apigateway_v1._check_api_key
_gateway_error_response = apigateway_v1._gateway_error_response
_gateway_request_value = apigateway_v1._gateway_request_value


def apply() -> None:
    """Wrap the functions that handle a request, check its key and render API Gateway's own errors."""
    apigateway_v1._handle_execute_in_scope = handle_execute
    apigateway_v1._execute_in_scope = execute
    apigateway_v1._check_api_key = check_api_key
    apigateway_v1._gateway_error_response = gateway_error_response
    apigateway_v1._gateway_request_value = gateway_request_value


async def handle_execute(*arguments: Any) -> Any:
    """Handle a request and write its access log line."""
    status, headers, body = await _handle_execute(*arguments)
    request = current.get()
    if not isinstance(body, StreamingResponse):  # which ends later
        request.status, request.response_length = status, len(body)
        write_access_log(request)
    return status, headers, body


async def execute(record: Any, api_id: str, stage_name: str, method: str, path: str, headers: Any, *rest: Any) -> Any:
    """Route a request and call its integration."""
    request = StageRequest(record=record, method=method, user_agent=headers.get("user-agent"))
    current.set(request)
    answer = await _execute(record, api_id, stage_name, method, path, headers, *rest)
    if isinstance(answer, apigateway_v1._GatewayError):
        if answer.response_type == "MISSING_AUTHENTICATION_TOKEN" and "authorization" in headers:
            answer = _signature_error(headers["authorization"])
        request.error_type = answer.response_type
    return answer


def _signature_error(authorization: str) -> Any:
    if authorization.startswith("AWS4-HMAC-SHA256 "):
        return apigateway_v1._GatewayError("INVALID_SIGNATURE", OTHER_SERVICE, "InvalidSignatureException")
    return apigateway_v1._GatewayError("DEFAULT_4XX", NO_SIGNATURE, "IncompleteSignatureException")


def check_api_key(*arguments: Any) -> Any:
    """Check the API key, and keep it for the access log and the event."""
    error, key = _check_api_key(*arguments)
    current.get().key = key
    return error, key


def gateway_error_response(error: Any, record: Any) -> Any:
    """Render API Gateway's own error."""
    status, headers, body = _gateway_error_response(error, record)
    return status, headers, _render(body.decode(), current.get(), "").encode()


def gateway_request_value(source: str, record: Any) -> Any:
    """Value of a header of an error."""
    name = source.removeprefix("context.")
    return _gateway_request_value(source, record) if name == source else current.get().variables().get(name)


def write_access_log(request: StageRequest) -> None:
    """Write the line of a request."""
    settings = (request.record["stage"] or {}).get("accessLogSettings")
    if not settings:
        return
    group = settings["destinationArn"].partition(":log-group:")[2]
    name = {"logGroupName": group, "logStreamName": request.record["api_id"]}
    cloudwatch_logs._create_log_stream(name)  # an error where it exists already
    line = {"timestamp": int(time.time() * 1000), "message": _render(settings["format"], request, "-")}
    cloudwatch_logs._put_log_events(name | {"logEvents": [line]})


def _render(template: str, request: StageRequest, absent: str) -> str:
    """Replace every variable by its value, escaped for a JSON string; `absent` stands for a missing value."""
    values = request.variables()
    return VARIABLE.sub(lambda match: json.dumps(values.get(match[1], absent))[1:-1], template)
