"""Every alarm on the deployed environment: its cause sets it to ALARM, notifies the topic, and it returns to OK.

`Cloud.advance` moves only CloudWatch's clock, so that no test waits for a period to end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from constructs_lib.alarm_catalogue import UNHEALTHY, alarms_of, outage_names
from constructs_lib.settings import load
from lambda_src.contract import KEY_SK, PK, SK, STATE_SK, key_pk
from lambda_src.core.account import Hold
from lambda_src.core.policy import Policy
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

ENVIRONMENT = load(Path(__file__).parent / "environments" / "e2e.toml")
ALARMS = {alarm.name: alarm for alarm in alarms_of(ENVIRONMENT)}
GATEWAY, SWEEPER, AUTHORIZER, CUSTOM = (f"tollgate-e2e-{name}" for name in ("gateway", "sweeper", "authorizer", "echo"))


@dataclass
class Causes:
    """The cause of each alarm: one method per alarm, named after it."""

    system: System

    # --- helpers ------------------------------------------------------------------------------------------

    def chat(self, model: str, times: int = 1, consumer: str = "alarming", parallel: int = 1, **more: Any) -> list[int]:
        """Send chat completions and return their statuses."""
        key = self.system.key(consumer)
        body = {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}], **more}

        def send(_: int) -> int:
            return self.system.call("POST", "/v1/chat/completions", body, {"x-api-key": key}).status

        with ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(send, range(times)))

    def invoke(self, function: str) -> None:
        """Call a Lambda function with an invalid event."""
        self.system.cloud.client("lambda").invoke(FunctionName=function, Payload=b'{"httpMethod": 7}')

    def sweep(self) -> None:
        """Run the sweeper, as its schedule does."""
        self.system.cloud.client("lambda").invoke(FunctionName=SWEEPER, Payload=b"{}")

    def place_expired_holds(self, count: int) -> None:
        """Place holds of requests that never settled."""
        aws = AwsClient({**self.system.cloud.environment()})
        ledger = Ledger(aws, str(self.system.outputs["table"]), "e2e", 7)
        policy = Policy(consumer="alarming", plan="open", models=frozenset("*"))
        now = time.time()
        for number in range(count):
            hold = Hold(
                request_id=f"lost-{now}-{number}", amount=1_000, deadline=int(now) - 1, at_ms=int(now * 1000) - 400_000,
                tokens=5, key_id=self.system.key_id("alarming"), route="chat", provider="openai",
                model="standin-small", price_version="v",
            )  # fmt: skip
            ledger.reserve(hold, "alarming", policy, time.monotonic() + 5)

    # --- availability -------------------------------------------------------------------------------------

    def server_errors(self) -> None:
        assert set(self.chat("standin-500", 6, parallel=3)) == {500}

    def client_errors(self) -> None:
        assert set(self.chat("no-such-model", 24, parallel=8)) == {404}

    def latency(self) -> None:
        assert self.chat("standin-slow-3") == [400]

    def gateway_latency(self) -> None:
        # Eight retries with random, growing delays take longer than the alarm's tenth of a second.
        with self.system.cloud.fault("dynamodb", "ProvisionedThroughputExceededException", times=8):
            self.chat("standin-small")

    def upstream_errors_openai(self) -> None:
        self.chat("standin-500", 7, parallel=4)

    def upstream_errors_anthropic(self) -> None:
        self._messages("/v1/messages", {"model": "claude-500"})

    def upstream_errors_bedrock(self) -> None:
        self._messages("/bedrock/model/nova-500/converse", {})

    def _messages(self, path: str, more: dict[str, Any]) -> None:
        content: Any = "Hello" if more else [{"text": "Hello"}]
        sizes: dict[str, Any] = {"max_tokens": 9} if more else {"inferenceConfig": {"maxTokens": 9}}
        body = {"messages": [{"role": "user", "content": content}], **sizes, **more}
        headers = {"x-api-key": self.system.key("alarming")}
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda _: self.system.call("POST", path, body, headers).status, range(7)))
        assert set(statuses) == {500 if more else 424}, "boto3 would repeat a 500"

    def lambda_errors(self) -> None:
        self.invoke(GATEWAY)

    def throttles(self) -> None:
        client = self.system.cloud.client("lambda")
        client.put_function_concurrency(FunctionName=GATEWAY, ReservedConcurrentExecutions=0)
        try:
            assert set(self.chat("standin-small", 6)) == {500}
        finally:
            client.delete_function_concurrency(FunctionName=GATEWAY)

    def authorizer_failures(self) -> None:
        assert self.system.call("GET", "/v1/models").status == 401, "no failure"
        client = self.system.cloud.client("lambda")
        client.put_function_concurrency(FunctionName=AUTHORIZER, ReservedConcurrentExecutions=0)
        try:
            assert set(self.chat("standin-small", 2)) == {503}
        finally:
            client.delete_function_concurrency(FunctionName=AUTHORIZER)

    def concurrency(self) -> None:
        self.chat("standin-slow-3", 4, parallel=4)

    def duration(self) -> None:
        self.latency()

    def ledger_failures(self) -> None:
        with self.system.cloud.fault("dynamodb", "AccessDeniedException", operations=["UpdateItem"]):
            assert self.chat("standin-small") == [503]

    def ledger_throttles(self) -> None:
        with self.system.cloud.fault("dynamodb", "ProvisionedThroughputExceededException"):
            self.chat("standin-small", 4, parallel=4)

    def secret_failures(self) -> None:
        with self.system.cloud.fault("secretsmanager", "ResourceNotFoundException"):
            for _ in range(20):  # each 401 makes one process of the function forget its cached key
                if 503 in self.chat("standin-401", 2):
                    return
        raise AssertionError("the secret was never read again")

    def quiet(self) -> None:
        self.system.cloud.advance(2 * 3_600)

    def function_errors_echo(self) -> None:
        self.invoke(CUSTOM)

    # --- money --------------------------------------------------------------------------------------------

    def spend(self) -> None:
        self.chat("standin-heedless", 3)

    def spend_anomaly(self) -> None:
        """Two weeks of low cost, then an expensive hour."""
        now = time.time()
        usual = [{"Timestamp": now - 3_600 * hour, "Value": 1_000 + hour % 7} for hour in range(2, 14 * 24)]
        name = {"MetricName": "CostNanoUsd", "Dimensions": [{"Name": "environment", "Value": "e2e"}], "Unit": "None"}
        self.system.cloud.client("cloudwatch").put_metric_data(
            Namespace="Tollgate", MetricData=[name | data_point for data_point in usual]
        )
        self.chat("standin-heedless")

    def budget(self) -> None:
        assert self.chat("standin-long", 2, consumer="nearly", max_tokens=1000) == [200, 400]

    def unsettled(self) -> None:
        self.place_expired_holds(3)
        self.sweep()

    def overdue_holds(self) -> None:
        self.place_expired_holds(1)
        with self.system.cloud.fault("dynamodb", "AccessDeniedException", operations=["TransactWriteItems"]):
            self.sweep()
        self.sweep()

    def sweeper_errors(self) -> None:
        with self.system.cloud.fault("dynamodb", "AccessDeniedException", operations=["GetItem"]):
            self.sweep()

    def over_estimate(self) -> None:
        self.chat("standin-heedless")

    def unpriced(self) -> None:
        self.chat("no-such-model", 6, parallel=3)

    # --- leaked and misused keys --------------------------------------------------------------------------

    def refusals(self) -> None:
        self.chat("no-such-model", 16, parallel=4)

    def api_gateway_rejections(self) -> None:
        headers = {"x-api-key": "guessed-key"}
        assert {self.system.call("GET", "/v1/models", headers=headers).status for _ in range(16)} == {401}

    def dead_keys(self) -> None:
        client = self.system.cloud.client("apigateway")
        key = client.create_api_key(name=f"tollgate-e2e-alarming-dead-{time.time()}", enabled=True)
        plan = self.system.outputs["plan_ids"]["open"]
        client.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        table = self.system.cloud.client("dynamodb")
        for sk, values in ((KEY_SK, {"consumer": "alarming"}), (STATE_SK, {"status": "revoked"})):
            item = {PK: key_pk(key["id"]), SK: sk, **values}
            table.put_item(
                TableName=self.system.outputs["table"], Item={name: {"S": value} for name, value in item.items()}
            )
        try:
            statuses = {
                self.system.call("GET", "/v1/models", headers={"x-api-key": key["value"]}).status for _ in range(4)
            }
            assert statuses == {403}
        finally:
            client.delete_api_key(apiKey=key["id"])

    def shared_key(self) -> None:
        headers = {"x-api-key": self.system.key("alarming")}
        for number in range(2, 8):
            with urllib3.PoolManager(source_address=(f"127.0.0.{number}", 0), retries=False) as pool:
                assert pool.request("GET", f"{self.system.url}/v1/models", headers=headers).status == 200


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
