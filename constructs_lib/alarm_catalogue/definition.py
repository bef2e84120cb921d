"""What defines an alarm: text for people, and the condition that CloudWatch evaluates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from constructs_lib.metric_sources import AnyMetric, Source, source
from constructs_lib.settings import Environment
from constructs_lib.settings.alarm_names import ALARM_SCOPES, AlarmScope
from lambda_src.contract import SWEEP_MINUTES

HOUR_MINUTES: Final = 60
SWEEPS_MINUTES: Final = 3 * SWEEP_MINUTES
"""Three runs of the sweeper: the next run makes up for one that failed."""
MINIMUM_REQUESTS: Final = 20
"""A percentage of fewer requests means nothing: one mistyped key at night would be 100 %."""

Severity = Literal["outage", "urgent", "notice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When an alarm goes into ALARM.

    sources: metrics by their id in `expression`. expression: metric math; None: the only metric itself.
    threshold: in the metric's unit, reached or exceeded; None: the upper edge of the band that `expression` computes.
    below: ALARM below the threshold instead. datapoints_to_alarm: breaches among the last `evaluation_periods` that it
    takes. graph_expression: what a graph shows instead of `expression`.
    """

    sources: Mapping[str, Source]
    threshold: float | None
    period_seconds: int
    expression: str | None = None
    label: str = ""
    below: bool = False
    datapoints_to_alarm: int = 1
    evaluation_periods: int = 1
    graph_expression: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDefinition:
    """One alarm of an environment, or one for each of its providers or custom functions.

    title: the problem, as a noun phrase. why: who is affected and how. action: the first steps. setting: key of
    [alerts] with the threshold of `metric`, or of its percentage of `percent_of`. minimum_setting: key with the least
    value of `metric` that has a percentage; None: MINIMUM_REQUESTS of `percent_of`. minutes: window; None:
    `alerts.minutes`. adjust: changes an unusual condition; it returns None where the environment has no such alarm.
    """

    name: str
    title: str
    why: str
    action: str
    severity: Severity
    metric: AnyMetric
    setting: str
    percent_of: AnyMetric | None = None
    minimum_setting: str | None = None
    minutes: int | None = None
    adjust: Callable[[Condition, Environment], Condition | None] | None = None
    treat_missing_data: Literal["notBreaching", "breaching"] = "notBreaching"

    @property
    def scope(self) -> AlarmScope:
        return ALARM_SCOPES[self.name]

    @property
    def settings(self) -> list[str]:
        """Keys of [alerts] that move the threshold."""
        return [name for name in (self.minimum_setting, self.setting) if name is not None]

    def condition(self, environment: Environment, subject: str) -> Condition | None:
        """subject: name of the provider or custom function that this alarm is about; "" for the environment."""
        by = {self.scope: subject} if subject else {}
        minutes = environment.alerts.minutes if self.minutes is None else self.minutes
        condition = Condition(
            sources={"measured": source(environment, self.metric, **by)},
            threshold=getattr(environment.alerts, self.setting),
            period_seconds=60 * minutes,
        )
        if self.percent_of is not None:
            enough = f"whole >= {MINIMUM_REQUESTS}"
            if self.minimum_setting is not None:
                enough = f"part >= {getattr(environment.alerts, self.minimum_setting)}"
            part = condition.sources["measured"]
            condition = replace(
                condition,
                sources={"part": part, "whole": source(environment, self.percent_of, **by)},
                expression=f"IF({enough}, 100 * part / whole, 0)",
                graph_expression="100 * part / whole",
                label=f"{part.subject} (%)",
            )
        return condition if self.adjust is None else self.adjust(condition, environment)


def lasting(condition: Condition, _: Environment) -> Condition:
    """ALARM after two of three windows: one slow request in a quiet hour is all of its window, but no alarm."""
    return replace(condition, datapoints_to_alarm=2, evaluation_periods=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of an environment. name: Terraform name, and the AWS name after the prefix."""

    name: str
    definition: AlarmDefinition
    condition: Condition
    subject: str
