"""Alarms, each with what it means and what to do first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.aws import (
    CloudwatchMetricAlarm,
    CloudwatchMetricAlarmMetricQuery,
    CloudwatchMetricAlarmMetricQueryMetric,
    Construct,
    addressed,
)
from constructs_lib.function import Function
from constructs_lib.metric_sources import Source
from constructs_lib.notifications import Notifications
from constructs_lib.settings import Environment
from lambda_src import metrics

PERIOD_SECONDS: Final = 300
LEAST_REQUESTS: Final = 20
"""Of fewer requests a share says nothing: one mistyped key at night would be 100 %."""
SWEEPER_PERIOD_SECONDS: Final = 900


class Alarms(Construct):
    """Every alarm of an environment; all tell the same topic, when they begin and when they end."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        gateway: Function,
        sweeper: Function,
        own: Mapping[str, Function],
        notifications: Notifications,
    ) -> None:
        super().__init__(scope, "alarms")
        self._prefix = environment.prefix
        self._topic_arn = notifications.arn
        alerts, stage = environment.alerts, environment.gateway.stage
        api_name, gateway_name = environment.prefix, gateway.function.function_name
        self._alarm(
            "server-errors",
            sources.api(api_name, stage, "5XXError", "Sum"),
            alerts.server_errors,
            "Callers get 5xx answers. Look at the saved query `errors` and at the provider's status page.",
        )
        self._share_of_client_errors(api_name, stage, alerts.client_error_percent)
        self._alarm(
            "latency",
            sources.api(api_name, stage, "Latency", "p99"),
            alerts.latency_p99_ms,
            "The slowest answers come near the time-out. Look at the saved query `slowest`.",
        )
        self._alarm(
            "throttles",
            sources.function(gateway_name, "Throttles"),
            alerts.throttled,
            "The gateway Lambda has no room: raise gateway.reserved_concurrency or the account's limit.",
        )
        self._alarm(
            "lambda-errors",
            sources.function(gateway_name, "Errors"),
            alerts.lambda_errors,
            "The gateway Lambda failed or timed out. Its log has the reason; holds it left are swept.",
        )
        self._alarm(
            "ledger-failures",
            sources.own(environment.name, metrics.LEDGER_FAILURES),
            1,
            "The ledger refused or did not answer: requests are refused, or their rows come later.",
        )
        self._alarm(
            "sweeper-errors",
            sources.function(sweeper.function.function_name, "Errors"),
            1,
            "Expired holds are not being settled, so budgets stay blocked. The sweeper's log has the reason.",
            period_seconds=SWEEPER_PERIOD_SECONDS,
        )
        for name, function in own.items():
            self._alarm(
                f"{name}-errors",
                sources.function(function.function.function_name, "Errors"),
                alerts.lambda_errors,
                f"The function {name} failed or timed out. Its log has the reason.",
            )

    def _alarm(
        self, name: str, source: Source, threshold: float, description: str, *, period_seconds: int = PERIOD_SECONDS
    ) -> None:
        percentile = source.statistic.startswith("p")
        alarm = CloudwatchMetricAlarm(
            self,
            name,
            alarm_name=f"{self._prefix}-{name}",
            alarm_description=description,
            namespace=source.namespace,
            metric_name=source.name,
            dimensions=dict(source.dimensions),
            statistic=None if percentile else source.statistic,
            extended_statistic=source.statistic if percentile else None,
            period=period_seconds,
            evaluation_periods=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            treat_missing_data="notBreaching",
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
        )
        addressed(name, alarm)

    def _share_of_client_errors(self, api_name: str, stage: str, percent: int) -> None:
        parts = {"errors": sources.api(api_name, stage, "4XXError", "Sum"),
                 "requests": sources.api(api_name, stage, "Count", "Sum")}  # fmt: skip
        alarm = CloudwatchMetricAlarm(
            self,
            "client-errors",
            alarm_name=f"{self._prefix}-client-errors",
            alarm_description="Many requests are refused with 4xx: wrong keys, spent budgets, throttling, or a client "
            "that does something wrong. Look at the saved query `errors`.",
            metric_query=[
                CloudwatchMetricAlarmMetricQuery(
                    id="share",
                    label="share of 4xx in percent",
                    expression=f"IF(requests >= {LEAST_REQUESTS}, 100 * errors / requests, 0)",
                    return_data=True,
                ),
                *(self._query(query_id, source) for query_id, source in parts.items()),
            ],
            evaluation_periods=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=percent,
            treat_missing_data="notBreaching",
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
        )
        addressed("client-errors", alarm)

    def _query(self, query_id: str, source: Source) -> CloudwatchMetricAlarmMetricQuery:
        return CloudwatchMetricAlarmMetricQuery(
            id=query_id,
            return_data=False,
            metric=CloudwatchMetricAlarmMetricQueryMetric(
                namespace=source.namespace,
                metric_name=source.name,
                dimensions=dict(source.dimensions),
                stat=source.statistic,
                period=PERIOD_SECONDS,
            ),
        )
