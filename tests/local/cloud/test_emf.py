"""Log lines in embedded metric format become metrics; lines that AWS's schema does not allow do not."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import Metrics, client

Line = dict[str, Any]


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


def line(metrics: Metrics, **members: Any) -> Line:
    """Two directives: Requests by environment and by environment and model, Latency by nothing."""
    counted = {
        "Namespace": metrics.namespace,
        "Dimensions": [["environment"], ["environment", "model"]],
        "Metrics": [{"Name": "Requests", "Unit": "Count"}, {"Name": "Absent", "Unit": "Count"}],
    }
    timed = {
        "Namespace": metrics.namespace,
        "Dimensions": [[]],
        "Metrics": [{"Name": "Latency", "Unit": "Milliseconds", "StorageResolution": 1}],
    }
    metadata = {"Timestamp": (metrics.end - 30) * 1000, "CloudWatchMetrics": [counted, timed]}
    values = {"environment": "dev", "model": "gpt-5", "Requests": 2, "Latency": [5, 7.5, 7.5], "user": "x"}
    return {"_aws": metadata} | values | members


def listed(metrics: Metrics) -> list[tuple[str, dict[str, str]]]:
    found = metrics.client.list_metrics(Namespace=metrics.namespace)["Metrics"]
    return [(each["MetricName"], {pair["Name"]: pair["Value"] for pair in each["Dimensions"]}) for each in found]


def test_each_directive_and_dimension_set_is_a_metric(metrics: Metrics, log: Callable[[object], None]) -> None:
    log(line(metrics))
    log(line(metrics, Requests=3, model="haiku"))
    assert listed(metrics) == [
        ("Latency", {}),
        ("Requests", {"environment": "dev"}),
        ("Requests", {"environment": "dev", "model": "gpt-5"}),
        ("Requests", {"environment": "dev", "model": "haiku"}),
    ]
    asked = [
        metrics.stat("all", "Requests", environment="dev"),
        metrics.stat("haiku", "Requests", environment="dev", model="haiku"),
        metrics.stat("calls", "Requests", "SampleCount", environment="dev"),
        metrics.stat("latency", "Latency", "Average"),
        metrics.stat("slowest", "Latency", "p99"),
        metrics.stat("latencies", "Latency", "SampleCount"),
    ]
    values = {each["Id"]: each["Values"] for each in metrics.data(*asked, minutes=1)}
    assert values == {
        "all": [5.0],
        "haiku": [3.0],
        "calls": [2.0],
        "latency": [pytest.approx(40 / 6)],
        "slowest": [7.5],
        "latencies": [6.0],
    }


def without(document: Line, *path: Any) -> Line:
    return changed(document, None, *path)


def changed(document: Line, value: Any, *path: Any) -> Line:
    """A copy with one member replaced, or left out for None."""
    copy = json.loads(json.dumps(document))
    *parents, last = path
    place = copy
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copy


FIRST = ("_aws", "CloudWatchMetrics", 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: without(good, "_aws", "Timestamp"),
        lambda good: changed(good, "yesterday", "_aws", "Timestamp"),
        lambda good: without(good, *FIRST, "Namespace"),
        lambda good: changed(good, "environment", *FIRST, "Dimensions"),
        lambda good: changed(good, [], *FIRST, "Dimensions"),
        lambda good: changed(good, [[7]], *FIRST, "Dimensions"),
        lambda good: changed(good, [[f"d{n}" for n in range(31)]], *FIRST, "Dimensions"),
        lambda good: changed(good, [{"Name": f"m{n}"} for n in range(101)], *FIRST, "Metrics"),
        lambda good: changed(good, [{"Unit": "Count"}], *FIRST, "Metrics"),
        lambda good: changed(good, "Parsecs", *FIRST, "Metrics", 0, "Unit"),
        lambda good: changed(good, 5, *FIRST, "Metrics", 0, "StorageResolution"),
        lambda good: changed(good, good["_aws"]["CloudWatchMetrics"][0], "_aws", "CloudWatchMetrics"),
        lambda good: json.dumps(good)[:-1],
        lambda good: json.dumps([good]),
        lambda good: {"nested": good},
        lambda good: changed(good, (time.time() - 15 * 86_400) * 1000, "_aws", "Timestamp"),
        lambda good: changed(good, (time.time() + 3 * 3600) * 1000, "_aws", "Timestamp"),
    ],
)
def test_a_line_that_breaks_the_schema_is_a_log_line_and_no_more(
    metrics: Metrics, log: Callable[[object], None], spoil: Callable[[Line], object]
) -> None:
    """Were one accepted here, a wrong emitter would only be noticed on AWS."""
    log(spoil(line(metrics)))
    assert listed(metrics) == []


@pytest.mark.parametrize(
    ("members", "left"),
    [
        ({"Requests": "2"}, ["Latency"]),
        ({"Requests": True}, ["Latency"]),
        ({"Requests": {"value": 2}}, ["Latency"]),
        ({"Latency": [1] * 101}, ["Requests", "Requests"]),
        ({"Latency": []}, ["Requests", "Requests"]),
        ({"model": 5}, ["Latency", "Requests"]),
        ({"environment": None}, ["Latency"]),
    ],
)
def test_a_wrong_value_costs_its_own_metric_alone(
    metrics: Metrics, log: Callable[[object], None], members: Line, left: list[str]
) -> None:
    log(line(metrics, **members))
    assert [name for name, _ in listed(metrics)] == left
