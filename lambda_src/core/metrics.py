"""Every metric, defined once for the emitter, the alarms, the dashboard and the operator's command.

The namespace is `contract.METRIC_NAMESPACE`. Each metric has the dimension set (`environment`) and one more for each
name in its `by`, such as (`environment`, `model`); `consumer` only if `metrics_per_consumer` is set. The key id is
never a dimension, since each value is a billed series. The format is CloudWatch's embedded metric format (EMF):
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

Unit = Literal["Count", "Milliseconds", "Percent", "None"]
Statistic = Literal["Sum", "Average", "Maximum", "p99"]
Dimension = Literal["model", "consumer", "provider", "reason"]


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity, which is fast: metrics are keys in every request
class Metric:
    """A CloudWatch metric. statistic: the usual one. by: dimensions that it has in addition to `environment`."""

    name: str
    unit: Unit
    statistic: Statistic
    meaning: str
    by: tuple[Dimension, ...] = ()


_MODEL_CONSUMER: Final[tuple[Dimension, ...]] = ("model", "consumer")
_CONSUMER_REASON: Final[tuple[Dimension, ...]] = ("consumer", "reason")

REQUESTS: Final = Metric("Requests", "Count", "Sum", "requests, including rejected ones", _MODEL_CONSUMER)
ERRORS: Final = Metric("Errors", "Count", "Sum", "responses with status 500 or above", _CONSUMER_REASON)
REFUSALS: Final = Metric(
    "Refusals", "Count", "Sum", "requests rejected with 4xx before a provider was called", _CONSUMER_REASON
)

TOKENS_IN: Final = Metric("InputTokens", "Count", "Sum", "input tokens of all classes", ("model",))
TOKENS_OUT: Final = Metric("OutputTokens", "Count", "Sum", "output tokens, including reasoning", ("model",))
CACHE_READ_TOKENS: Final = Metric("CacheReadTokens", "Count", "Sum", "input tokens read from a provider's cache")
CACHE_WRITE_TOKENS: Final = Metric("CacheWriteTokens", "Count", "Sum", "input tokens written to a provider's cache")
REASONING_TOKENS: Final = Metric("ReasoningTokens", "Count", "Sum", "output tokens used for reasoning")

COST: Final = Metric("CostNanoUsd", "None", "Sum", "amount charged, in nano-USD", _MODEL_CONSUMER)
HELD: Final = Metric("HeldNanoUsd", "None", "Sum", "amount reserved before requests were sent, in nano-USD")
BUDGET_SPENT: Final = Metric(
    "BudgetSpentPercent", "Percent", "Maximum", "spent share of a consumer's most used budget", ("consumer",)
)
BUDGET_COMMITTED: Final = Metric(
    "BudgetCommittedPercent", "Percent", "Maximum", "spent and held share of the most used budget", ("consumer",)
)

TIME_TO_FIRST_BYTE: Final = Metric(
    "TimeToFirstByte",
    "Milliseconds",
    "p99",
    "time from the event to the first byte of a stream that the caller could get; whole responses have none",
    ("model",),
)
LATENCY: Final = Metric("Latency", "Milliseconds", "p99", "time from the event to the end of the response")
UPSTREAM_LATENCY: Final = Metric(
    "UpstreamLatency",
    "Milliseconds",
    "p99",
    "time from the first call of the provider to the end of its response, including retries",
    ("provider",),
)
GATEWAY_LATENCY: Final = Metric(
    "GatewayLatency", "Milliseconds", "p99", "Latency minus UpstreamLatency: the gateway's own share"
)

UPSTREAM_REQUESTS: Final = Metric(
    "UpstreamRequests", "Count", "Sum", "calls to providers, including retries", ("provider",)
)
UPSTREAM_ERRORS: Final = Metric(
    "UpstreamErrors", "Count", "Sum", "calls to providers that ended in 5xx, 429 or no complete response", ("provider",)
)
UPSTREAM_THROTTLES: Final = Metric("UpstreamThrottles", "Count", "Sum", "calls that a provider rejected with 429")
RETRIES: Final = Metric("Retries", "Count", "Sum", "retried calls to providers; only unbilled calls are retried")

ESTIMATED: Final = Metric("EstimatedRows", "Count", "Sum", "requests charged by estimate: usage missing or truncated")
UNSETTLED: Final = Metric(
    "UnsettledRows", "Count", "Sum", "requests not settled before their deadline, charged the held amount"
)
OVER_ESTIMATE: Final = Metric(
    "OverEstimate",
    "Count",
    "Sum",
    "requests whose cost exceeded the held amount, or whose output exceeded their maximum",
)
UNPRICED: Final = Metric("UnpricedRequests", "Count", "Sum", "requests rejected because their model has no price here")
OVERDUE_HOLDS: Final = Metric("OverdueHolds", "Count", "Maximum", "lapsed requests that a sweep could not end")
RESERVED_IN_VAIN: Final = Metric(
    "ReservedInVainNanoUsd", "None", "Sum", "amounts reserved for requests that were never sent, freed by the sweeper"
)
UNBOOKED_BUCKETS: Final = Metric(
    "UnbookedBuckets", "Count", "Maximum", "five-minute intervals whose requests are not booked long after their end"
)
QUARANTINED_RECORDS: Final = Metric(
    "QuarantinedRecords", "Count", "Sum", "stream records that the aggregator could not read and did not book"
)

DEAD_KEY_REQUESTS: Final = Metric(
    "DeadKeyRequests",
    "Count",
    "Sum",
    "requests with an unknown, disabled, revoked or expired key, or of a paused or expired consumer",
)
LEDGER_FAILURES: Final = Metric("LedgerFailures", "Count", "Sum", "ledger calls that failed after all retries")
LEDGER_THROTTLES: Final = Metric("LedgerThrottles", "Count", "Sum", "attempts of ledger calls that DynamoDB throttled")
LEDGER_CONFLICTS: Final = Metric(
    "LedgerConflicts", "Count", "Sum", "attempts of ledger calls that conflicted with a transaction on the same item"
)
SECRET_FAILURES: Final = Metric("SecretFailures", "Count", "Sum", "failed reads of a provider's key")
ADDRESSES_PER_KEY: Final = Metric(
    "AddressesPerKey", "Count", "Maximum", "source addresses that used one key in the current UTC hour"
)
COLD_STARTS: Final = Metric("ColdStarts", "Count", "Sum", "first requests of a Lambda environment")

METRICS: Final = {value.name: value for value in tuple(globals().values()) if isinstance(value, Metric)}
"""All metrics of this module by name."""
_NAMES: Final = frozenset(get_args(Dimension))


def dimension_sets(metric: Metric, per_consumer: bool) -> tuple[tuple[str, ...], ...]:
    """Every dimension set that `metric` can be published with."""
    return _sets(metric.by, frozenset(metric.by) if per_consumer else frozenset(metric.by) - {"consumer"})


def emf_metadata(
    timestamp_ms: int, namespace: str, per_consumer: bool, line: Mapping[str, object], values: Mapping[Metric, float]
) -> dict[str, object]:
    """The `_aws` field of a log line, which tells CloudWatch where the line has the metrics' values.

    line: the line's fields. A dimension whose value is missing, None or "-" is left out. A metric with the value 0 is
    published without `reason`, which belongs to another metric.
    """
    names = _NAMES if per_consumer else _NAMES - {"consumer"}
    available = frozenset(name for name in names if line.get(name) not in (None, "-"))
    without_reason = available - {"reason"}
    groups: dict[tuple[tuple[str, ...], ...], list[dict[str, str]]] = {}
    for metric, value in values.items():
        sets = _sets(metric.by, available if value else without_reason)
        groups.setdefault(sets, []).append({"Name": metric.name, "Unit": metric.unit})
    return {
        "Timestamp": timestamp_ms,
        "CloudWatchMetrics": [
            {"Namespace": namespace, "Dimensions": sets, "Metrics": metrics} for sets, metrics in groups.items()
        ],
    }


@lru_cache(maxsize=256)
def _sets(by: tuple[Dimension, ...], available: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    return (("environment",), *(("environment", name) for name in by if name in available))
