"""Requests that never settled: the record of an expired hold, and what replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_src.core.account import Hold
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord


def unsettled_record(hold: Hold, consumer: str, environment: str) -> UsageRecord:
    """The record to book for an expired hold: the held amount, marked `unsettled`."""
    return UsageRecord(
        request_id=hold.request_id,
        at_ms=hold.at_ms,
        environment=environment,
        consumer=consumer,
        key_id=hold.key_id,
        route=hold.route,
        provider=hold.provider,
        model=hold.model,
        status=504,
        error_code="unsettled",
        settlement="unsettled",
        usage_source="estimated",
        tokens=Tokens(input=hold.tokens),
        held_nano_usd=hold.amount,
        cost_nano_usd=hold.amount,
        price_version=hold.price_version,
    )


def unsettled_rollup(row: Mapping[str, Any]) -> dict[str, int]:
    """The values that an `unsettled` row added to its rollup."""
    return {
        "requests": 1,
        "errors": 1,
        "estimated": 1,
        "unsettled": 1,
        "status_504": 1,
        "code_unsettled": 1,
        "cost_nano_usd": int(row["cost_nano_usd"]),
        "tokens_input": int(row.get("tokens_input", 0)),
    }


def supersedes(record: UsageRecord, row: Mapping[str, Any]) -> bool:
    """Whether the sweeper wrote `row`, and `record` has the actual outcome."""
    return row.get("settlement") == "unsettled" and record.settlement != "unsettled"
