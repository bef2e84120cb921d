"""Every cause of an error response: what each client receives, and what the usage log records.

SDKs and frameworks decide by the status whether they send a request again; few read `x-should-retry`. So a failure that
may have been billed has a status that no client of the dialect repeats. `make clients` counts the calls.
docs/errors.md is generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from lambda_src.contract import ProviderKind


class ErrorShape(NamedTuple):
    """Status, and the error type in the body. Bedrock's type is the value of `x-amzn-errortype`, which names boto3's
    exception class."""

    status: int
    type: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of an error.

    status: the status in the usage log, reports and metrics; 500 and above is an error of the gateway or a provider.
    shapes: what a client of each dialect receives; None: the provider's own response.
    retry: value of `x-should-retry`; None: no such header. billed: the provider may charge for the request.
    retry_after: default of the header `retry-after` in seconds; None: no such header.
    """

    status: int
    meaning: str
    shapes: dict[ProviderKind, ErrorShape] | None
    retry: bool | None = None
    billed: bool = False
    retry_after: int | None = None


def _shapes(openai: tuple[int, str], anthropic: tuple[int, str], bedrock: tuple[int, str]) -> Cause:
    shapes: dict[ProviderKind, ErrorShape] = {
        "openai": ErrorShape(*openai),
        "anthropic": ErrorShape(*anthropic),
        "bedrock": ErrorShape(*bedrock),
    }
    return Cause(openai[0], "", shapes)


_INVALID = _shapes((400, "invalid_request_error"), (400, "invalid_request_error"), (400, "ValidationException"))
_NOT_FOUND = _shapes((404, "invalid_request_error"), (404, "not_found_error"), (404, "ResourceNotFoundException"))
_TOO_LARGE = _shapes((413, "invalid_request_error"), (413, "request_too_large"), (413, "ValidationException"))
_MEDIA_TYPE = _shapes((415, "invalid_request_error"), (415, "invalid_request_error"), (415, "ValidationException"))
_DENIED = _shapes((403, "permission_error"), (403, "permission_error"), (403, "AccessDeniedException"))
# Not 429: frameworks would wait and repeat a request that is refused until the budget resets. Not 402: some repeat it.
_BUDGET = replace(
    _shapes((400, "billing_error"), (400, "billing_error"), (400, "ServiceQuotaExceededException")),
    status=429,
    retry=False,
)
_RATE = replace(_shapes((429, "rate_limit_error"), (429, "rate_limit_error"), (429, "ThrottlingException")), retry=True)
_UNAVAILABLE = replace(
    _shapes((503, "server_error"), (503, "api_error"), (503, "ServiceUnavailableException")), retry_after=1
)
# The gateway has repeated these calls already. boto3 would repeat a 502, whatever the headers say.
_UNBILLED = replace(_shapes((502, "server_error"), (502, "api_error"), (424, "ModelErrorException")), retry=False)
# Codex repeats a 424 five times. Claude Code sends a 400 again with fewer features, six times in all, unless its type
# is billing_error.
_BILLED = replace(
    _shapes((400, "server_error"), (424, "api_error"), (424, "ModelErrorException")),
    status=502,
    retry=False,
    billed=True,
)


def _cause(like: Cause, meaning: str, status: int | None = None) -> Cause:
    return replace(like, meaning=meaning, status=like.status if status is None else status)


