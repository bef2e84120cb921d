"""Metrics that alarms and the dashboard share: AWS's own of the parts we deploy, and Tollgate's."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core.metrics import Metric


@dataclass(frozen=True, slots=True)
class Source:
    """One metric of one thing. dimensions: name and value, in CloudWatch's order."""

    namespace: str
    name: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...]


def api(api_name: str, stage: str, name: str, statistic: str) -> Source:
    """A metric of the API's stage."""
    return Source("AWS/ApiGateway", name, statistic, (("ApiName", api_name), ("Stage", stage)))


def function(function_name: str, name: str, statistic: str = "Sum") -> Source:
    """A metric of a Lambda function."""
    return Source("AWS/Lambda", name, statistic, (("FunctionName", function_name),))


def own(environment: str, metric: Metric, statistic: str | None = None, **by: str) -> Source:
    """A metric of Tollgate's, over the whole environment or by one more dimension: `provider="openai"`."""
    dimensions = (("environment", environment), *by.items())
    return Source(METRIC_NAMESPACE, metric.name, statistic or metric.statistic, dimensions)


def api_gateway_rejections(environment: str) -> Source:
    """Requests that API Gateway refused by itself, which a filter of its access log counts."""
    return Source(METRIC_NAMESPACE, "ApiGatewayRejections", "Sum", (("environment", environment),))
