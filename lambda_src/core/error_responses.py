"""Responses that differ from the provider's: errors in the caller's dialect, and truncated or invalid responses."""

from __future__ import annotations

from collections.abc import Mapping

from lambda_src.contract import HEADER_SHOULD_RETRY, ProviderKind, Route
from lambda_src.core.dialects.openai_errors import openai_error
from lambda_src.core.errors import GatewayError, UpstreamError
from lambda_src.core.http_event import HttpRequest, HttpResponse
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


def returned_headers(response: Mapping[str, str], media_type: str | None) -> dict[str, str]:
    """The provider's headers to return, without those that reveal our account with the provider.

    media_type: of the body, by its bytes, since SDKs choose their parser by it. None: it is not known.
    """
    headers = {name: response[name] for name in _RETURNED_HEADERS if name in response}
    if media_type is not None and headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        headers["content-type"] = media_type
    return headers


def provider_error(route: Route, response: ProviderResponse) -> HttpResponse:
    """The provider's error response, unchanged unless clients would repeat what they must not, or read another
    shape."""
    headers, status = returned_headers(response.headers, None), response.status
    if _is_final(response):
        headers[HEADER_SHOULD_RETRY] = "false"
        if route.dialect == "bedrock" and status >= 500:  # boto3 ignores the header and repeats every 5xx
            status, headers["x-amzn-errortype"] = 424, "ModelErrorException"
    body = openai_error(response.body) if route.dialect == "openai" else response.body
    return HttpResponse(status=status, body=body, headers=headers)


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


def truncation_error(record: UsageRecord) -> UpstreamError:
    """The error for a response that was truncated after the provider had begun to bill it."""
    too_large = record.error_code == "answer_too_large"
    problem = "is larger than the gateway can return" if too_large else "ended before it was complete"
    return UpstreamError(
        record.error_code or "upstream_cut",
        f"the provider's response {problem}; what was received is charged, and a retry is charged again. Request fewer "
        "output tokens.",
    )
