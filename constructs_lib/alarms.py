"""CloudWatch alarms of an environment, made from the catalogue."""

from __future__ import annotations

from typing import Final

from constructs_lib.alarm_catalogue import (
    UNHEALTHY,
    UNHEALTHY_TITLE,
    Alarm,
    Condition,
    alarms_of,
    anchor,
    description,
    outage_names,
)
from constructs_lib.aws import (
    CloudwatchCompositeAlarm,
    CloudwatchMetricAlarm,
    CloudwatchMetricAlarmMetricQuery,
    CloudwatchMetricAlarmMetricQueryMetric,
    Construct,
    addressed,
)
from constructs_lib.metric_sources import Source
from constructs_lib.notifications import Notifications
from constructs_lib.settings import Environment
from constructs_lib.settings.alarm_names import ALARM_SCOPES
from constructs_lib.settings.environment import RenamableSection

_RESULT: Final = "result"
"""Id of the expression that CloudWatch compares."""


class Alarms(Construct):
    """Every alarm of an environment. All publish to one topic when they go into ALARM and when they return to OK.

    alarms: definitions, without the composite. resources: theirs, by name. arns: of all of them, the composite first.
    """

    def __init__(self, scope: Construct, *, environment: Environment, notifications: Notifications) -> None:
        super().__init__(scope, "alarms")
        self._environment = environment
        self._topic_arn = notifications.arn
        self.alarms = alarms_of(environment)
        self.resources = {alarm.name: self._metric_alarm(alarm) for alarm in self.alarms}
        outages = outage_names(environment, self.alarms)
        self.arns = [resource.arn for resource in self.resources.values()]
        if outages:
            self.arns.insert(0, self._composite([self.resources[name] for name in outages]))

    def _metric_alarm(self, alarm: Alarm) -> CloudwatchMetricAlarm:
        condition = alarm.condition
        (first, *_) = condition.sources.values()
        single = condition.expression is None
        percentile = single and first.statistic.startswith("p")
        metric_alarm = CloudwatchMetricAlarm(
            self,
            alarm.name,
            alarm_name=f"{self._environment.prefix}-{first_name(alarm, self._environment)}",
            alarm_description=description(alarm, self._environment),
            namespace=first.namespace if single else None,
            metric_name=first.name if single else None,
            dimensions=dict(first.dimensions) if single else None,
            statistic=first.statistic if single and not percentile else None,
            extended_statistic=first.statistic if percentile else None,
            period=condition.period_seconds if single else None,
            metric_query=None if single else _queries(condition),
            evaluation_periods=condition.evaluation_periods,
            datapoints_to_alarm=condition.datapoints_to_alarm if condition.evaluation_periods > 1 else None,
            comparison_operator=_comparison(condition),
            threshold=condition.threshold,
            threshold_metric_id=_RESULT if condition.threshold is None else None,
            treat_missing_data=alarm.definition.treat_missing_data,
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
        )
        return addressed(alarm.name, metric_alarm)

    def _composite(self, outages: list[CloudwatchMetricAlarm]) -> str:
        composite = CloudwatchCompositeAlarm(
            self,
            UNHEALTHY,
            alarm_name=f"{self._environment.prefix}-{UNHEALTHY}",
            alarm_description=f"{UNHEALTHY_TITLE}. The alarms that it combines show the cause and what to do. "
            f"Runbook: {self._environment.alerts.runbook_url}#{anchor(UNHEALTHY)}",
            alarm_rule=" OR ".join(f'ALARM("{outage.alarm_name}")' for outage in outages),
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
        )
        return addressed(UNHEALTHY, composite).arn


def first_name(alarm: Alarm, environment: Environment) -> str:
    """The alarm's name with the first name of its provider or function: AWS cannot rename an alarm."""
    scope = ALARM_SCOPES[alarm.definition.name]
    if scope == "environment":
        return alarm.name
    section: RenamableSection = "providers" if scope == "provider" else "functions"
    return f"{alarm.definition.name}-{environment.first_name(section, alarm.subject)}"


def _comparison(condition: Condition) -> str:
    if condition.threshold is None:
        return "GreaterThanUpperThreshold"
    return "LessThanThreshold" if condition.below else "GreaterThanOrEqualToThreshold"


def _queries(condition: Condition) -> list[CloudwatchMetricAlarmMetricQuery]:
    # CloudWatch compares the expression; an anomaly alarm returns its metric too, to compare it with the band.
    band = condition.threshold is None
    result = CloudwatchMetricAlarmMetricQuery(
        id=_RESULT, label=condition.label, expression=condition.expression, return_data=True
    )
    metrics = [
        _query(query_id, source, condition.period_seconds, returned=band)
        for query_id, source in condition.sources.items()
    ]
    return [result, *metrics]


def _query(query_id: str, source: Source, period_seconds: int, *, returned: bool) -> CloudwatchMetricAlarmMetricQuery:
    return CloudwatchMetricAlarmMetricQuery(
        id=query_id,
        return_data=returned,
        metric=CloudwatchMetricAlarmMetricQueryMetric(
            namespace=source.namespace,
            metric_name=source.name,
            dimensions=dict(source.dimensions),
            stat=source.statistic,
            period=period_seconds,
        ),
    )
