"""API Gateway's own error responses, in a shape that OpenAI's and Anthropic's SDKs and boto3 parse."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from lambda_src.contract import HEADER_REQUEST_ID, HEADER_SHOULD_RETRY


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """One of API Gateway's response types.

    status: None keeps API Gateway's own. message: None quotes API Gateway's own text. retry: whether SDKs may retry.
    detail: whether the body quotes API Gateway's text beside the message.
    """

    response_type: str
    status: int | None
    error_type: str
    code: str
    message: str | None
    retry: bool = False
    retry_after: int | None = None
    detail: bool = False

    def template(self) -> str:
        """The body. API Gateway fills in the `$context` variables."""
        error = {"type": self.error_type, "code": self.code, "message": self.message, "param": None}
        if self.detail:
            error["detail"] = None
        # boto3 shows only the top-level `message`.
        message = {"message": self.message, "request_id": "$context.extendedRequestId"}
        body = {"type": "error", "error": error, **message}
        # The variable is a JSON string, quotes included.
        return re.sub(r'"(message|detail)": null', r'"\1": $context.error.messageString', json.dumps(body))

    def headers(self) -> dict[str, str]:
        """Header values in API Gateway's syntax: a context variable, or a literal in single quotes."""
        headers = {HEADER_REQUEST_ID: "context.extendedRequestId"}
        if not self.retry:
            headers[HEADER_SHOULD_RETRY] = "'false'"
        if self.retry_after is not None:
            headers["retry-after"] = f"'{self.retry_after}'"
        return headers


_NO_ROUTE: Final = (
    "The API has no such path or method. Check the base URL (…/STAGE/v1 for OpenAI clients, …/STAGE for Anthropic "
    "clients) and the HTTP method."
)

_SEND_THE_KEY: Final = "Send the key that the gateway's operator gave you as your SDK's api_key"
_NOT_CHECKED: Final = (
    "The gateway could not check your API key. The request reached no provider and nothing was charged: retry it. If "
    "this persists, tell the gateway's operator."
)

_HEADER_RESPONSES: Final = (
    GatewayResponse(
        "INVALID_API_KEY",
        401,
        "authentication_error",
        "invalid_api_key",
        "No valid API key in the x-api-key header: it is missing, unknown, disabled or deleted. Send the key that the "
        "gateway's operator gave you; with OpenAI's and Anthropic's SDKs, set default_headers. A new or enabled "
        "key works after some seconds.",
    ),
)
"""The key is in the header `x-api-key`."""

_AUTHORIZER_RESPONSES: Final = (
    GatewayResponse(
        "UNAUTHORIZED",
        401,
        "authentication_error",
        "invalid_api_key",
        f"No API key in the request, or a value that cannot be one. {_SEND_THE_KEY}, or in the header `Authorization: "
        "Bearer KEY`.",
    ),
    GatewayResponse(
        "INVALID_API_KEY",
        401,
        "authentication_error",
        "invalid_api_key",
        f"The API key is unknown, disabled, deleted or in no plan. {_SEND_THE_KEY}; a key of the provider does not "
        "work here. A new or enabled key works after some seconds.",
    ),
    # The authorizer failed, timed out or was throttled; or API Gateway could not invoke it or read its response.
    *(
        GatewayResponse(
            response_type, 503, "api_error", "authorizer_unavailable", _NOT_CHECKED, retry=True, retry_after=1
        )
        for response_type in ("AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR")
    ),
)
"""The authorizer finds the key."""

_COMMON_RESPONSES: Final = (
    GatewayResponse(
        "MISSING_AUTHENTICATION_TOKEN",
        404,
        "not_found_error",
        "route_not_found",
        _NO_ROUTE,
    ),
    # No method of this API uses signatures. On a path without a method API Gateway still checks for one in
    # `Authorization`, and boto3 sends it: of another service, or of expired credentials.
    GatewayResponse("INVALID_SIGNATURE", 404, "not_found_error", "route_not_found", _NO_ROUTE),
    GatewayResponse("EXPIRED_TOKEN", 404, "not_found_error", "route_not_found", _NO_ROUTE),
    GatewayResponse(
        "RESOURCE_NOT_FOUND",
        404,
        "not_found_error",
        "route_not_found",
        "The API has no such path. Check the base URL and the HTTP method.",
    ),
    GatewayResponse(
        "ACCESS_DENIED",
        403,
        "permission_error",
        "access_denied",
        "The gateway accepts requests from certain networks only, and yours is not one of them. Ask the gateway's "
        "operator to admit your IP address or VPC endpoint.",
    ),
    GatewayResponse(
        "WAF_FILTERED",
        403,
        "permission_error",
        "blocked_by_firewall",
        "The gateway's firewall (AWS WAF) blocked this request. Ask the gateway's operator which rule matched.",
    ),
    GatewayResponse(
        "REQUEST_TOO_LARGE",
        413,
        "request_too_large",
        "request_too_large",
        "The request is too large. API Gateway accepts 10 MB and the gateway's function 6 MB, including headers and "
        "JSON escapes. Send less, for instance smaller images.",
    ),
    GatewayResponse(
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        "invalid_request_error",
        "unsupported_media_type",
        "Unsupported Content-Type. Send application/json.",
    ),
    GatewayResponse(
        "THROTTLED",
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        "The request rate exceeds the limit of your key's plan or of the gateway. Wait a second and retry, or ask the "
        "gateway's operator for a plan with a higher rate.",
        retry=True,
        retry_after=1,
    ),
    GatewayResponse(
        "QUOTA_EXCEEDED",
        400,  # after a 429, clients would wait and repeat the request until the next period
        "billing_error",
        "quota_exceeded",
        "Your key has used up the request quota of its plan. Wait for the next quota period, or ask the gateway's "
        "operator for a larger quota.",
    ),
    GatewayResponse(
        "INTEGRATION_TIMEOUT",
        # The provider may have billed the request. Clients repeat every 5xx, Codex also a 424, and Claude Code a 400
        # with any other type.
        400,
        "billing_error",
        "gateway_timeout",
        "The response took longer than the gateway's timeout. The provider may have charged for the request, so do not "
        "simply retry it: request less output, or ask the gateway's operator for a longer timeout.",
    ),
    GatewayResponse(
        "INTEGRATION_FAILURE",
        400,  # the function may have called the provider before it failed
        "billing_error",
        "gateway_failed",
        "The gateway's function was unreachable or returned no valid response. Ask the gateway's operator: the usage "
        "log shows the cause.",
    ),
    GatewayResponse(
        "DEFAULT_4XX",
        None,
        "invalid_request_error",
        "refused",
        # Mostly the response to a Bearer token, which OpenAI's SDKs send, on a path that does not exist
        # (github.com/aws/chalice/issues/828). SDKs show the message only.
        f"API Gateway rejected this request; `detail` has the reason. If it mentions Authorization: {_NO_ROUTE}",
        detail=True,
    ),
    GatewayResponse("DEFAULT_5XX", None, "api_error", "gateway_error", None),
)
"""Named types first; the two defaults cover all others."""


def gateway_responses(*, bearer: bool) -> tuple[GatewayResponse, ...]:
    """All of them. bearer: whether an authorizer finds the key."""
    return (*(_AUTHORIZER_RESPONSES if bearer else _HEADER_RESPONSES), *_COMMON_RESPONSES)
