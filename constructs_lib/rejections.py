"""What API Gateway refuses by itself, counted out of its access log: no function sees those requests, and AWS's own
metrics do not tell them from a function's refusals, or from preflights."""

from __future__ import annotations

from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.aws import (
    CloudwatchLogMetricFilter,
    CloudwatchLogMetricFilterMetricTransformation,
    Construct,
    addressed,
)
from constructs_lib.settings import Environment
from constructs_lib.stage import Stage

REFUSED: Final = '{ ($.error_type != "-") && ($.status = "4*") }'
"""Lines with a reason of API Gateway's own; those with 5xx are a function's failure
(docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html)."""


class ApiGatewayRejections(Construct):
    """The metric filter. It counts from when it is there on."""

    def __init__(self, scope: Construct, *, environment: Environment, stage: Stage) -> None:
        super().__init__(scope, "rejections")
        counted = sources.api_gateway_rejections(environment.name)
        # With a dimension there can be no default value: without a refusal there is no data, which no alarm takes ill.
        metric = CloudwatchLogMetricFilterMetricTransformation(
            namespace=counted.namespace,
            name=counted.name,
            value="1",
            unit="Count",
            dimensions={name: f"$.{name}" for name, _ in counted.dimensions},
        )
        refused = CloudwatchLogMetricFilter(
            self,
            "refused",
            name=f"{environment.prefix}-api-gateway-rejections",
            log_group_name=stage.access_logs.name,
            pattern=REFUSED,
            metric_transformation=metric,
        )
        addressed("api-gateway-rejections", refused)