CAUSES: Final[dict[str, Cause]] = {
    # The key and its consumer. API Gateway itself rejects key values that do not exist.
    "key_unknown": _cause(_DENIED, "the key is not in this environment's ledger"),
    "key_disabled": _cause(_DENIED, "an operator disabled the key"),
    "key_revoked": _cause(_DENIED, "an operator revoked the key"),
    "key_expired": _cause(_DENIED, "the key, or its grace period after a rotation, has expired"),
    "consumer_unknown": _cause(_DENIED, "the key's consumer has no policy"),
    "consumer_paused": _cause(_DENIED, "an operator paused the consumer"),
    "consumer_expired": _cause(_DENIED, "the consumer has expired"),
    # The request
    "not_found": _cause(_NOT_FOUND, "the API has no such method and path"),
    "model_not_found": _cause(_NOT_FOUND, "the model does not exist, or this key may not use it"),
    "model_missing": _cause(_INVALID, "the request names no model"),
    "invalid_model": _cause(_INVALID, "invalid model name"),
    "wrong_route": _cause(_INVALID, "the model is not available on this route, which has another API"),
    "invalid_json": _cause(_INVALID, "the body is not a JSON object, or is ambiguous: a field is given twice"),
    "invalid_encoding": _cause(_INVALID, "the body is not UTF-8, or not valid base64"),
    "invalid_parameter": _cause(_INVALID, "invalid value, or another spelling, of a field that affects the cost"),
    "repeated_header": _cause(_INVALID, "two values of a header that must have one, such as x-api-key or content-type"),
    "invalid_tags": _cause(_INVALID, "x-tollgate-tags is malformed"),
    "not_supported": _cause(_INVALID, "the field would change the price in a way that the gateway cannot know"),
    "background_not_supported": _cause(_INVALID, "background responses cannot be metered"),
    "max_output_tokens_exceeded": _cause(_INVALID, "the request's maximum output exceeds the policy's"),
    "service_tier_not_priced": _cause(_INVALID, "the model has no price for the requested service tier"),
    "unbounded_cost": _cause(_INVALID, "the request's maximum cost cannot be determined"),
    "request_exceeds_limit": _cause(
        _INVALID, "the request needs more tokens, or more requests, than the limit per minute ever allows"
    ),
    "request_too_large": _cause(_TOO_LARGE, "the body exceeds max_request_bytes"),
    "unsupported_media_type": _cause(_MEDIA_TYPE, "the content type is not JSON, or the body is compressed"),
    # Limits
    "budget_exceeded": _cause(_BUDGET, "the request would exceed a budget; the message says when the budget resets"),
    "budget_held": _cause(_RATE, "requests in flight hold what this request needs of a budget; it fits when they end"),
    "tokens_per_minute_exceeded": _cause(_RATE, "the request would exceed the tokens per minute"),
    "requests_per_minute_exceeded": _cause(_RATE, "the request would exceed the requests per minute"),
    "consumer_busy": replace(
        _cause(_RATE, "the consumer sends more requests per second than one account of the ledger can count"),
        retry_after=1,
    ),
    # A dependency of the gateway. No provider was called, nothing was charged.
    "ledger_unavailable": _cause(_UNAVAILABLE, "the ledger cannot be reached"),
    "provider_secret_unavailable": _cause(_UNAVAILABLE, "the provider's key cannot be read, is empty or is malformed"),
    # The provider's own error responses are passed on. They have `x-should-retry: false` after a retry by the gateway,
    # and with a status such as 408 or 504, after which the provider may have billed the request.
    "upstream_throttled": Cause(429, "the provider rejected the request with 429", None),
    "upstream_refused": Cause(
        400,
        "the provider responded with another 4xx or a redirect; free, unless Azure's content filter refused the prompt",
        None,
    ),
    "upstream_error": Cause(500, "the provider responded with a 5xx", None),
    # The provider did not respond, or not completely.
    "provider_account_rejected": _cause(_UNBILLED, "the provider rejected our credentials or account"),
    "upstream_unreachable": _cause(_UNBILLED, "no connection to the provider, or the request could not be sent"),
    "upstream_tls": _cause(_UNBILLED, "the provider's certificate is invalid, or the TLS handshake failed"),
    "upstream_timeout": _cause(
        _BILLED, "the provider timed out; charged for the part received, or the held amount", status=504
    ),
    "upstream_reset": _cause(_BILLED, "the provider closed the connection without a response; charged the held amount"),
    "upstream_cut": _cause(_BILLED, "the connection closed during the response; charged for the part received"),
    "upstream_invalid": _cause(_BILLED, "the response is neither JSON nor an event stream; charged by estimate"),
    "answer_too_large": _cause(_BILLED, "the response is larger than Lambda can return; charged for the part received"),
    "upstream_incomplete": Cause(
        200,
        "the response ended with an error, or is a stream without its end; charged by counts received, or by estimate",
        None,
        None,
        True,
    ),
    # The sweeper
    "unsettled": Cause(
        504, "the request was not settled before its deadline; charged the held amount", None, None, True
    ),
}
"""Stable codes: `error_code` of rows and lines, `reason` of metrics, `code` of error responses. API Gateway's own
rejections, which reach no Lambda, have other codes (constructs_lib/gateway_responses.py)."""
