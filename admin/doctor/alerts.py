"""Checks of alarms and of their subscribers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from admin.doctor.check import Check, Deployed, Finding, error, warning
from constructs_lib.alarm_catalogue import DEFINITIONS, UNHEALTHY, alarms_of, outage_names
from constructs_lib.settings import Environment
from lambda_src.resource_names import prefix

NO_DATA_LIMIT: Final = timedelta(days=1)
"""An alarm without data for longer than this is reported."""


def alarms(deployed: Deployed) -> Iterator[Finding]:
    """Every alarm of the environment file exists, notifies, has data and is not in ALARM."""
    name_prefix = f"{prefix(deployed.session.environment)}-"
    existing = _alarms(deployed, name_prefix)
    if not existing:
        yield error("there are no alarms, so nobody is notified of errors", deployed.deploy)
        return
    for name in _names_in_file(deployed.file) if deployed.file else ():
        if name not in existing:
            yield warning(f"there is no alarm {name_prefix}{name}", deployed.deploy)
    # No outage alarm is per provider or function, so each has the name of its definition.
    outages = {UNHEALTHY, *(definition.name for definition in DEFINITIONS if definition.severity == "outage")}
    for name, alarm in sorted(existing.items()):
        yield from _alarm(deployed, alarm, outage=name in outages)


def _names_in_file(file: Environment) -> list[str]:
    """Names of an environment's alarms, including the composite alarm."""
    alarms = alarms_of(file)
    return [*([UNHEALTHY] if outage_names(file, alarms) else []), *(alarm.name for alarm in alarms)]


def _alarms(deployed: Deployed, name_prefix: str) -> dict[str, Mapping[str, Any]]:
    """Alarms by name without the prefix, except those of another environment with the same prefix and its own topic."""
    pages = deployed.session.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=name_prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    alarms: list[Mapping[str, Any]] = []
    for page in pages:
        alarms += [*page["MetricAlarms"], *page["CompositeAlarms"]]
    topic = deployed.session.config.topic_arn
    ours = (alarm for alarm in alarms if topic in alarm.get("AlarmActions", ()) or not alarm.get("AlarmActions"))
    return {str(alarm["AlarmName"]).removeprefix(name_prefix): alarm for alarm in ours}


def _alarm(deployed: Deployed, alarm: Mapping[str, Any], *, outage: bool) -> Iterator[Finding]:
    name = alarm["AlarmName"]
    if not alarm.get("ActionsEnabled", True):
        yield warning(
            f"alarm {name} notifies nobody: its actions are disabled",
            f"`aws cloudwatch enable-alarm-actions --alarm-names {name}`",
        )
    since = _utc(alarm.get("StateUpdatedTimestamp"), deployed.now)
    if alarm.get("StateValue") == "ALARM":
        in_alarm = f"alarm {name} has been in ALARM since {since:%Y-%m-%d %H:%M} UTC"
        yield (error if outage else warning)(in_alarm, _first_step(alarm))
    if alarm.get("StateValue") == "INSUFFICIENT_DATA" and deployed.now - since > NO_DATA_LIMIT:
        yield warning(f"alarm {name} has had no data since {since:%Y-%m-%d %H:%M} UTC", deployed.deploy)


def _first_step(alarm: Mapping[str, Any]) -> str:
    """The first action that the alarm's description names."""
    description = str(alarm.get("AlarmDescription", "check the dashboard"))
    return description.partition("First: ")[2] or description


def _utc(time: datetime | None, default: datetime) -> datetime:
    return default if time is None else time.astimezone(UTC)


def subscriptions(deployed: Deployed) -> Iterator[Finding]:
    """Alarms and budget events have subscribers."""
    topic = deployed.session.config.topic_arn
    fix = f"set alerts.emails in environments/{deployed.session.environment}.toml, then {deployed.deploy}"
    if topic is None:
        yield warning("the gateway has no SNS topic, so budget events are only in the log", deployed.deploy)
        return
    pages = deployed.session.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    existing = [item for page in pages for item in page["Subscriptions"] if item.get("SubscriptionArn") != "Deleted"]
    if not existing:
        yield warning("alarms and budget events have no subscriber", fix)
    for item in existing:
        if not item.get("SubscriptionArn", "").startswith("arn:"):
            protocol, endpoint = item.get("Protocol"), item.get("Endpoint")
            yield warning(
                f"{protocol} {endpoint} has not confirmed its subscription, so it receives nothing",
                "confirm with the link that it received; if the link is lost or older than three days: `aws sns "
                f"subscribe --topic-arn {topic} --protocol {protocol} --notification-endpoint {endpoint}`",
            )


CHECKS: Final = (
    Check("alerts", "alarms", "all exist and notify, none is in ALARM", alarms),
    Check("alerts", "subscriptions", "alarms and budget events have subscribers", subscriptions),
)
