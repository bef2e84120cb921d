"""The metrics of one request and their values."""

from __future__ import annotations

from typing import Final

from lambda_src.core import metrics
from lambda_src.core.metrics import Metric
from lambda_src.core.usage_record import UsageRecord

DEAD_KEY_CODES: Final = frozenset(
    {"key_unknown", "key_disabled", "key_revoked", "key_expired", "consumer_paused", "consumer_expired"}
)
"""Error codes of requests whose key API Gateway accepted, but which must not work any more."""
_ALWAYS = (metrics.REQUESTS, metrics.ERRORS, metrics.REFUSALS)
"""Published even if 0, because alarms compute percentages of them. Zeros of other counts are omitted."""
_ALWAYS_WITH_CALL = (metrics.UPSTREAM_REQUESTS, metrics.UPSTREAM_ERRORS)
"""The same, if a provider was called."""


def metric_values(record: UsageRecord) -> dict[Metric, float]:
    """Values by metric, without those that do not apply: a request without a provider call has no UpstreamLatency."""
    counts = _counts(record)
    values: dict[Metric, float] = {metric: value for metric, value in counts.items() if value}
    always = (*_ALWAYS, *_ALWAYS_WITH_CALL) if record.counters.upstream_requests else _ALWAYS
    values |= {metric: counts[metric] for metric in always}
    return values | _measurements(record)


def _counts(record: UsageRecord) -> dict[Metric, int]:
    tokens, counters = record.tokens, record.counters
    return {
        metrics.REQUESTS: 1,
        metrics.ERRORS: int(record.failed),
        metrics.REFUSALS: int(record.refused),
        metrics.TOKENS_IN: tokens.total_input,
        metrics.TOKENS_OUT: tokens.total_output,
        metrics.CACHE_READ_TOKENS: tokens.cache_read,
        metrics.CACHE_WRITE_TOKENS: tokens.cache_write_5m + tokens.cache_write_1h,
        metrics.REASONING_TOKENS: tokens.reasoning,
        metrics.COST: record.cost_nano_usd,
        metrics.HELD: record.held_nano_usd,
        metrics.UPSTREAM_REQUESTS: counters.upstream_requests,
        metrics.UPSTREAM_ERRORS: counters.upstream_errors,
        metrics.UPSTREAM_THROTTLES: counters.upstream_throttles,
        metrics.RETRIES: record.retries,
        metrics.ESTIMATED: int(record.usage_source == "estimated"),
        metrics.UNSETTLED: int(record.settlement == "unsettled"),
        metrics.OVER_ESTIMATE: int(record.over_estimate),
        metrics.UNPRICED: int(counters.unpriced),
        metrics.DEAD_KEY_REQUESTS: int(record.error_code in DEAD_KEY_CODES),
        metrics.LEDGER_FAILURES: counters.ledger_failures,
        metrics.LEDGER_THROTTLES: counters.ledger_throttles,
        metrics.LEDGER_CONFLICTS: counters.ledger_conflicts,
        metrics.SECRET_FAILURES: counters.secret_failures,
        metrics.COLD_STARTS: int(counters.cold_start),
    }


def _measurements(record: UsageRecord) -> dict[Metric, float]:
    """Values that are measured rather than counted, so that 0 is published as well."""
    counters, timed = record.counters, record.settlement != "unsettled"
    values: dict[Metric, float | None] = {
        metrics.TIME_TO_FIRST_BYTE: record.first_byte_ms,
        metrics.LATENCY: record.latency_ms if timed else None,
        metrics.GATEWAY_LATENCY: record.gateway_ms if timed else None,
        metrics.UPSTREAM_LATENCY: record.upstream_ms if counters.upstream_requests else None,
        metrics.BUDGET_SPENT: counters.budget_spent_percent,
        metrics.BUDGET_COMMITTED: counters.budget_committed_percent,
        metrics.ADDRESSES_PER_KEY: counters.key_addresses,
    }
    return {metric: value for metric, value in values.items() if value is not None}
