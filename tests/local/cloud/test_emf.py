"""Log lines in embedded metric format become metrics. Lines that break AWS's schema do not."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import Metrics, client


@pytest.fixture
def metrics(cloud: Cloud) -> Metrics:
    return Metrics(cloud)


@pytest.fixture
def log(cloud: Cloud) -> Callable[[object], None]:
    """Puts one event into a log group."""
    logs, name = client(cloud, "logs"), f"/test/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")

    def put(line: object) -> None:
        message = line if isinstance(line, str) else json.dumps(line)
        event = {"timestamp": int(time.time() * 1000), "message": message}
        logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=[event])

    return put


def line(metrics: Metrics, directive: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """Requests by environment, and by environment and model."""
    whole = {
        "Namespace": metrics.namespace,
        "Dimensions": [["environment"], ["environment", "model"]],
        "Metrics": [{"Name": "Requests", "Unit": "Count"}],
        **(directive or {}),
    }
    metadata = {"Timestamp": (metrics.end - 30) * 1000, "CloudWatchMetrics": [whole]}
    return {"_aws": metadata, "environment": "dev", "model": "gpt-5", "Requests": 2, "user": "x", **members}


def test_each_dimension_set_is_a_metric(metrics: Metrics, log: Callable[[object], None]) -> None:
    log(line(metrics))
    log(line(metrics, Requests=3, model="haiku"))
    queries = [
        metrics.stat("all", "Requests", environment="dev"),
        metrics.stat("haiku", "Requests", environment="dev", model="haiku"),
        metrics.stat("count", "Requests", "SampleCount", environment="dev"),
        metrics.stat("none", "Requests"),
    ]
    values = {result["Id"]: result["Values"] for result in metrics.data(*queries, minutes=1)}
    assert values == {"all": [5.0], "haiku": [3.0], "count": [2.0], "none": []}


@pytest.mark.parametrize(
    ("directive", "members"),
    [
        ({"Metrics": [{"Name": "Requests", "Unit": "Parsecs"}]}, {}),
        ({"Metrics": [{"Name": "Requests"}] * 101}, {}),
        ({"Metrics": [{"Name": "Absent"}]}, {}),
        ({"Dimensions": [[f"d{number}" for number in range(31)]]}, {f"d{number}": "x" for number in range(31)}),
        ({"Dimensions": [["absent"]]}, {}),
        ({}, {"Requests": "2"}),
        ({}, {"Requests": True}),
        ({}, {"model": 5}),
        ({}, {"model": ""}),
    ],
)
def test_line_that_breaks_the_schema_gives_no_metric(
    metrics: Metrics, log: Callable[[object], None], directive: dict[str, Any], members: dict[str, Any]
) -> None:
    """If it did here, only AWS would show that the gateway's line is wrong."""
    log(line(metrics, directive, **members))
    assert metrics.client.list_metrics(Namespace=metrics.namespace)["Metrics"] == []


def test_other_lines_give_no_metric(metrics: Metrics, log: Callable[[object], None]) -> None:
    for other in ('"_aws" in a text', json.dumps(line(metrics))[:-1], json.dumps([line(metrics)])):
        log(other)
    assert metrics.client.list_metrics(Namespace=metrics.namespace)["Metrics"] == []
