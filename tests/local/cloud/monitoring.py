"""Metrics and alarms of one test, in a namespace of its own."""

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
    """A client of the cloud, created once: that takes longer than most tests."""
    return cloud.client(service)


class Metrics:
    """Publishes and reads metrics in a namespace of its own. end: the last full minute, in epoch seconds."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.client = client(cloud, "cloudwatch")
        self.namespace = f"Test-{uuid.uuid4().hex[:8]}"
        self.end = int(time.time()) // MINUTE * MINUTE

    def put(self, name: str, value: float, ago: int = 0, **dimensions: str) -> None:
        """Publish a value `ago` seconds before now."""
        datum = {"MetricName": name, "Dimensions": pairs(dimensions), "Timestamp": time.time() - ago, "Value": value}
        self.client.put_metric_data(Namespace=self.namespace, MetricData=[datum])

    def put_minutes(self, name: str, *values: float | None, **dimensions: str) -> None:
        """Publish a value for each of the minutes that end with the last full one; None: no value."""
        now = time.time()
        for index, value in enumerate(reversed(values), start=1):
            if value is not None:
                self.put(name, value, ago=int(now - self.end) + MINUTE * index - 7, **dimensions)

    def stat(self, query_id: str, name: str, stat: str = "Sum", period: int = MINUTE, **dimensions: str) -> Any:
        """A MetricDataQuery."""
        metric = {"Namespace": self.namespace, "MetricName": name, "Dimensions": pairs(dimensions)}
        return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}

    def data(self, *queries: dict[str, Any], minutes: int = 5, **options: Any) -> list[dict[str, Any]]:
        """GetMetricData over the last full minutes, oldest first."""
        window = {"StartTime": self.end - MINUTE * minutes, "EndTime": self.end, "ScanBy": "TimestampAscending"}
        results = self.client.get_metric_data(MetricDataQueries=list(queries), **(window | options))
        return list(results["MetricDataResults"])

    def minutes(self, result: dict[str, Any], minutes: int = 5) -> list[float | None]:
        """The values of a result, minute by minute."""
        values = dict(zip((at.timestamp() for at in result["Timestamps"]), result["Values"], strict=True))
        return [values.get(at) for at in range(self.end - MINUTE * minutes, self.end, MINUTE)]

    @contextmanager
    def alarm(self, **settings: Any) -> Iterator["Alarm"]:
        """An alarm on a one-minute sum of 5 or more, except for `settings`; None leaves a setting out."""
        name = f"{self.namespace}-{uuid.uuid4().hex[:4]}"
        single = {"Namespace": self.namespace, "MetricName": "m", "Statistic": "Sum", "Period": MINUTE}
        defaults = {
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        }
        given = defaults | ({} if "Metrics" in settings else single) | settings
        self.client.put_metric_alarm(
            AlarmName=name, **{name: value for name, value in given.items() if value is not None}
        )
        try:
            yield Alarm(self.cloud, name)
        finally:
            self.client.delete_alarms(AlarmNames=[name])


class Alarm:
    """One alarm by its name."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name

    def state(self) -> str:
        """Its state after an evaluation."""
        self.cloud.advance(0)
        return str(self.described()["StateValue"])

    def described(self) -> dict[str, Any]:
        """The alarm as DescribeAlarms returns it."""
        (alarm,) = client(self.cloud, "cloudwatch").describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        return dict(alarm)


class Inbox:
    """A topic with a queue."""

    def __init__(self, cloud: Cloud) -> None:
        self._sqs = client(cloud, "sqs")
        sns, name = client(cloud, "sns"), f"inbox-{uuid.uuid4().hex[:8]}"
        self.topic = sns.create_topic(Name=name)["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=attributes["QueueArn"])

    def messages(self) -> list[dict[str, Any]]:
        """JSON messages since the last call, oldest first."""
        found: list[dict[str, Any]] = []
        while got := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(json.loads(message["Body"])["Message"]))
        return found


def pairs(dimensions: dict[str, str]) -> list[dict[str, str]]:
    """Dimensions in the form of the API."""
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]
