"""Meanings of log line kinds and log fields, for documentation and tests."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import LINE_FIELDS

LINE_KINDS: Final = {
    "usage": "one per request, and one per lapsed request that the sweeper ended",
    "aggregation": "a batch of the aggregator with records that it could not read, throttled or conflicting calls",
    "quarantined": "a change of a usage row that the aggregator could not read and did not book",
    "sweep": "one per run of the sweeper: accounts swept and skipped, requests ended and left open, buckets closed and "
    "not booked, amounts freed, events, failures",
    "prompt": "prompt and response of a request, in the log group of the prompt log",
    "budget_event": "a budget reached one of its thresholds; also sent to the SNS topic",
    "budget_event_failed": "a budget event could not be stored or published; the sweeper publishes it",
    "sweep_failed": "an account could not be swept; the next run retries",
    "withdraw_failed": "the held row of a request that was not sent may remain; replay the request's usage line",
    "hold_in_full_failed": "the ledger could not remember that a provider exceeded a maximum; its next such response "
    "tries again",
    "model_unpriced": "a model's item lacks a price, so requests for the model are rejected",
    "prompt_log_failed": "a prompt could not be logged; the caller got the response",
    "response_lost": "Lambda took no response, or only its beginning, for a request that was settled; `reason` says "
    "why",
    "exception": "an unexpected exception, without its message: the caller got a 502 or a truncated stream, and the "
    "sweeper ends the request",
}

USAGE_FIELDS: Final = {
    "kind": "usage",
    "level": "ERROR if the response's status is 500 or above, else INFO",
    "time": "when API Gateway received the request, ISO 8601 in UTC",
    **{name: str(member.metadata["meaning"]) for name, member in LINE_FIELDS.items()},
    "reason": "error_code again, for the dimension of Errors and Refusals",
    "gateway_ms": "latency_ms minus upstream_ms: the gateway's own share, before the first call of the provider and "
    "after the end of its response",
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
