"""What the words in the logs mean: error codes, kinds of lines, their fields. For pages and tests, not for requests."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import LINE_FIELDS

ERROR_CODES: Final = {
    # 401, 403: who asks. API Gateway refuses a value it does not know by itself (`invalid_api_key`).
    "key_unknown": "403: the key is not in this environment's ledger",
    "key_disabled": "403: an operator disabled the key",
    "key_revoked": "403: an operator revoked the key",
    "key_expired": "403: the key's time is over, or its grace after a rotation",
    "consumer_unknown": "403: the key's consumer has no policy",
    "consumer_paused": "403: an operator paused the consumer",
    "consumer_expired": "403: the consumer's time is over",
    # 400 to 415: what is asked
    "not_found": "404: no such method or path",
    "model_not_found": "404: no such model, or not one that this key may use",
    "model_missing": "400: the request names no model",
    "invalid_model": "400: the model's name is no name",
    "wrong_route": "400: the model speaks another API than the one called",
    "invalid_json": "400: the body is no JSON object, or one that two readers could read in two ways",
    "invalid_encoding": "400: the body is not UTF-8, or not valid base64",
    "invalid_parameter": "400: a member that bounds the cost has a value that does not",
    "invalid_tags": "400: x-tollgate-tags is malformed",
    "not_supported": "400: a member would take the price out of the gateway's hands",
    "background_not_supported": "400: background responses cannot be metered",
    "max_output_tokens_exceeded": "400: more output asked for than the policy allows",
    "service_tier_not_priced": "400: the model has no price in the service tier asked for",
    "unbounded_cost": "400: the most that the request may cost cannot be told",
    "request_too_large": "413: the body is larger than the gateway takes",
    "unsupported_media_type": "415: the body is not sent as JSON",
    # 429: limits
    "budget_exceeded": "429: no room in a budget; the answer says when it frees",
    "tokens_per_minute_exceeded": "429: no room in the tokens of this minute",
    "requests_per_minute_exceeded": "429: no room in the requests of this minute",
    # 503: what the gateway needs. No provider was called, nothing was charged.
    "ledger_unavailable": "503: the ledger cannot be reached",
    "provider_secret_unavailable": "503: the provider's key cannot be read, is empty, or is none that could be sent",
    # The provider. The first three pass its own answer on, unchanged.
    "upstream_throttled": "429: the provider refused the request with 429",
    "upstream_refused": "the provider answered with another 4xx (or a redirect)",
    "upstream_error": "the provider answered with a 5xx",
    "upstream_unreachable": "502: no connection to the provider; nothing was charged",
    "upstream_tls": "502: the provider's certificate, or the encrypted connection, failed",
    "upstream_timeout": "504: no whole answer in time; charged by what came, or as held",
    "upstream_reset": "502: the connection closed without an answer; charged as held",
    "upstream_cut": "502: the connection closed in the middle of the answer; charged by what came",
    "answer_too_large": "502: the answer is larger than Lambda can return; charged by what came",
    "upstream_incomplete": "the stream itself ended in an error, and without the provider's own count",
    # The sweeper
    "unsettled": "a hold past its deadline was charged as held: its request never came to an end",
}
"""Stable codes by what they mean: `error_code` of rows and lines, `reason` of metrics, `code` in answers of ours.
API Gateway's own refusals, which no Lambda sees, have codes of their own (constructs_lib/gateway_responses.py)."""

LINE_KINDS: Final = {
    "usage": "one per request, and one per hold that the sweeper ended",
    "sweep": "one per pass of the sweeper: accounts seen and skipped, holds ended and left open, events, failures",
    "prompt": "prompt and answer of a request, in the prompt log's own group",
    "budget_event": "a budget reached one of its thresholds; the SNS topic has it too, as chat channels take it",
    "sweep_failed": "an account's holds could not be ended now; the next pass tries again",
    "withdraw_failed": "a hold that may have been placed could not be taken back; replay the request's line",
    "budget_event_failed": "a budget event could not be raised or published now; the next pass tries again",
    "model_unpriced": "a model's item lacks a price, so that the model is refused",
    "prompt_log_failed": "a prompt could not be logged; its request was answered all the same",
}

USAGE_FIELDS: Final = {
    "kind": "usage",
    "level": "ERROR if the answer's status is 500 or above, else INFO",
    "time": "when API Gateway received the request, ISO 8601 in UTC",
    **{name: str(each.metadata["meaning"]) for name, each in LINE_FIELDS.items()},
    "reason": "error_code again, for the dimension of Errors and Refusals",
    "gateway_ms": "latency_ms minus upstream_ms",
    **{f"tokens_{each.name}": str(each.metadata["meaning"]) for each in fields(Tokens)},
}
"""Fields of a usage line, except its metrics (lambda_src/core/metrics.py) and `_aws`, which declares the metrics."""

PROMPT_FIELDS: Final = {
    **{name: USAGE_FIELDS[name] for name in (
        "request_id", "time", "trace_id", "environment", "consumer", "key_id", "model", "route", "status",
    )},
    "kind": "prompt",
    "level": "INFO",
    "prompt": "the request's body as the caller sent it, masked and cut",
    "prompt_truncated": "whether something was cut off",
    "response": "the answer's body, masked and cut; of a stream its text, put together",
    "response_truncated": "whether something was cut off",
}  # fmt: skip
