"""Metric filters of the embedded cloud count the lines that they match."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud

GROUP = "/filters/access"


@pytest.fixture(scope="module", autouse=True)
def group(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")


def put(cloud: Cloud, pattern: str, metric: str, **more: Any) -> None:
    transformation = {"metricName": metric, "metricNamespace": "filters", "metricValue": "1", **more}
    cloud.client("logs").put_metric_filter(
        logGroupName=GROUP, filterName=metric, filterPattern=pattern, metricTransformations=[transformation]
    )


def write(cloud: Cloud, *lines: str) -> None:
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines]
    cloud.client("logs").put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=events)


def counted(cloud: Cloud, metric: str, **dimensions: str) -> float:
    now = datetime.now(UTC)
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="filters",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=3_600,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(float(point["Sum"]) for point in points)


LINES = [
    json.dumps(line)
    for line in (
        {"error": "THROTTLED", "status": "429", "who": {"id": 7}},
        {"error": "-", "status": "200", "who": {"id": 7}},
        {"error": "INTEGRATION_TIMEOUT", "status": "504"},
        {"status": "404"},
    )
] + ["no JSON", "[1]"]


@pytest.mark.parametrize(
    ("name", "pattern", "count"),
    [
        ("equal", '{ $.error = "THROTTLED" }', 1),
        ("unequal", '{ $.error != "-" }', 2),
        ("there", '{ $.error = "*" }', 3),
        ("both", '{ ($.error != "-") && ($.status = "4*") }', 1),
        ("either", "{ $.error = THROTTLED || $.status = 404 }", 2),
        ("nested", '{ $.status = "9" || ($.who.id = 7 && $.error != "THROTTLED") }', 1),
    ],
)
def test_lines_are_counted_from_when_the_filter_is_there(cloud: Cloud, name: str, pattern: str, count: int) -> None:
    write(cloud, *LINES)
    put(cloud, pattern, name)
    assert counted(cloud, name) == 0
    write(cloud, *LINES)
    assert counted(cloud, name) == count
    cloud.client("logs").delete_metric_filter(logGroupName=GROUP, filterName=name)
    write(cloud, *LINES)
    assert counted(cloud, name) == count


def test_dimensions_are_members_of_the_line(cloud: Cloud) -> None:
    put(cloud, '{ $.status = "*" }', "by", dimensions={"environment": "$.place"}, unit="Count")
    write(cloud, '{"status": "1", "place": "a"}', '{"status": "2", "place": "b"}', '{"status": "3"}')
    assert (counted(cloud, "by", environment="a"), counted(cloud, "by", environment="b"), counted(cloud, "by")) == (
        1, 1, 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "pattern", ["ERROR", "{ $.a }", "{ $.a > 1 }", '{ ($.a = "1" }', '{ $.a = "1" ) }', "{ $.a = 1 & }", "{}"]
)
def test_patterns_that_would_not_be_evaluated_are_refused(cloud: Cloud, pattern: str) -> None:
    with pytest.raises(ClientError) as caught:
        put(cloud, pattern, "refused")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
