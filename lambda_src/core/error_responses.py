"""Responses that differ from the provider's: errors in the caller's dialect, and truncated or invalid responses."""

from __future__ import annotations

from lambda_src.contract import EVENT_STREAM_MEDIA_TYPE, HEADER_SHOULD_RETRY, ProviderKind, Route
from lambda_src.core.dialects.openai_errors import openai_error
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse
from lambda_src.core.dialects.response_body import begins_json
from lambda_src.core.dialects.server_sent_events import SSE_MEDIA_TYPE
from lambda_src.core.error_events import end_stream
from lambda_src.core.errors import GatewayError, UpstreamError
from lambda_src.core.http_event import HttpRequest, HttpResponse, fitting_body
from lambda_src.core.metering import INVALID_RESPONSE
from lambda_src.core.model_list import is_anthropic_client
from lambda_src.core.provider_call import RETRIED_STATUS, NoResponse, ProviderResponse
from lambda_src.core.provider_errors import ACCOUNT_REJECTED
from lambda_src.core.usage_record import UsageRecord


def error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """`error` in the format of the caller's dialect."""
    dialect: ProviderKind = request.route.dialect if request.route else "openai"
    if is_anthropic_client(request):
        dialect = "anthropic"
    return HttpResponse(
        status=error.shape(dialect).status,
        body=error.body(dialect, request.request_id),
        headers={"content-type": "application/json", **error.headers(dialect)},
    )


_RETURNED_HEADERS = (
    "content-type", "x-request-id", "request-id", "retry-after", "retry-after-ms", HEADER_SHOULD_RETRY,
    "openai-processing-ms", "openai-version", "x-amzn-requestid", "x-amzn-errortype",
)  # fmt: skip


def provider_response(route: Route, response: ProviderResponse, parsed: ParsedResponse | None) -> HttpResponse:
    """The provider's response, without headers that reveal our account with the provider.

    parsed: a success; None: an error response, which is returned unchanged unless clients would repeat what they must
    not, or read another shape. A success has the media type of its bytes, by which SDKs choose their parser.
    """
    headers = {name: response.headers[name] for name in _RETURNED_HEADERS if name in response.headers}
    status = response.status
    if parsed is not None and parsed.media_type is not None:
        _set_media_type(headers, parsed.media_type)
    elif _is_final(response):
        headers[HEADER_SHOULD_RETRY] = "false"
        if route.dialect == "bedrock" and status >= 500:  # boto3 ignores the header and repeats every 5xx
            status, headers["x-amzn-errortype"] = 424, "ModelErrorException"
    if parsed is not None:
        body = parsed.body
    else:
        body = openai_error(response.body) if route.dialect == "openai" else response.body
    return HttpResponse(status=status, body=body, headers=headers)


def _set_media_type(headers: dict[str, str], media_type: str) -> None:
    """Set the content type to `media_type` unless it is that already, perhaps with parameters."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        headers["content-type"] = media_type


def _is_final(response: ProviderResponse) -> bool:
    """Whether clients must not repeat a request: the gateway has repeated it already, or the provider may have billed
    it."""
    if response.status in RETRIED_STATUS:
        return response.retries > 0
    return response.status == 408 or response.status >= 500


def no_response_error(failure: NoResponse, provider: str, route: Route) -> UpstreamError:
    """The error for a call to a provider that sent no response."""
    if not failure.reached:
        return UpstreamError(
            failure.code,
            f"provider {provider} could not be reached in {failure.retries + 1} attempts; nothing was charged. Send "
            "the request again later.",
        )
    problem = "did not respond in time" if failure.code == "upstream_timeout" else "closed the connection too early"
    charged = "it may have billed the request, so the held amount is charged"
    return UpstreamError(
        failure.code,
        f"provider {provider} {problem}; {charged if route.billable else 'nothing was charged'}. Request fewer output "
        "tokens or a faster model.",
    )


def account_error(status: int, provider: str) -> UpstreamError:
    """The error for a provider that rejects the gateway's account with it. status: the provider's."""
    return UpstreamError(
        ACCOUNT_REJECTED,
        f"provider {provider} rejected the gateway's own credentials or account (status {status}); nothing was "
        "charged, and your key is valid. Report this to the gateway's operator.",
    )


def invalid_response_error(provider: str, cost: int) -> UpstreamError:
    """The error for a success with a body in another format than the provider's API, such as a proxy's HTML page."""
    return UpstreamError(
        INVALID_RESPONSE,
        f"provider {provider} sent a response that is neither JSON nor an event stream; "
        f"{'it is charged by estimate' if cost else 'nothing was charged'}. Report this to the gateway's operator.",
    )


_ERROR_EVENT_BYTES = 16_384


def truncated_response(
    request: HttpRequest, route: Route, record: UsageRecord, parsed: ParsedRequest, response: HttpResponse
) -> HttpResponse:
    """The response to return for a truncated one: a stream with an error event at its end, or else an error, also if
    the provider sent no stream."""
    too_large = record.error_code == "answer_too_large"
    problem = "is larger than the gateway can return" if too_large else "ended before it was complete"
    error = UpstreamError(
        record.error_code or "upstream_cut",
        f"the provider's response {problem}; what was received is charged, and a retry is charged again. Request fewer "
        "output tokens.",
    )
    if parsed.stream and not begins_json(response.body):
        media_type = EVENT_STREAM_MEDIA_TYPE if route.dialect == "bedrock" else SSE_MEDIA_TYPE
        _set_media_type(response.headers, media_type)
        part = fitting_body(response.body, response.headers, room=_ERROR_EVENT_BYTES)
        response.body = end_stream(route, part, error, request.request_id)
        if len(fitting_body(response.body, response.headers)) == len(response.body):
            response.headers.update(error.headers(route.dialect))
            return response
    record.status = error.status
    return error_response(request, error)
