"""What defines an alarm: text for people, and the condition that CloudWatch evaluates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from constructs_lib.metric_sources import AnyMetric, Source, source
from constructs_lib.settings import Environment
from constructs_lib.settings.alarm_names import ALARM_SCOPES, AlarmScope
from lambda_src.contract import SWEEP_MINUTES

HOUR_MINUTES: Final = 60
SWEEPS_MINUTES: Final = 3 * SWEEP_MINUTES
"""Three runs of the sweeper: the next run makes up for one that failed."""
Severity = Literal["outage", "urgent", "notice"]

MINIMUM_REQUESTS: Final = 20
"""A percentage of fewer requests means nothing: one mistyped key at night would be 100 %."""


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


ConditionFactory = Callable[["AlarmDefinition", Environment, str], Condition | None]


def at_setting(alarm: AlarmDefinition, environment: Environment, subject: str) -> Condition | None:
    """ALARM from the setting's value on; None where the setting has no value."""
    value = alarm.setting_value(environment)
    return None if value is None else alarm.at(value, environment, subject)


def lasting(alarm: AlarmDefinition, environment: Environment, subject: str) -> Condition:
    """The same in two of three windows: one slow request in a quiet hour is all of its window, but no alarm."""
    condition = alarm.at(alarm.setting_value(environment), environment, subject)
    return replace(condition, datapoints_to_alarm=2, evaluation_periods=3)


def percent_of(whole: AnyMetric) -> ConditionFactory:
    """The alarm's metric in percent of `whole`.

    It counts as 0 below `minimum_setting` of the metric, or else below MINIMUM_REQUESTS of `whole`.
    """

    def condition(alarm: AlarmDefinition, environment: Environment, subject: str) -> Condition:
        enough = f"whole >= {MINIMUM_REQUESTS}"
        if alarm.minimum_setting is not None:
            enough = f"part >= {getattr(environment.alerts, alarm.minimum_setting)}"
        return Condition(
            sources={
                "part": alarm.source(environment, subject),
                "whole": source(environment, whole, **alarm.by(subject)),
            },
            expression=f"IF({enough}, 100 * part / whole, 0)",
            graph_expression="100 * part / whole",
            label="percent",
            threshold=alarm.setting_value(environment),
            period_seconds=alarm.period_seconds(environment),
        )

    return condition


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDefinition:
    """One alarm of an environment, or one for each of its providers or custom functions.

    title: the problem, as a noun phrase. why: who is affected and how. action: the first steps. setting: key of
    [alerts] with the threshold. minutes: window; None: `alerts.minutes`. make_condition: for an unusual condition; it
    returns None where the environment does without the alarm. treat_missing_data: as CloudWatch names it.
    """

    name: str
    title: str
    why: str
    action: str
    severity: Severity
    metric: AnyMetric
    setting: str
    minimum_setting: str | None = None
    minutes: int | None = None
    make_condition: ConditionFactory = at_setting
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
        return self.make_condition(self, environment, subject)

    def at(self, threshold: float, environment: Environment, subject: str) -> Condition:
        """ALARM from `threshold` of the metric on."""
        return Condition(
            sources={"measured": self.source(environment, subject)},
            threshold=threshold,
            period_seconds=self.period_seconds(environment),
        )

    def setting_value(self, environment: Environment) -> Any:
        return getattr(environment.alerts, self.setting)

    def source(self, environment: Environment, subject: str) -> Source:
        return source(environment, self.metric, **self.by(subject))

    def by(self, subject: str) -> dict[str, str]:
        """The dimension that narrows a metric to `subject`."""
        return {self.scope: subject} if subject else {}

    def period_seconds(self, environment: Environment) -> int:
        return 60 * (environment.alerts.minutes if self.minutes is None else self.minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of an environment. name: Terraform name, and the AWS name after the prefix."""

    name: str
    definition: AlarmDefinition
    condition: Condition
    subject: str
