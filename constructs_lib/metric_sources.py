"""CloudWatch metrics that alarms and the dashboard read: Tollgate's own, and AWS's of the stage and the functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from constructs_lib.settings import Environment
from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core.metrics import Metric


@dataclass(frozen=True, slots=True)
class StageMetric:
    """A metric of API Gateway's stage."""

    name: str
    statistic: str = "Sum"


@dataclass(frozen=True, slots=True)
class FunctionMetric:
    """A metric of a Lambda function; `source` can name another one."""

    name: str
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
API_REQUESTS: Final = StageMetric("Count")
API_4XX: Final = StageMetric("4XXError")
API_5XX: Final = StageMetric("5XXError")
API_LATENCY: Final = StageMetric("Latency", "p99")
LAMBDA_ERRORS: Final = FunctionMetric("Errors")
LAMBDA_THROTTLES: Final = FunctionMetric("Throttles")
LAMBDA_CONCURRENCY: Final = FunctionMetric("ConcurrentExecutions", "Maximum")
LAMBDA_DURATION: Final = FunctionMetric("Duration", "Maximum")
SWEEPER_ERRORS: Final = FunctionMetric("Errors", function="sweeper")


@dataclass(frozen=True, slots=True)
class Source:
    """One metric of one environment, stage or function. dimensions: name and value, in CloudWatch's order."""

    namespace: str
    name: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...]


def source(environment: Environment, metric: AnyMetric, **by: str) -> Source:
    """`metric` in `environment`. by: one more dimension of Tollgate's metrics, or the function of a Lambda metric."""
    if isinstance(metric, StageMetric):
        stage = (("ApiName", environment.prefix), ("Stage", environment.gateway.stage))
        return Source("AWS/ApiGateway", metric.name, metric.statistic, stage)
    if isinstance(metric, FunctionMetric):
        name = environment.function_name(by.get("function", metric.function))
        return Source("AWS/Lambda", metric.name, metric.statistic, (("FunctionName", name),))
    dimensions = (("environment", environment.name), *by.items())
    return Source(METRIC_NAMESPACE, metric.name, metric.statistic, dimensions)
