"""Responses that differ from the provider's: errors in the caller's dialect, and truncated responses."""

from __future__ import annotations

from lambda_src.contract import ProviderKind, Route
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import sse_events
from lambda_src.core.errors import GatewayError, UpstreamError, bedrock_error
from lambda_src.core.http_event import HttpRequest, HttpResponse, fitting_body
from lambda_src.core.metering import ACCOUNT_REJECTED, error_event
from lambda_src.core.model_list import is_anthropic_client
from lambda_src.core.provider_call import NoResponse, ProviderResponse
from lambda_src.core.usage_record import UsageRecord


def error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """`error` in the format of the caller's dialect."""
    dialect: ProviderKind = request.route.dialect if request.route else "openai"
    if is_anthropic_client(request):
        dialect = "anthropic"
    headers = {"content-type": "application/json", **error.headers()}
    status = error.status
    if dialect == "bedrock":
        status, headers["x-amzn-errortype"] = bedrock_error(error)
    return HttpResponse(status=status, body=error.body(dialect, request.request_id), headers=headers)


_RETURNED_HEADERS = (
    "content-type", "x-request-id", "request-id", "retry-after", "retry-after-ms", "x-should-retry",
    "openai-processing-ms", "openai-version", "x-amzn-requestid", "x-amzn-errortype",
)  # fmt: skip


def provider_response(response: ProviderResponse, body: bytes) -> HttpResponse:
    """The provider's response with `body`, without headers that reveal our account with the provider."""
    headers = {name: response.headers[name] for name in _RETURNED_HEADERS if name in response.headers}
    return HttpResponse(status=response.status, body=body, headers=headers)


def no_response_error(failure: NoResponse, provider: str) -> UpstreamError:
    """The error for a call to a provider that sent no response."""
    if not failure.reached:
        return UpstreamError(
            502,
            failure.code,
            f"provider {provider} could not be reached in {failure.retries + 1} attempts; nothing was charged. Send "
            "the request again.",
            retry_after=1,
        )
    timed_out = failure.code == "upstream_timeout"
    return UpstreamError(
        504 if timed_out else 502,
        failure.code,
        f"provider {provider} {'did not respond in time' if timed_out else 'closed the connection without response'}; "
        "it may have billed the request, so the held amount is charged. Request fewer output tokens or a faster model.",
        retry=False,
    )


def account_error(status: int, provider: str) -> UpstreamError:
    """The error for a provider that rejects the gateway's account with it. status: the provider's."""
    return UpstreamError(
        502,
        ACCOUNT_REJECTED,
        f"provider {provider} rejected the gateway's own credentials or account (status {status}); nothing was "
        "charged, and your key is valid. Report this to the gateway's operator.",
        retry=False,
    )


_ERROR_EVENT_BYTES = 16_384


def truncated_response(
    request: HttpRequest, route: Route, record: UsageRecord, parsed: ParsedRequest, response: HttpResponse
) -> HttpResponse:
    """The response to return for a truncated one: a stream with an error event at its end, or else an error."""
    error = UpstreamError(
        504 if record.error_code == "upstream_timeout" else 502,
        record.error_code or "upstream_cut",
        "the provider's response ended before it was complete; the part received is charged by estimate, and a retry "
        "is charged again. Request fewer output tokens.",
        retry=False,
    )
    if parsed.stream:
        part = fitting_body(response.body, response.headers, room=_ERROR_EVENT_BYTES)
        if route.dialect != "bedrock":  # SDKs would fail on an incomplete event before they read the error event
            part = b"".join(event for event in sse_events(part) if event.endswith(b"\n\n"))
        response.body = part + error_event(route.dialect, error, request.request_id)
        if len(fitting_body(response.body, response.headers)) == len(response.body):
            response.headers.update(error.headers())
            return response
    record.status = error.status
    return error_response(request, error)
