"""A metric for the requests that API Gateway rejects, counted in its access log: no function receives them, and AWS's
4XXError metric counts functions' rejections too."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import (
    CloudwatchLogMetricFilter,
    CloudwatchLogMetricFilterMetricTransformation,
    Construct,
    addressed,
)
from constructs_lib.metric_sources import API_GATEWAY_REJECTIONS, source
from constructs_lib.settings import Environment
from constructs_lib.stage import Stage

REJECTED: Final = '{ ($.error_type != "-") && ($.status = "4*") }'
"""Lines with an error type of API Gateway's own. Those with 5xx are failures of a function
(docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html)."""


class ApiGatewayRejections(Construct):
    """The metric filter. It counts from its creation on."""

    def __init__(self, scope: Construct, *, environment: Environment, stage: Stage) -> None:
        super().__init__(scope, "rejections")
        rejections = source(environment, API_GATEWAY_REJECTIONS)
        # A metric with dimensions takes no default value: without rejections there is no data, which is no breach.
        metric = CloudwatchLogMetricFilterMetricTransformation(
            namespace=rejections.namespace,
            name=rejections.name,
            value="1",
            unit=API_GATEWAY_REJECTIONS.unit,
            dimensions={name: f"$.{name}" for name, _ in rejections.dimensions},
        )
        metric_filter = CloudwatchLogMetricFilter(
            self,
            "refused",
            name=f"{environment.prefix}-api-gateway-rejections",
            log_group_name=stage.access_logs.name,
            pattern=REJECTED,
            metric_transformation=metric,
        )
        addressed("api-gateway-rejections", metric_filter)
