"""Every alarm, once: what it watches, why that matters, what to do first, which setting moves it.

The construct, the dashboard's annotations, the bill and the documentation read it. Nothing here imports the settings,
which check `alerts.disabled` against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from constructs_lib.alarm_catalogue import abuse, money, service
from constructs_lib.alarm_catalogue.definition import Alarm as Alarm
from constructs_lib.alarm_catalogue.definition import AlarmDefinition as AlarmDefinition
from constructs_lib.alarm_catalogue.definition import Condition as Condition

if TYPE_CHECKING:
    from constructs_lib.settings import Environment

DEFINITIONS: Final[tuple[AlarmDefinition, ...]] = (*service.DEFINITIONS, *money.DEFINITIONS, *abuse.DEFINITIONS)

UNHEALTHY: Final = "unhealthy"
"""Name of the composite: the gateway does not serve. It rings while any alarm of severity `outage` does."""
UNHEALTHY_TITLE: Final = "The gateway does not serve"


def alarms_of(environment: Environment) -> list[Alarm]:
    """The alarms that an environment has, the composite apart."""
    disabled = set(environment.alerts.disabled)
    return [
        Alarm(name=name, kind=kind, condition=condition, subject=subject)
        for kind in DEFINITIONS
        for name, subject in names_of(kind, environment)
        if not disabled & {name, kind.name} and (condition := kind.condition(environment, subject)) is not None
    ]


def names_of(kind: AlarmDefinition, environment: Environment) -> Iterator[tuple[str, str]]:
    """Name and subject of each alarm of a kind: `upstream-errors-openai` is of provider openai."""
    if kind.each == "environment":
        yield kind.name, ""
        return
    for subject in environment.providers if kind.each == "provider" else environment.functions:
        yield f"{kind.name}-{subject}", subject


def names(environment: Environment) -> set[str]:
    """What `alerts.disabled` may name: single alarms, kinds, and the composite."""
    single = {name for kind in DEFINITIONS for name, _ in names_of(kind, environment)}
    return single | {kind.name for kind in DEFINITIONS} | {UNHEALTHY}


def outage_names(environment: Environment, alarms: list[Alarm]) -> list[str]:
    """Names of the alarms that the composite is made of; none where there is no composite."""
    if UNHEALTHY in environment.alerts.disabled:
        return []
    return [alarm.name for alarm in alarms if alarm.kind.severity == "outage"]


def description(alarm: Alarm, environment: Environment) -> str:
    """What a notification says, its commands as one types them; CloudWatch takes 1,024 characters."""
    kind, name = alarm.kind, environment.name
    action = kind.action.replace("`tollgate ", f"`tollgate --env {name} ").replace("/ENVIRONMENT/", f"/{name}/")
    action = action.replace("/FUNCTION", f"/{alarm.subject}")
    return f"{kind.title}. {kind.why} First: {action} Runbook: {environment.alerts.runbook_url}#{anchor(kind.name)}"


def anchor(name: str) -> str:
    """Of the section of docs/monitoring.md about an alarm."""
    return f"alarm-{name}"
