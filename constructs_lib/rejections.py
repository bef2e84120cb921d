"""Metrics of API Gateway's own error responses, counted in its access log: no function of a route receives such a
request, and AWS's metrics 4XXError and 5XXError count functions' responses too."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import (
    CloudwatchLogMetricFilter,
    CloudwatchLogMetricFilterMetricTransformation,
    Construct,
    addressed,
)
from constructs_lib.metric_sources import API_GATEWAY_REJECTIONS, AUTHORIZER_FAILURES, source
from constructs_lib.settings import Environment
from constructs_lib.stage import Stage
from lambda_src.core.metrics import Metric

REJECTED: Final = '{ ($.error_type != "-") && ($.status = "4*") }'
"""Lines with an error type of API Gateway's own. Those with 5xx are failures of a function
(docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html)."""
AUTHORIZER_FAILED: Final = '{ ($.error_type = "AUTHORIZER_*") }'
"""Lines with AUTHORIZER_FAILURE or AUTHORIZER_CONFIGURATION_ERROR. A request without a key is UNAUTHORIZED, which is no
failure. AWS/Lambda's metric Errors counts it as one."""


class ApiGatewayRejections(Construct):
    """The metric filters. They count from their creation on."""

    def __init__(self, scope: Construct, *, environment: Environment, stage: Stage) -> None:
        super().__init__(scope, "rejections")
        self._count(environment, stage, "api-gateway-rejections", API_GATEWAY_REJECTIONS, REJECTED)
        if environment.gateway.bearer:
            self._count(environment, stage, "authorizer-failures", AUTHORIZER_FAILURES, AUTHORIZER_FAILED)

    def _count(self, environment: Environment, stage: Stage, name: str, metric: Metric, pattern: str) -> None:
        counted = source(environment, metric)
        # A metric with dimensions takes no default value: without such lines there is no data, which is no breach.
        transformation = CloudwatchLogMetricFilterMetricTransformation(
            namespace=counted.namespace,
            name=counted.name,
            value="1",
            unit=metric.unit,
            dimensions={dimension: f"$.{dimension}" for dimension, _ in counted.dimensions},
        )
        metric_filter = CloudwatchLogMetricFilter(
            self,
            name,
            name=f"{environment.prefix}-{name}",
            log_group_name=stage.access_logs.name,
            pattern=pattern,
            metric_transformation=transformation,
        )
        addressed(name, metric_filter)
