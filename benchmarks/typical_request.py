"""The usage record of a typical request, about as large as most."""

from __future__ import annotations

from typing import Final

from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord

CONSUMER: Final = "a-consumer-with-a-name"
HELD: Final = 250_000_000
"""Nano-USD that are reserved for it."""


def record_of(number: int, at_ms: int) -> UsageRecord:
    """The record of a request that has been received."""
    return UsageRecord(
        request_id=f"UXqfdGCqo{number:06d}=", at_ms=at_ms, environment="bench", consumer=CONSUMER, key_id="a1b2c3d4e5",
        plan="busy", route="chat", provider="openai", model="gpt-5-mini-2025-08-07", stream=True,
        price_version="2026-11-26/genai-prices-0.2.3/litellm-1.110.2",
        tags={"team": "checkout", "cost_centre": "4711", "caller.feature": "search"},
    )  # fmt: skip


def end(record: UsageRecord, duration: float, cost: int) -> None:
    """Complete a record as the metering does."""
    record.status, record.upstream_status, record.settlement, record.usage_source = 200, 200, "settled", "reported"
    record.model_served, record.service_tier, record.provider_request_id = record.model, "standard", "req_" + "0" * 32
    record.held_nano_usd, record.cost_nano_usd = HELD, cost
    record.tokens = Tokens(input=1_204, cache_read=8_192, output=731, reasoning=128)
    record.usage_raw = {"prompt_tokens": 9_396, "completion_tokens": 731, "total_tokens": 10_127}
    record.latency_ms, record.upstream_ms, record.first_byte_ms = int(duration * 1000) + 12, int(duration * 1000), 380
