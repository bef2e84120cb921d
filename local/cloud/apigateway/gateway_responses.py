"""Gateway responses with the whole of what API Gateway lets their templates and headers name.

AWS: "Gateway responses in API Gateway" (developerguide/api-gateway-gatewayResponse-definition.html). MiniStack applies
them, but knows few `$context` variables and leaves the others in the text.
"""

from __future__ import annotations

from typing import Any

from ministack.services import apigateway_v1

from local.cloud.apigateway.request_context import current, render


class FunctionError:
    """An invocation that failed: answered through DEFAULT_5XX, with 502 or 500 where that names no status itself."""

    response_type = "DEFAULT_5XX"
    message = "Internal server error"
    error_type = None

    def __init__(self, default_status: int) -> None:
        self.default_status = default_status


_gateway_error_response = apigateway_v1._gateway_error_response
_gateway_request_value = apigateway_v1._gateway_request_value


def apply() -> None:
    """Replace the renderer and the source of header values."""
    apigateway_v1._gateway_error_response = gateway_error_response
    apigateway_v1._gateway_request_value = gateway_request_value


def gateway_error_response(error: Any, request: dict[str, Any]) -> Any:
    """Render API Gateway's own refusal."""
    status, headers, body = _gateway_error_response(error, request)
    if isinstance(error, FunctionError) and not _customized_status(request):
        status = error.default_status
    return status, headers, render(body.decode(), "").encode()


def _customized_status(request: dict[str, Any]) -> Any:
    deployed = apigateway_v1._deployed_gateway_responses.get(request["api_id"], {})
    customized = deployed.get(request["stage"].get("deploymentId")) or {}
    return customized.get(FunctionError.response_type, {}).get("statusCode")


def gateway_request_value(source: str, request: dict[str, Any]) -> Any:
    """Value of a header mapping: a quoted literal, a request parameter, a stage or a context variable."""
    if source.startswith("context."):
        return current().variables().get(source.removeprefix("context."))
    return _gateway_request_value(source, request)
