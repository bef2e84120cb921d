"""Metrics and alarms of one test, in a namespace of its own, as the tests of the embedded CloudWatch need them."""

import datetime
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from local.cloud.client import Cloud

MINUTE = 60


@cache
def client(cloud: Cloud, service: str) -> Any:
    """A client of the cloud's, made once: making one takes longer than most tests."""
    return cloud.client(service)


class Metrics:
    """Publishes and reads in a namespace that no other test uses; times are seconds before a full minute."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.client = client(cloud, "cloudwatch")
        self.namespace = f"Test-{uuid.uuid4().hex[:8]}"
        self.end = int(time.time()) // MINUTE * MINUTE

    def put(self, name: str, *values: float, ago: int = 0, unit: str = "None", **dimensions: str) -> None:
        """Values, each once, `ago` seconds before now."""
        self.client.put_metric_data(
            Namespace=self.namespace,
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": pairs(dimensions),
                    "Timestamp": time.time() - ago,
                    "Values": list(values),
                    "Unit": unit,
                }
            ],
        )

    def put_minutes(self, name: str, *values: float | None, **dimensions: str) -> None:
        """A value for each of the minutes that end with the last full one; None leaves a minute out."""
        start = self.end - MINUTE * len(values)
        for index, value in enumerate(values):
            if value is not None:
                at = start + MINUTE * index + 7
                datum = {"MetricName": name, "Dimensions": pairs(dimensions), "Timestamp": at, "Value": value}
                self.client.put_metric_data(Namespace=self.namespace, MetricData=[datum])

    def stat(self, identifier: str, name: str, stat: str = "Sum", **dimensions: str) -> dict[str, Any]:
        """A query of one-minute periods."""
        metric = {"Namespace": self.namespace, "MetricName": name, "Dimensions": pairs(dimensions)}
        return {"Id": identifier, "MetricStat": {"Metric": metric, "Period": MINUTE, "Stat": stat}}

    def data(self, *queries: dict[str, Any], minutes: int = 5, **options: Any) -> list[dict[str, Any]]:
        """GetMetricData over the last full minutes, oldest first."""
        asked = {"StartTime": self.end - MINUTE * minutes, "EndTime": self.end, "ScanBy": "TimestampAscending"}
        answer = self.client.get_metric_data(MetricDataQueries=list(queries), **(asked | options))
        results: list[dict[str, Any]] = answer["MetricDataResults"]
        return results

    def minutes(self, result: dict[str, Any], minutes: int = 5) -> list[float | None]:
        """The values of a result, minute by minute."""
        found = dict(zip((at.timestamp() for at in result["Timestamps"]), result["Values"], strict=True))
        return [found.get(at) for at in range(self.end - MINUTE * minutes, self.end, MINUTE)]

    @contextmanager
    def alarm(self, **settings: Any) -> Iterator["Alarm"]:
        """A metric alarm on one minute of a sum above 5, with other settings where they are given."""
        name = f"{self.namespace}-{uuid.uuid4().hex[:4]}"
        plain = {"Namespace": self.namespace, "MetricName": "m", "Statistic": "Sum", "Period": MINUTE, "Threshold": 5.0}
        defaults = {"EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold"}
        given = defaults | ({} if "Metrics" in settings else plain) | settings
        self.client.put_metric_alarm(
            AlarmName=name, **{key: value for key, value in given.items() if value is not None}
        )
        try:
            yield Alarm(self.cloud, name)
        finally:
            self.client.delete_alarms(AlarmNames=[name])


class Alarm:
    """An alarm as it is described."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.client = client(cloud, "cloudwatch")
        self.name = name

    def state(self, *, evaluate: bool = True) -> str:
        """Its state, after an evaluation if it is not to wait for one."""
        if evaluate:
            self.cloud.advance(0)
        return str(self.described()["StateValue"])

    def described(self) -> dict[str, Any]:
        """All of it."""
        answer = self.client.describe_alarms(AlarmNames=[self.name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        (found,) = answer["MetricAlarms"] + answer["CompositeAlarms"]
        return dict(found)


class Inbox:
    """A topic with a queue that gets what is published to it."""

    def __init__(self, cloud: Cloud) -> None:
        self._sqs = client(cloud, "sqs")
        sns, name = client(cloud, "sns"), f"inbox-{uuid.uuid4().hex[:8]}"
        self.topic = sns.create_topic(Name=name)["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def messages(self) -> list[dict[str, Any]]:
        """What has come since the last look, oldest first."""
        found: list[dict[str, Any]] = []
        while got := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found


def pairs(dimensions: dict[str, str]) -> list[dict[str, str]]:
    """Dimensions as the API has them."""
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def utc(at: float) -> datetime.datetime:
    """A time as boto3 answers it, but for the zone it is shown in."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC)
