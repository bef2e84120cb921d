"""A call to a deployed stage from its first byte to its access log line.

- `REQUEST_TOO_LARGE` above 10 MB (apigateway/latest/developerguide/limits.html).
- One request id in the event, the log, the gateway response and `x-amzn-requestid`.
- A path or method that is not there asks for a signature of AWS's where there is an `Authorization` header, and says
  what is wrong with it, instead of `MISSING_AUTHENTICATION_TOKEN` (github.com/aws/chalice/issues/828).
- Access logs in the stage's format to its log group, for answered and refused calls alike
  (apigateway/latest/developerguide/set-up-logging.html), with quotes and backslashes of a caller escaped
  (github.com/DataBiosphere/azul/issues/4348). MiniStack writes none.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, Final

from ministack.core.responses import get_region
from ministack.services import apigateway_v1, cloudwatch_logs

from local.cloud.apigateway.gateway_responses import FunctionError
from local.cloud.apigateway.request_context import StageCall, begin, current, render

PAYLOAD_LIMIT_BYTES: Final = 10 * 1024 * 1024
_UNSIGNED: Final = (
    "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
    "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a "
    "'X-Amz-Date' or a 'Date' header."
)

_check_api_key = apigateway_v1._check_api_key


def apply() -> None:
    """Replace the data plane's frame and its key check."""
    apigateway_v1._handle_execute_in_scope = handle_call
    apigateway_v1._check_api_key = check_api_key


def check_api_key(method: Any, api_id: str, stage_name: str, headers: Any) -> Any:
    """The key check; remembers whose key it was."""
    error, key = _check_api_key(method, api_id, stage_name, headers)
    current().key = key
    return error, key


async def handle_call(
    api_id: str,
    stage_name: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    account_id: str,
    region: str,
) -> Any:
    """Answer one call: (status, headers, body)."""
    request: dict[str, Any] = {
        "api_id": api_id,
        "stage_name": stage_name,
        "stage": apigateway_v1.stages_for_api(api_id).get(stage_name),
        "headers": headers,
        "query_params": query_params,
        "path_params": {},
        "resource_path": "",
    }
    call = begin(request, method, path)
    if len(body) > PAYLOAD_LIMIT_BYTES and request["stage"] is not None:
        answer = apigateway_v1._gw_error("REQUEST_TOO_LARGE", "Request Too Long")
    else:
        answer = await apigateway_v1._execute_in_scope(
            request, api_id, stage_name, method, path, headers, body, query_params, account_id, region
        )
    if getattr(answer, "response_type", None) == "MISSING_AUTHENTICATION_TOKEN":
        answer = _signature_error(headers) or answer
    if isinstance(answer, (apigateway_v1._GatewayError, FunctionError)):
        call.error = answer
        answer = apigateway_v1._gateway_error_response(answer, request)
    status, answer_headers, answer_body = answer
    call.status, call.response_length = status, len(answer_body)
    write_access_log(call)
    return status, answer_headers | {"x-amzn-requestid": call.request_id}, answer_body


def _signature_error(headers: dict[str, str]) -> Any:
    """What API Gateway says of an `Authorization` header on a path that is not there; None where there is no header."""
    given = next((value for name, value in headers.items() if name.lower() == "authorization"), None)
    if given is None:
        return None
    if not given.startswith("AWS4-HMAC-SHA256 "):
        return apigateway_v1._GatewayError("DEFAULT_4XX", _UNSIGNED, "IncompleteSignatureException")
    text = "Credential should be scoped to correct service: 'execute-api'."
    return apigateway_v1._GatewayError("INVALID_SIGNATURE", text, "InvalidSignatureException")


def write_access_log(call: StageCall) -> None:
    """Put the call's line into the log group that the stage names; nothing where the stage has no access log."""
    settings = (call.request["stage"] or {}).get("accessLogSettings") or {}
    group = settings.get("destinationArn", "").partition(":log-group:")[2].removesuffix(":*")
    if not group or not settings.get("format"):
        return
    stream = hashlib.sha256(f"{get_region()}/{call.request['api_id']}/{group}".encode()).hexdigest()[:32]
    name = {"logGroupName": group, "logStreamName": stream}
    # Answers an error where the stream exists already, which is what we want of it.
    cloudwatch_logs._create_log_stream(name)
    line = {"timestamp": int(time.time() * 1000), "message": render(settings["format"], "-", escaped=True)}
    cloudwatch_logs._put_log_events(name | {"logEvents": [line]})
