"""Would anybody hear of a fault?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from admin.doctor.check import Check, Deployed, Finding, error, warning
from constructs_lib.alarm_catalogue import DEFINITIONS, UNHEALTHY, alarms_of, outage_names
from constructs_lib.settings import Environment
from lambda_src.contract import prefix

SILENT: Final = timedelta(days=1)
"""An alarm that has seen no data for so long watches nothing."""


def alarms(deployed: Deployed) -> Iterator[Finding]:
    """Every alarm of the environment file is there, acts, has data and does not ring."""
    head = f"{prefix(deployed.session.environment)}-"
    found = _alarms(deployed, head)
    if not found:
        yield error("there are no alarms: nobody would hear of a fault", deployed.deploy)
        return
    for name in _wanted(deployed.file) if deployed.file else ():
        if name not in found:
            yield warning(f"there is no alarm {head}{name}", deployed.deploy)
    # No outage is of one provider or function, so that the names of these alarms are those of their kinds.
    outages = {UNHEALTHY, *(definition.name for definition in DEFINITIONS if definition.severity == "outage")}
    for name, alarm in sorted(found.items()):
        yield from _alarm(deployed, alarm, outage=name in outages)


def _wanted(file: Environment) -> list[str]:
    """Names of the alarms that an environment has, the composite among them."""
    alarms = alarms_of(file)
    return [*([UNHEALTHY] if outage_names(file, alarms) else []), *(each.name for each in alarms)]


def _alarms(deployed: Deployed, head: str) -> dict[str, Mapping[str, Any]]:
    """Alarms by name without the prefix. An environment whose name begins like ours has a topic of its own."""
    pages = deployed.session.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=head, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    found: list[Mapping[str, Any]] = []
    for page in pages:
        found += [*page["MetricAlarms"], *page["CompositeAlarms"]]
    topic = deployed.session.config.topic_arn
    ours = (each for each in found if topic in each.get("AlarmActions", ()) or not each.get("AlarmActions"))
    return {str(each["AlarmName"]).removeprefix(head): each for each in ours}


def _alarm(deployed: Deployed, alarm: Mapping[str, Any], *, outage: bool) -> Iterator[Finding]:
    name = alarm["AlarmName"]
    if not alarm.get("ActionsEnabled", True):
        yield warning(f"alarm {name} tells nobody", f"`aws cloudwatch enable-alarm-actions --alarm-names {name}`")
    since = _utc(alarm.get("StateUpdatedTimestamp"), deployed.now)
    if alarm.get("StateValue") == "ALARM":
        rings = f"alarm {name} rings since {since:%Y-%m-%d %H:%M} UTC"
        yield (error if outage else warning)(rings, _first_step(alarm))
    if alarm.get("StateValue") == "INSUFFICIENT_DATA" and deployed.now - since > SILENT:
        yield warning(f"alarm {name} has seen no data since {since:%Y-%m-%d %H:%M} UTC", deployed.deploy)


def _first_step(alarm: Mapping[str, Any]) -> str:
    """What the alarm's own description says to do first."""
    description = str(alarm.get("AlarmDescription", "look at the dashboard"))
    return description.partition("First: ")[2] or description


def _utc(moment: datetime | None, default: datetime) -> datetime:
    return default if moment is None else moment.astimezone(UTC)


def subscriptions(deployed: Deployed) -> Iterator[Finding]:
    """Alarms and budget events reach somebody."""
    topic = deployed.session.config.topic_arn
    fix = f"alerts.emails in environments/{deployed.session.environment}.toml, then {deployed.deploy}"
    if topic is None:
        yield warning("the gateway has no topic: budget events are in the log alone", deployed.deploy)
        return
    pages = deployed.session.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    found = [each for page in pages for each in page["Subscriptions"] if each.get("SubscriptionArn") != "Deleted"]
    if not found:
        yield warning("nobody has subscribed to alarms and budget events", fix)
    for each in found:
        if not each.get("SubscriptionArn", "").startswith("arn:"):
            yield warning(
                f"{each.get('Protocol')} {each.get('Endpoint')} has not confirmed its subscription: it hears nothing",
                "confirm by the link that was sent to it; where it is lost or older than three days: "
                f"`aws sns subscribe --topic-arn {topic} --protocol {each.get('Protocol')} "
                f"--notification-endpoint {each.get('Endpoint')}`",
            )


CHECKS: Final = (
    Check("alerts", "alarms", "all there, acting, none rings", alarms),
    Check("alerts", "subscriptions", "somebody is told", subscriptions),
)
