"""CloudWatch metrics that alarms and the dashboard read: Tollgate's own, and AWS's of the stage and the functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from constructs_lib.settings import Environment
from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core import metrics
from lambda_src.core.metrics import Metric, Unit


@dataclass(frozen=True, slots=True)
class StageMetric:
    """A metric of API Gateway's stage."""

    name: str
    label: str
    unit: Unit = "Count"
    statistic: str = "Sum"


@dataclass(frozen=True, slots=True)
class FunctionMetric:
    """A metric of a Lambda function; `source` can name another one."""

    name: str
    label: str
    unit: Unit = "Count"
    statistic: str = "Sum"
    function: str = "gateway"


AnyMetric = Metric | StageMetric | FunctionMetric

API_GATEWAY_REJECTIONS: Final = Metric(
    "ApiGatewayRejections",
    "Count",
    "Sum",
    "requests that API Gateway rejected before any function received them; a metric filter counts them in the access "
    "log",
)
AUTHORIZER_FAILURES: Final = Metric(
    "AuthorizerFailures",
    "Count",
    "Sum",
    "requests that failed because the authorizer did; a metric filter counts them in the access log",
)
API_REQUESTS: Final = StageMetric("Count", "requests")
API_4XX: Final = StageMetric("4XXError", "4xx responses")
API_5XX: Final = StageMetric("5XXError", "5xx responses")
API_LATENCY: Final = StageMetric("Latency", "whole responses", "Milliseconds", "p99")
LAMBDA_ERRORS: Final = FunctionMetric("Errors", "errors")
LAMBDA_THROTTLES: Final = FunctionMetric("Throttles", "throttles")
LAMBDA_CONCURRENCY: Final = FunctionMetric("ConcurrentExecutions", "concurrency", "Count", "Maximum")
LAMBDA_DURATION: Final = FunctionMetric("Duration", "longest invocation", "Milliseconds", "Maximum")
SWEEPER_ERRORS: Final = FunctionMetric("Errors", "errors", function="sweeper")
AGGREGATOR_ERRORS: Final = FunctionMetric("Errors", "errors", function="aggregator")
AGGREGATOR_LAG: Final = FunctionMetric("IteratorAge", "lag", "Milliseconds", "Maximum", function="aggregator")
_LABELS: Final = {
    metrics.ERRORS: "5xx responses",
    metrics.REFUSALS: "4xx rejections",
    metrics.COST: "spend",
    metrics.HELD: "held amounts",
    metrics.BUDGET_SPENT: "budget spent",
    metrics.BUDGET_COMMITTED: "budget spent or held",
    metrics.LATENCY: "whole responses",
    metrics.UPSTREAM_LATENCY: "whole responses of providers",
    metrics.UPSTREAM_REQUESTS: "provider calls",
    metrics.UPSTREAM_ERRORS: "failed provider calls",
    metrics.UPSTREAM_THROTTLES: "throttled provider calls",
    metrics.RETRIES: "retried provider calls",
    metrics.RESERVED_IN_VAIN: "reserved in vain",
    metrics.UNBOOKED_BUCKETS: "intervals not booked",
    metrics.QUARANTINED_RECORDS: "records not booked",
    metrics.ESTIMATED: "requests charged by estimate",
    metrics.UNSETTLED: "unsettled requests",
    metrics.OVER_ESTIMATE: "requests above the estimate",
    metrics.UNPRICED: "requests for unpriced models",
    metrics.DEAD_KEY_REQUESTS: "requests with invalid keys",
    metrics.SECRET_FAILURES: "failed reads of provider keys",
    metrics.ADDRESSES_PER_KEY: "source addresses of one key",
    API_GATEWAY_REJECTIONS: "requests rejected by API Gateway",
    AUTHORIZER_FAILURES: "failures of the authorizer",
}
"""Labels of metrics. Other metrics have their name as label: LedgerFailures is `ledger failures`."""
_UNITS: Final[dict[Unit, str]] = {"Count": "", "Milliseconds": " (ms)", "Percent": " (%)", "None": " (nano-USD)"}
"""Units in labels. CloudWatch has no unit of money."""


@dataclass(frozen=True, slots=True)
class Source:
    """One metric of one environment, stage or function. dimensions: name and value, in CloudWatch's order.

    subject: what graphs call it, without unit.
    """

    namespace: str
    name: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...]
    subject: str
    unit: Unit

    @property
    def label(self) -> str:
        """Its name in graphs, with percentile and unit."""
        percentile = f", {self.statistic}" if self.statistic.startswith("p") else ""
        return f"{self.subject}{percentile}{_UNITS[self.unit]}"


def source(environment: Environment, metric: AnyMetric, **by: str) -> Source:
    """`metric` in `environment`. by: one more dimension of Tollgate's metrics, or the function of a Lambda metric."""
    if isinstance(metric, StageMetric):
        # AWS's metrics and Tollgate's share names: there are two latencies, and two counts of requests.
        namespace, subject = "AWS/ApiGateway", f"API Gateway: {metric.label}"
        by = {"ApiName": environment.prefix, "Stage": environment.gateway.stage}
    elif isinstance(metric, FunctionMetric):
        function = by.get("function", metric.function)
        namespace, subject = "AWS/Lambda", f"{function} Lambda: {metric.label}"
        by = {"FunctionName": environment.function_name(function)}
    else:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", metric.name).lower()
        namespace, subject = METRIC_NAMESPACE, _LABELS.get(metric, words)
        by = {"environment": environment.name, **by}
    return Source(namespace, metric.name, metric.statistic, tuple(by.items()), subject, metric.unit)
