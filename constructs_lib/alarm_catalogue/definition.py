"""What an alarm is: words for people, and the condition that CloudWatch evaluates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from constructs_lib.metric_sources import Source
from constructs_lib.settings import Environment
from constructs_lib.settings.alarm_names import ALARM_SCOPES, AlarmScope

HOUR_MINUTES: Final = 60
Severity = Literal["outage", "act", "look"]
"""outage: callers are not served, which `unhealthy` says too. act: money or service is being lost. look: find out."""

LEAST_REQUESTS: Final = 20
"""Of fewer requests a share says nothing: one mistyped key at night would be 100 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What an alarm rings on.

    sources: metrics by the id that `expression` calls them by. expression: metric math; None: the one metric itself.
    threshold: from where on it rings, in the metric's unit; None: outside of the band that `expression` computes.
    below: it rings under the threshold instead. breaching: in how many of the last `periods` it has to be over it.
    shown: the expression that a graph has instead, where the alarm's leaves something out.
    """

    sources: Mapping[str, Source]
    threshold: float | None
    period_seconds: int
    expression: str | None = None
    label: str = ""
    below: bool = False
    breaching: int = 1
    periods: int = 1
    shown: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDefinition:
    """One alarm of an environment, or one for each of its providers or brought functions.

    title: what is so while it rings. why: whom it hurts. action: what to do first. settings: keys of [alerts] that move
    the threshold. condition: for an environment and, where there is one per provider or function, its name; None where
    the environment does not ask for this alarm. missing: what CloudWatch takes silence for; a quiet night is no fault.
    """

    name: str
    title: str
    why: str
    action: str
    severity: Severity
    condition: Callable[[Environment, str], Condition | None]
    settings: tuple[str, ...]
    missing: Literal["notBreaching", "breaching"] = "notBreaching"

    @property
    def scope(self) -> AlarmScope:
        return ALARM_SCOPES[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of an environment. name: Terraform address, and the AWS name after the prefix. subject: of what."""

    name: str
    definition: AlarmDefinition
    condition: Condition
    subject: str


def over(environment: Environment, source: Source, threshold: float, *, minutes: int | None = None) -> Condition:
    """From `threshold` on, in `minutes` (else in those of the environment)."""
    seconds = 60 * (environment.alerts.minutes if minutes is None else minutes)
    return Condition(sources={"measured": source}, threshold=threshold, period_seconds=seconds)


def lasting(environment: Environment, source: Source, threshold: float) -> Condition:
    """The same, in two of three windows: one slow request is no alarm, and in a quiet hour it is all of its window."""
    return replace(over(environment, source, threshold), breaching=2, periods=3)


def share(
    environment: Environment, part: Source, whole: Source, percent: float, *, enough: str = f"whole >= {LEAST_REQUESTS}"
) -> Condition:
    """`part` in percent of `whole`, once there is `enough` of them: a share of little says little."""
    return Condition(
        sources={"part": part, "whole": whole},
        expression=f"IF({enough}, 100 * part / whole, 0)",
        shown="100 * part / whole",
        label="percent",
        threshold=percent,
        period_seconds=60 * environment.alerts.minutes,
    )
