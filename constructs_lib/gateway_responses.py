"""API Gateway's own refusals, in a shape that OpenAI's and Anthropic's SDKs and boto3 parse."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from lambda_src.contract import HEADER_REQUEST_ID, HEADER_SHOULD_RETRY


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """One of API Gateway's response types. status: None keeps API Gateway's own. retry: whether the SDKs should.

    message: None quotes API Gateway's own text. detail: it is quoted beside the message.
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
        """Body; API Gateway fills in what starts with `$context`."""
        error = {"type": self.error_type, "code": self.code, "message": self.message, "param": None}
        if self.detail:
            error["detail"] = None
        # boto3 reads a `message` of the body's own, and shows no other.
        message = {"message": self.message, "request_id": "$context.extendedRequestId"}
        body = {"type": "error", "error": error, **message}
        # The variable is a JSON string with its quotes already.
        return re.sub(r'"(message|detail)": null', r'"\1": $context.error.messageString', json.dumps(body))

    def headers(self) -> dict[str, str]:
        """Headers: a context variable, or a literal in single quotes, as API Gateway wants them."""
        headers = {HEADER_REQUEST_ID: "context.extendedRequestId"}
        if not self.retry:
            headers[HEADER_SHOULD_RETRY] = "'false'"
        if self.retry_after is not None:
            headers["retry-after"] = f"'{self.retry_after}'"
        return headers


_NO_ROUTE: Final = (
    "There is no such path or method here. Check the base URL (…/STAGE/v1 for OpenAI clients, …/STAGE for Anthropic's) "
    "and the HTTP method."
)

REFUSALS: Final = (
    GatewayResponse(
        "INVALID_API_KEY",
        401,
        "authentication_error",
        "invalid_api_key",
        "No valid key in the x-api-key header. Send the key you were given; a disabled or deleted one is refused too. "
        "OpenAI's and Anthropic's SDKs send it with default_headers.",
    ),
    GatewayResponse(
        "MISSING_AUTHENTICATION_TOKEN",
        404,
        "not_found_error",
        "route_not_found",
        _NO_ROUTE,
    ),
    # No method here asks for a signature. Where there is none, API Gateway looks for one in `Authorization` all the
    # same: boto3's is of another service, or of credentials that have expired.
    GatewayResponse("INVALID_SIGNATURE", 404, "not_found_error", "route_not_found", _NO_ROUTE),
    GatewayResponse("EXPIRED_TOKEN", 404, "not_found_error", "route_not_found", _NO_ROUTE),
    GatewayResponse(
        "RESOURCE_NOT_FOUND",
        404,
        "not_found_error",
        "route_not_found",
        "There is no such path here. Check the base URL and the HTTP method.",
    ),
    GatewayResponse(
        "ACCESS_DENIED",
        403,
        "permission_error",
        "access_denied",
        "API Gateway refused this request. Ask the gateway's operator whether this key may use this route.",
    ),
    GatewayResponse(
        "WAF_FILTERED",
        403,
        "permission_error",
        "blocked_by_firewall",
        "The firewall in front of the gateway refused this request. Ask its operator which rule did.",
    ),
    GatewayResponse(
        "REQUEST_TOO_LARGE",
        413,
        "request_too_large",
        "request_too_large",
        "The request is too large: API Gateway takes 10 MB, and its function 6 MB, headers and escapes included. Send "
        "less, for instance smaller images.",
    ),
    GatewayResponse(
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        "invalid_request_error",
        "unsupported_media_type",
        "The content type is not one this route takes. Send application/json.",
    ),
    GatewayResponse(
        "THROTTLED",
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        "Too many requests at once for this key's plan or for the gateway. Wait a second and send it again, or ask for "
        "a plan with a higher rate.",
        retry=True,
        retry_after=1,
    ),
    GatewayResponse(
        "QUOTA_EXCEEDED",
        429,
        "rate_limit_error",
        "quota_exceeded",
        "This key has used up the requests of its plan's period. Wait for the next period, or ask for a larger quota.",
    ),
    GatewayResponse(
        "INTEGRATION_TIMEOUT",
        504,
        "timeout_error",
        "gateway_timeout",
        "The answer took longer than the gateway waits. The provider may have worked on it, and may have charged for "
        "it, so do not repeat it blindly: ask for less output, or for a longer time-out.",
    ),
    GatewayResponse(
        "INTEGRATION_FAILURE",
        502,
        "api_error",
        "gateway_failed",
        "The gateway's function could not be reached or gave no valid answer. Its operator sees why in the usage log.",
    ),
    GatewayResponse(
        "DEFAULT_4XX",
        None,
        "invalid_request_error",
        "refused",
        # To be expected of what has no name: API Gateway's answer to a Bearer token, as OpenAI's SDKs send it, on a
        # path that is not there (github.com/aws/chalice/issues/828). They show the message and no more.
        f"API Gateway refused this request, for the reason in `detail`. If that speaks of Authorization: {_NO_ROUTE}",
        detail=True,
    ),
    GatewayResponse("DEFAULT_5XX", None, "api_error", "gateway_error", None),
)
"""Named types first; the defaults shape whatever AWS adds."""
