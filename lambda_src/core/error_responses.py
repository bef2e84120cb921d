"""Answers that are not simply the provider's own: errors in the caller's dialect, and what was cut."""

from __future__ import annotations

from lambda_src.contract import ProviderKind, Route
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import events
from lambda_src.core.errors import GatewayError, UpstreamError, bedrock_error
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.core.metering import error_event
from lambda_src.core.model_list import is_anthropic_client
from lambda_src.core.provider_call import NoResponse, ProviderResponse
from lambda_src.core.usage_record import UsageRecord


def error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """An error of ours in the shape of the caller's dialect."""
    dialect: ProviderKind = request.route.dialect if request.route else "openai"
    if is_anthropic_client(request):
        dialect = "anthropic"
    headers = {"content-type": "application/json", **error.headers()}
    status = error.status
    if dialect == "bedrock":
        status, headers["x-amzn-errortype"] = bedrock_error(error)
    return HttpResponse(status=status, body=error.body(dialect, request.request_id), headers=headers)


_RETURNED = (
    "content-type", "x-request-id", "request-id", "retry-after", "retry-after-ms", "x-should-retry",
    "openai-processing-ms", "openai-version", "x-amzn-requestid", "x-amzn-errortype",
)  # fmt: skip


def provider_response(answer: ProviderResponse, body: bytes) -> HttpResponse:
    """The provider's own status and bytes, and of its headers those that say nothing of our account with it."""
    headers = {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
    return HttpResponse(status=answer.status, body=body, headers=headers)


def no_response_error(failure: NoResponse, provider: str) -> UpstreamError:
    """What the caller is told when no answer came."""
    if not failure.reached:
        return UpstreamError(
            502,
            failure.code,
            f"provider {provider} could not be reached ({failure.retries + 1} tries); nothing was charged. Try again.",
            retry_after=1,
        )
    timed_out = failure.code == "upstream_timeout"
    return UpstreamError(
        504 if timed_out else 502,
        failure.code,
        f"provider {provider} {'did not answer in time' if timed_out else 'closed the connection without an answer'}; "
        "it may have worked and billed, so the held amount is charged. Ask for fewer output tokens or a faster model.",
        retry=False,
    )


def cut(
    request: HttpRequest, route: Route, record: UsageRecord, parsed: ParsedRequest, response: HttpResponse
) -> HttpResponse:
    """An answer that ended early. A stream keeps what came and ends with an error event; anything else is an error."""
    error = UpstreamError(
        504 if record.error_code == "upstream_timeout" else 502,
        record.error_code or "upstream_cut",
        "the provider's answer ended before it was complete; what was delivered is charged by estimate.",
        retry=False,
    )
    if parsed.stream:
        if route.dialect != "bedrock":  # an event cut in the middle would be read before the one that says why
            response.body = b"".join(each for each in events(response.body) if each.endswith(b"\n\n"))
        response.body += error_event(route.dialect, error, request.request_id)
        response.headers.update(error.headers())
        return response
    record.status = error.status
    return error_response(request, error)
