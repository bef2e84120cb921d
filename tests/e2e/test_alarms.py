"""Every alarm on the deployed environment: its cause sets it to ALARM, notifies the topic, and it returns to OK.

`Cloud.advance` moves only CloudWatch's clock, so that no test waits for a period to end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from constructs_lib.alarm_catalogue import UNHEALTHY, outage_names
from tests.e2e.alarm_causes import ALARMS, ENVIRONMENT, Causes
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


class AlarmMonitor:
    """Alarm states, and the notifications in a queue that is subscribed to the topic."""

    def __init__(self, system: System, queue_url: str) -> None:
        self._cloudwatch = system.cloud.client("cloudwatch")
        self._sqs = system.cloud.client("sqs")
        self._queue = queue_url
        self._cloud = system.cloud

    def state(self, name: str) -> str:
        """The current state of one alarm."""
        self._cloud.advance(0)
        alarms = self._cloudwatch.describe_alarms(
            AlarmNames=[f"tollgate-e2e-{name}"], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        (alarm,) = [*alarms["MetricAlarms"], *alarms["CompositeAlarms"]]
        return str(alarm["StateValue"])

    def advance_past_window(self, name: str) -> None:
        """Advance by twice the time that the alarm evaluates, so that earlier events no longer count."""
        self._cloud.advance(2 * _evaluated_seconds(name) if name in ALARMS else 7_200)

    def trigger(self, name: str, cause: Callable[[], None]) -> None:
        """Call `cause` once in each of the periods that the alarm requires."""
        condition = ALARMS[name].condition
        for _ in range(condition.datapoints_to_alarm - 1):
            cause()
            assert self.state(name) == "OK", "the alarm must not start before the last period"
            self._cloud.advance(condition.period_seconds)
        cause()

    def new_notifications(self) -> list[tuple[str, str]]:
        """Alarm name and new state of each notification since the previous call."""
        notifications = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                notification = json.loads(json.loads(message["Body"])["Message"])
                if "AlarmName" in notification:
                    alarm = notification["AlarmName"].removeprefix("tollgate-e2e-")
                    notifications.append((alarm, notification["NewStateValue"]))
        return notifications


@pytest.fixture(scope="module")
def monitor(system: System) -> Iterator[AlarmMonitor]:
    """An alarm monitor whose queue is subscribed to the alerts' topic."""
    sqs, sns = system.cloud.client("sqs"), system.cloud.client("sns")
    url = sqs.create_queue(QueueName="alarm-notifications")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(
        TopicArn=system.outputs["topic_arn"], Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    yield AlarmMonitor(system, url)
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def _evaluated_seconds(name: str) -> int:
    """The time that an alarm evaluates."""
    return ALARMS[name].condition.period_seconds * ALARMS[name].condition.evaluation_periods


def cause_of(name: str, system: System) -> Callable[[], None]:
    """The method of `Causes` for an alarm; fails if there is none."""
    cause: Callable[[], None] = getattr(Causes(system), name.replace("-", "_"))
    return cause


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_starts_notifies_and_ends(system: System, monitor: AlarmMonitor, name: str) -> None:
    causes = Causes(system)
    monitor.advance_past_window(name)
    if name == "quiet":
        causes.chat("standin-small")
    assert monitor.state(name) == "OK"
    monitor.new_notifications()

    monitor.trigger(name, cause_of(name, system))
    assert monitor.state(name) == "ALARM"
    assert (name, "ALARM") in monitor.new_notifications()

    if name == "quiet":
        causes.chat("standin-small")
    else:
        monitor.advance_past_window(name)
    assert monitor.state(name) == "OK"
    assert (name, "OK") in monitor.new_notifications()


def test_unhealthy_alarm_lasts_as_long_as_an_outage(system: System, monitor: AlarmMonitor) -> None:
    causes = Causes(system)
    monitor.advance_past_window(UNHEALTHY)
    causes.chat("standin-small")
    assert monitor.state(UNHEALTHY) == "OK"
    monitor.new_notifications()
    causes.lambda_errors()
    assert "lambda-errors" in outage_names(ENVIRONMENT, list(ALARMS.values()))
    assert monitor.state(UNHEALTHY) == "ALARM"
    assert (UNHEALTHY, "ALARM") in monitor.new_notifications()
    monitor.advance_past_window(UNHEALTHY)
    causes.chat("standin-small")
    assert monitor.state(UNHEALTHY) == "OK"
    assert (UNHEALTHY, "OK") in monitor.new_notifications()


def test_exactly_the_alarms_of_the_catalogue_are_deployed(system: System) -> None:
    pages = (
        system.cloud.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix="tollgate-e2e-", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    )
    deployed = {alarm["AlarmName"] for page in pages for alarm in (*page["MetricAlarms"], *page["CompositeAlarms"])}
    assert deployed == {f"tollgate-e2e-{name}" for name in (*ALARMS, UNHEALTHY)}
