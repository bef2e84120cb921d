"""Metric filters count the log events that match their pattern."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import Metrics

PATTERN = '{ ($.error != "-") && ($.status = "4*") }'


def put_filter(cloud: Cloud, group: str, namespace: str, pattern: str) -> None:
    transformation = {
        "metricName": "Rejections",
        "metricNamespace": namespace,
        "metricValue": "1",
        "unit": "Count",
        "dimensions": {"environment": "$.environment"},
    }
    cloud.client("logs").put_metric_filter(
        logGroupName=group, filterName="rejections", filterPattern=pattern, metricTransformations=[transformation]
    )


def test_matching_events_are_counted_by_dimension_from_then_on(cloud: Cloud) -> None:
    logs, metrics, group = cloud.client("logs"), Metrics(cloud), "/filters/access"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    matching = {"error": "THROTTLED", "status": "429", "environment": "dev"}
    lines: list[dict[str, Any]] = [
        matching,
        matching | {"environment": "prod"},
        matching | {"error": "-"},
        matching | {"status": "504"},
        {"status": "404", "environment": "dev"},
        {"error": "THROTTLED", "status": "429"},
    ]

    def write() -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": json.dumps(line)} for line in lines]
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)

    write()
    put_filter(cloud, group, metrics.namespace, PATTERN)
    write()
    queries = [
        metrics.stat("dev", "Rejections", environment="dev"),
        metrics.stat("prod", "Rejections", environment="prod"),
        metrics.stat("none", "Rejections"),
    ]
    found = metrics.data(*queries, EndTime=time.time() + 1)
    assert {result["Id"]: sum(result["Values"]) for result in found} == {"dev": 1, "prod": 1, "none": 0}
    logs.delete_metric_filter(logGroupName=group, filterName="rejections")


@pytest.mark.parametrize("pattern", ["ERROR", "{ $.a }", "{ ($.a > 1) }", '{ ($.a = "1") || ($.b = "2") }', "{}"])
def test_pattern_that_is_not_implemented_is_rejected(cloud: Cloud, pattern: str) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameterException.*must be like"):
        put_filter(cloud, "/filters/any", "any", pattern)
