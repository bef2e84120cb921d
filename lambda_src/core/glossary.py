"""Meanings of error codes, log line kinds and log fields, for documentation and tests."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import LINE_FIELDS

ERROR_CODES: Final = {
    # 401, 403: the caller. API Gateway itself rejects key values that do not exist (`invalid_api_key`).
    "key_unknown": "403: the key is not in this environment's ledger",
    "key_disabled": "403: an operator disabled the key",
    "key_revoked": "403: an operator revoked the key",
    "key_expired": "403: the key, or its grace period after a rotation, has expired",
    "consumer_unknown": "403: the key's consumer has no policy",
    "consumer_paused": "403: an operator paused the consumer",
    "consumer_expired": "403: the consumer has expired",
    # 400 to 415: the request
    "not_found": "404: the API has no such method and path",
    "model_not_found": "404: the model does not exist, or this key may not use it",
    "model_missing": "400: the request names no model",
    "invalid_model": "400: invalid model name",
    "wrong_route": "400: the model is not available on this route, which has another API",
    "invalid_json": "400: the body is not a JSON object, or is ambiguous: a field is given twice",
    "invalid_encoding": "400: the body is not UTF-8, or not valid base64",
    "invalid_parameter": "400: invalid value, or another spelling, of a field that affects the cost",
    "repeated_header": "400: two values of a header that must have one, such as x-api-key or content-type",
    "invalid_tags": "400: x-tollgate-tags is malformed",
    "not_supported": "400: the field would change the price in a way that the gateway cannot know",
    "background_not_supported": "400: background responses cannot be metered",
    "max_output_tokens_exceeded": "400: the request's maximum output exceeds the policy's",
    "service_tier_not_priced": "400: the model has no price for the requested service tier",
    "unbounded_cost": "400: the request's maximum cost cannot be determined",
    "request_too_large": "413: the body exceeds max_request_bytes",
    "unsupported_media_type": "415: the content type is not JSON",
    # 429: limits
    "budget_exceeded": "429: the request would exceed a budget; the error says when the budget resets",
    "tokens_per_minute_exceeded": "429: the request would exceed the tokens per minute",
    "requests_per_minute_exceeded": "429: the request would exceed the requests per minute",
    # 503: a dependency of the gateway. No provider was called, nothing was charged.
    "ledger_unavailable": "503: the ledger cannot be reached",
    "provider_secret_unavailable": "503: the provider's key cannot be read, is empty or is malformed",
    # The provider. The gateway passes the responses of the first three on unchanged.
    "upstream_throttled": "429: the provider rejected the request with 429",
    "upstream_refused": "the provider responded with another 4xx or a redirect",
    "upstream_error": "the provider responded with a 5xx",
    "provider_account_rejected": "502: the provider rejected our credentials or account; nothing was charged",
    "upstream_unreachable": "502: no connection to the provider; nothing was charged",
    "upstream_tls": "502: the provider's certificate is invalid, or its TLS connection failed",
    "upstream_timeout": "504: the provider timed out; charged for the part received, or the held amount",
    "upstream_reset": "502: the provider closed the connection without a response; charged the held amount",
    "upstream_cut": "502: the connection closed during the response; charged for the part received",
    "answer_too_large": "502: the response is larger than Lambda can return; charged for the part received",
    "upstream_incomplete": "the stream ended with an error and without the provider's token counts",
    # The sweeper
    "unsettled": "the request's hold expired before it was settled; charged the held amount",
}
"""Stable codes: `error_code` of rows and lines, `reason` of metrics, `code` of error responses. API Gateway's own
rejections, which reach no Lambda, have other codes (constructs_lib/gateway_responses.py)."""

LINE_KINDS: Final = {
    "usage": "one per request, and one per hold that the sweeper ended",
    "sweep": "one per run of the sweeper: accounts swept and skipped, holds ended and left open, events, failures",
    "prompt": "prompt and response of a request, in the log group of the prompt log",
    "budget_event": "a budget reached one of its thresholds; also sent to the SNS topic",
    "sweep_failed": "expired holds of an account could not be ended; the next run retries",
    "withdraw_failed": "a hold that may have been placed could not be withdrawn; replay the request's usage line",
    "budget_event_failed": "a budget event could not be stored or published; the next run retries",
    "model_unpriced": "a model's item lacks a price, so requests for the model are rejected",
    "prompt_log_failed": "a prompt could not be logged; the caller got the response",
}

USAGE_FIELDS: Final = {
    "kind": "usage",
    "level": "ERROR if the response's status is 500 or above, else INFO",
    "time": "when API Gateway received the request, ISO 8601 in UTC",
    **{name: str(member.metadata["meaning"]) for name, member in LINE_FIELDS.items()},
    "reason": "error_code again, for the dimension of Errors and Refusals",
    "gateway_ms": "latency_ms minus upstream_ms",
    **{f"tokens_{member.name}": str(member.metadata["meaning"]) for member in fields(Tokens)},
}
"""Fields of a usage line, except its metrics (lambda_src/core/metrics.py) and `_aws`, which declares the metrics."""

PROMPT_FIELDS: Final = {
    **{name: USAGE_FIELDS[name] for name in (
        "request_id", "time", "trace_id", "environment", "consumer", "key_id", "model", "route", "status",
    )},
    "kind": "prompt",
    "level": "INFO",
    "prompt": "the request's body as the caller sent it, masked and truncated",
    "prompt_truncated": "whether the prompt was truncated",
    "response": "the response's body, masked and truncated; the concatenated text of a stream",
    "response_truncated": "whether the response was truncated",
}  # fmt: skip
