"""Every metric, defined once: the emitter, the alarms and the dashboard import it from here.

Namespace `contract.METRIC_NAMESPACE`; dimensions are lists of `DIMENSION_SETS`, never the key id (each distinct
value is a billed series). Format: CloudWatch embedded metric format,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal["Count", "Milliseconds", "None"]
Statistic = Literal["Sum", "Average", "Maximum", "p99"]


@dataclass(frozen=True, slots=True)
class Metric:
    """name as CloudWatch shows it, unit, the statistic that answers the usual question, and what it means."""

    name: str
    unit: Unit
    statistic: Statistic
    meaning: str


REQUESTS: Final = Metric("Requests", "Count", "Sum", "requests the gateway answered, refused ones included")
ERRORS: Final = Metric("Errors", "Count", "Sum", "answers with status 500 or above")
REFUSALS: Final = Metric("Refusals", "Count", "Sum", "requests refused before a provider was called")
TOKENS_IN: Final = Metric("InputTokens", "Count", "Sum", "input tokens of every class")
TOKENS_OUT: Final = Metric("OutputTokens", "Count", "Sum", "output tokens, reasoning included")
COST: Final = Metric("CostNanoUsd", "None", "Sum", "what was charged, in nano-USD")
LATENCY: Final = Metric("Latency", "Milliseconds", "p99", "from the event to the answer")
UPSTREAM_LATENCY: Final = Metric("UpstreamLatency", "Milliseconds", "p99", "spent waiting for the provider")
GATEWAY_LATENCY: Final = Metric("GatewayLatency", "Milliseconds", "p99", "latency less the wait for the provider")
RETRIES: Final = Metric("Retries", "Count", "Sum", "calls repeated where nothing was billed")
ESTIMATED: Final = Metric("EstimatedRows", "Count", "Sum", "requests charged by estimate: usage missing or cut")
UNSETTLED: Final = Metric("UnsettledRows", "Count", "Sum", "holds that ended without a settle, at the held amount")
OVER_ESTIMATE: Final = Metric("OverEstimate", "Count", "Sum", "requests that cost more than was held for them")
LEDGER_FAILURES: Final = Metric("LedgerFailures", "Count", "Sum", "ledger calls that failed")
COLD_STARTS: Final = Metric("ColdStarts", "Count", "Sum", "first requests of a Lambda environment")

METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        REQUESTS,
        ERRORS,
        REFUSALS,
        TOKENS_IN,
        TOKENS_OUT,
        COST,
        LATENCY,
        UPSTREAM_LATENCY,
        GATEWAY_LATENCY,
        RETRIES,
        ESTIMATED,
        UNSETTLED,
        OVER_ESTIMATE,
        LEDGER_FAILURES,
        COLD_STARTS,
    )
}

DIMENSION_SETS: Final = (("environment",), ("environment", "model"), ("environment", "consumer"))
"""The last one only where the environment file keeps `metrics_per_consumer`."""


def embedded(timestamp_ms: int, namespace: str, per_consumer: bool, metrics: list[Metric]) -> dict[str, object]:
    """The `_aws` member that makes CloudWatch read the metrics' values off the same log line."""
    sets = DIMENSION_SETS if per_consumer else DIMENSION_SETS[:2]
    return {
        "Timestamp": timestamp_ms,
        "CloudWatchMetrics": [
            {
                "Namespace": namespace,
                "Dimensions": sets,
                "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric in metrics],
            }
        ],
    }
