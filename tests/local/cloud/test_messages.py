"""Topics deliver, e-mail waits for its owner, a secret without a value has none."""

import json
import time
from typing import Any

import pytest

from local.cloud.client import Cloud


def receive(sqs: Any, url: str) -> dict[str, Any]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            document: dict[str, Any] = json.loads(message["Body"])
            return document
    raise AssertionError("nothing arrived within 5 s")


def test_a_topic_delivers_to_a_queue_and_leaves_mail_pending(cloud: Cloud) -> None:
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    topic = sns.create_topic(Name="alerts", Attributes={"KmsMasterKeyId": "alias/aws/sns"})["TopicArn"]
    url = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    mail = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    assert mail["SubscriptionArn"] == "pending confirmation"
    sns.publish(TopicArn=topic, Subject="budget", Message="half is spent")
    message = receive(sqs, url)
    assert (message["Subject"], message["Message"]) == ("budget", "half is spent")


def test_an_alarm_that_changes_state_reaches_its_topic(cloud: Cloud) -> None:
    sns, sqs, cloudwatch = cloud.client("sns"), cloud.client("sqs"), cloud.client("cloudwatch")
    topic = sns.create_topic(Name="alarmed")["TopicArn"]
    url = sqs.create_queue(QueueName="alarmed")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{cloud.region}:000000000000:alarmed")
    cloudwatch.put_metric_alarm(
        AlarmName="alarmed",
        Namespace="Tollgate",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    cloudwatch.set_alarm_state(AlarmName="alarmed", StateValue="ALARM", StateReason="test")
    assert json.loads(receive(sqs, url)["Message"])["AlarmName"] == "alarmed"


def test_a_secret_without_a_value_is_not_found(cloud: Cloud) -> None:
    secrets = cloud.client("secretsmanager")
    secrets.create_secret(Name="tollgate/test/providers/none")
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId="tollgate/test/providers/none")
    secrets.put_secret_value(SecretId="tollgate/test/providers/none", SecretString="sk-1")
    assert secrets.get_secret_value(SecretId="tollgate/test/providers/none")["SecretString"] == "sk-1"
