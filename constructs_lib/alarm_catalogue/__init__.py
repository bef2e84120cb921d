"""Every alarm, defined once: its metric, the setting with its threshold, why it matters and what to do.

The alarms' construct, the dashboard, the cost estimate and docs/monitoring.md read it. The names are in
`constructs_lib/settings/alarm_names.py`, where `alerts.disabled` is checked against them.
"""

from __future__ import annotations

from typing import Final

from constructs_lib.alarm_catalogue import abuse, money, service
from constructs_lib.alarm_catalogue.definition import Alarm as Alarm
from constructs_lib.alarm_catalogue.definition import AlarmDefinition as AlarmDefinition
from constructs_lib.alarm_catalogue.definition import Condition as Condition
from constructs_lib.settings import Environment
from constructs_lib.settings.alarm_names import UNHEALTHY as UNHEALTHY
from constructs_lib.settings.alarm_names import instances

DEFINITIONS: Final[tuple[AlarmDefinition, ...]] = (*service.DEFINITIONS, *money.DEFINITIONS, *abuse.DEFINITIONS)
UNHEALTHY_TITLE: Final = "Gateway unavailable"


def alarms_of(environment: Environment) -> list[Alarm]:
    """The alarms of an environment, without the composite."""
    disabled = set(environment.alerts.disabled)
    return [
        Alarm(name=name, definition=definition, condition=condition, subject=subject)
        for definition in DEFINITIONS
        for name, subject in instances(definition.name, environment)
        if not disabled & {name, definition.name}
        and (condition := definition.condition(environment, subject)) is not None
    ]


def outage_names(environment: Environment, alarms: list[Alarm]) -> list[str]:
    """Names of the alarms that the composite combines; [] if the composite is disabled."""
    if UNHEALTHY in environment.alerts.disabled:
        return []
    return [alarm.name for alarm in alarms if alarm.definition.severity == "outage"]


def description(alarm: Alarm, environment: Environment) -> str:
    """Text of the notification, with commands ready to paste; CloudWatch takes 1,024 characters."""
    definition, name = alarm.definition, environment.name
    action = definition.action.replace("`tollgate ", f"`tollgate --env {name} ").replace("ENVIRONMENT", name)
    action = action.replace("/FUNCTION", f"/{alarm.subject}")
    runbook = f"{environment.alerts.runbook_url}#{anchor(definition.name)}"
    return f"{definition.title}. {definition.why} First: {action} Runbook: {runbook}"


def anchor(name: str) -> str:
    """Anchor of an alarm's section in docs/monitoring.md."""
    return f"alarm-{name}"
