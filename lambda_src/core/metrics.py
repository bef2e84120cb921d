"""Every metric, defined once: the emitter, the alarms, the dashboard and the operator's command import it from here.

Namespace `contract.METRIC_NAMESPACE`. Each metric has the dimension set (`environment`), and one more for each name
in its `by`: (`environment`, `model`) and so on; `consumer` only where the environment file keeps
`metrics_per_consumer`. Never the key id: each distinct value is a billed series. Format: CloudWatch embedded metric
format,
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


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity: every request counts by metric
class Metric:
    """name as CloudWatch shows it, unit, the statistic that answers the usual question, and what it means.

    by: the dimensions it is also told by, each beside `environment`.
    """

    name: str
    unit: Unit
    statistic: Statistic
    meaning: str
    by: tuple[Dimension, ...] = ()


_WHO: Final[tuple[Dimension, ...]] = ("model", "consumer")
_WHY: Final[tuple[Dimension, ...]] = ("consumer", "reason")

REQUESTS: Final = Metric("Requests", "Count", "Sum", "requests the gateway answered, refused ones included", _WHO)
ERRORS: Final = Metric("Errors", "Count", "Sum", "answers with status 500 or above", _WHY)
REFUSALS: Final = Metric("Refusals", "Count", "Sum", "requests refused with 4xx before a provider was called", _WHY)

TOKENS_IN: Final = Metric("InputTokens", "Count", "Sum", "input tokens of every class", ("model",))
TOKENS_OUT: Final = Metric("OutputTokens", "Count", "Sum", "output tokens, reasoning included", ("model",))
CACHE_READ_TOKENS: Final = Metric("CacheReadTokens", "Count", "Sum", "input tokens that a provider's cache served")
CACHE_WRITE_TOKENS: Final = Metric("CacheWriteTokens", "Count", "Sum", "input tokens that a provider's cache stored")
REASONING_TOKENS: Final = Metric("ReasoningTokens", "Count", "Sum", "output tokens spent on reasoning")

COST: Final = Metric("CostNanoUsd", "None", "Sum", "what was charged, in nano-USD", _WHO)
HELD: Final = Metric("HeldNanoUsd", "None", "Sum", "what was reserved for requests before they were sent, in nano-USD")
BUDGET_SPENT: Final = Metric(
    "BudgetSpentPercent", "Percent", "Maximum", "spent share of a consumer's fullest budget", ("consumer",)
)
BUDGET_COMMITTED: Final = Metric(
    "BudgetCommittedPercent", "Percent", "Maximum", "spent and held share of a consumer's fullest budget", ("consumer",)
)

LATENCY: Final = Metric("Latency", "Milliseconds", "p99", "from the event to the answer", ("model",))
UPSTREAM_LATENCY: Final = Metric(
    "UpstreamLatency", "Milliseconds", "p99", "spent waiting for the provider, retries included", ("provider",)
)
FIRST_BYTE_LATENCY: Final = Metric("FirstByteLatency", "Milliseconds", "p99", "until the provider's first byte")
GATEWAY_LATENCY: Final = Metric("GatewayLatency", "Milliseconds", "p99", "latency less the wait for the provider")

UPSTREAM_REQUESTS: Final = Metric(
    "UpstreamRequests", "Count", "Sum", "calls of providers, repeated ones included", ("provider",)
)
UPSTREAM_ERRORS: Final = Metric(
    "UpstreamErrors", "Count", "Sum", "calls of providers that ended in 5xx, 429 or without an answer", ("provider",)
)
UPSTREAM_THROTTLES: Final = Metric("UpstreamThrottles", "Count", "Sum", "calls that a provider refused with 429")
RETRIES: Final = Metric("Retries", "Count", "Sum", "calls repeated where nothing was billed")

ESTIMATED: Final = Metric("EstimatedRows", "Count", "Sum", "requests charged by estimate: usage missing or cut")
UNSETTLED: Final = Metric("UnsettledRows", "Count", "Sum", "holds that ended without a settle, at the held amount")
OVER_ESTIMATE: Final = Metric("OverEstimate", "Count", "Sum", "requests that cost more than was held for them")
UNPRICED: Final = Metric("UnpricedRequests", "Count", "Sum", "requests refused because their model has no price here")
OVERDUE_HOLDS: Final = Metric("OverdueHolds", "Count", "Maximum", "holds past their deadline that a sweep left open")

DEAD_KEY_REQUESTS: Final = Metric(
    "DeadKeyRequests", "Count", "Sum", "requests refused because their key must not work any more"
)
LEDGER_FAILURES: Final = Metric("LedgerFailures", "Count", "Sum", "ledger calls that failed in the end")
LEDGER_THROTTLES: Final = Metric("LedgerThrottles", "Count", "Sum", "tries of ledger calls that DynamoDB throttled")
SECRET_FAILURES: Final = Metric("SecretFailures", "Count", "Sum", "failed reads of a provider's key")
ADDRESSES_PER_KEY: Final = Metric(
    "AddressesPerKey", "Count", "Maximum", "source addresses that one key was used from in this UTC hour"
)
COLD_STARTS: Final = Metric("ColdStarts", "Count", "Sum", "first requests of a Lambda environment")

METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        REQUESTS, ERRORS, REFUSALS,
        TOKENS_IN, TOKENS_OUT, CACHE_READ_TOKENS, CACHE_WRITE_TOKENS, REASONING_TOKENS,
        COST, HELD, BUDGET_SPENT, BUDGET_COMMITTED,
        LATENCY, UPSTREAM_LATENCY, FIRST_BYTE_LATENCY, GATEWAY_LATENCY,
        UPSTREAM_REQUESTS, UPSTREAM_ERRORS, UPSTREAM_THROTTLES, RETRIES,
        ESTIMATED, UNSETTLED, OVER_ESTIMATE, UNPRICED, OVERDUE_HOLDS,
        DEAD_KEY_REQUESTS, LEDGER_FAILURES, LEDGER_THROTTLES, SECRET_FAILURES, ADDRESSES_PER_KEY, COLD_STARTS,
    )
}  # fmt: skip


_NAMES: Final = frozenset(get_args(Dimension))


def dimension_sets(metric: Metric, per_consumer: bool) -> tuple[tuple[str, ...], ...]:
    """Every dimension set of `metric`: what a bill, an alarm or a graph can count on."""
    return _sets(metric.by, frozenset(metric.by) if per_consumer else frozenset(metric.by) - {"consumer"})


def emf_metadata(
    timestamp_ms: int, namespace: str, per_consumer: bool, known: Mapping[str, object], values: Mapping[Metric, float]
) -> dict[str, object]:
    """The `_aws` member that makes CloudWatch read the metrics' values off the same log line.

    known: members of the line; a dimension that is missing, None or "-" makes no series. A metric that is 0 is not
    told by reason: the reason is somebody else's.
    """
    names = _NAMES if per_consumer else _NAMES - {"consumer"}
    have = frozenset(name for name in names if known.get(name) not in (None, "-"))
    unasked = have - {"reason"}
    groups: dict[tuple[tuple[str, ...], ...], list[dict[str, str]]] = {}
    for metric, value in values.items():
        sets = _sets(metric.by, have if value else unasked)
        groups.setdefault(sets, []).append({"Name": metric.name, "Unit": metric.unit})
    return {
        "Timestamp": timestamp_ms,
        "CloudWatchMetrics": [
            {"Namespace": namespace, "Dimensions": sets, "Metrics": metrics} for sets, metrics in groups.items()
        ],
    }


@lru_cache(maxsize=256)
def _sets(by: tuple[Dimension, ...], have: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    return (("environment",), *(("environment", name) for name in by if name in have))
