"""What is published is what is read: statistics, percentiles, periods, dimensions, order."""

import time
from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import MINUTE, Metrics, pairs, utc


@pytest.fixture
def metrics(cloud: Cloud) -> Metrics:
    return Metrics(cloud)


def statistics(metrics: Metrics, name: str, **options: Any) -> list[dict[str, Any]]:
    defaults = {"StartTime": metrics.end - 5 * MINUTE, "EndTime": metrics.end, "Period": MINUTE}
    asked = {"Namespace": metrics.namespace, "MetricName": name} | defaults | options
    found: list[dict[str, Any]] = metrics.client.get_metric_statistics(**asked)["Datapoints"]
    return found


def test_every_statistic_of_a_period_is_of_its_values_and_of_no_others(metrics: Metrics) -> None:
    """Expected values are worked out by hand; ranks are interpolated."""
    start = metrics.end - 2 * MINUTE
    values = {"MetricName": "m", "Timestamp": start + 59, "Values": [10.0, 2.0], "Counts": [3.0, 1.0], "Unit": "Bytes"}
    outside = [{"MetricName": "m", "Timestamp": start + at, "Value": 999.0, "Unit": "Bytes"} for at in (-1, 60)]
    metrics.client.put_metric_data(Namespace=metrics.namespace, MetricData=[values, *outside])
    names = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"]
    _, point, _ = statistics(metrics, "m", Statistics=names)
    assert point == {
        "Timestamp": utc(start),
        "Unit": "Bytes",
        "SampleCount": 4.0,
        "Sum": 32.0,
        "Average": 8.0,
        "Minimum": 2.0,
        "Maximum": 10.0,
    }
    assert [utc(start - MINUTE), utc(start), utc(start + MINUTE)] == [
        each["Timestamp"] for each in statistics(metrics, "m", Statistics=["Sum"])
    ]


def test_periods_begin_with_the_start(metrics: Metrics) -> None:
    """Figures of "the last three hours" are of all of them, wherever they begin."""
    hours = 3 * 60 * MINUTE
    for ago in (60, hours - 60):  # whatever the time of day, one of them is in another period since the epoch
        metrics.put("m", 1.0, ago=ago)
    start = metrics.end + MINUTE - hours
    (point,) = statistics(metrics, "m", StartTime=start + 7, EndTime=start + hours, Period=hours, Statistics=["Sum"])
    assert (point["Timestamp"], point["Sum"]) == (utc(start), 2.0), "of whole minutes"


def test_percentiles_are_exact(metrics: Metrics) -> None:
    metrics.client.put_metric_data(
        Namespace=metrics.namespace,
        MetricData=[
            {"MetricName": "m", "Timestamp": metrics.end - 30, "Values": [float(n) for n in range(low, low + 100)]}
            for low in range(1, 1001, 100)
        ],
    )
    (point,) = statistics(metrics, "m", ExtendedStatistics=["p50", "p99", "p99.9", "p0", "p100"])
    assert point["ExtendedStatistics"] == pytest.approx(
        {"p50": 500.5, "p99": 990.01, "p99.9": 999.001, "p0": 1.0, "p100": 1000.0}
    )
    (result,) = metrics.data(metrics.stat("m", "m", "p99"), minutes=1)
    assert result["Values"] == pytest.approx([990.01])


def test_a_statistic_set_has_no_percentiles(metrics: Metrics) -> None:
    """Nobody knows which values it was made of."""
    published = {"SampleCount": 4, "Sum": 20, "Minimum": 1, "Maximum": 11}
    datum = {"MetricName": "m", "Timestamp": metrics.end - 30, "StatisticValues": published}
    metrics.client.put_metric_data(Namespace=metrics.namespace, MetricData=[datum])
    (point,) = statistics(metrics, "m", Statistics=["Average", "Maximum", "SampleCount"], ExtendedStatistics=["p99"])
    assert (point["Average"], point["Maximum"], point["SampleCount"]) == (5.0, 11.0, 4.0)
    assert "ExtendedStatistics" not in point
    assert metrics.data(metrics.stat("m", "m", "p99"))[0]["Values"] == []


def test_a_metric_is_found_by_exactly_its_dimensions(metrics: Metrics) -> None:
    """A sum over other series' values would show a consumer what another one spent."""
    metrics.put_minutes("m", 1.0)
    metrics.put_minutes("m", 20.0, environment="dev")
    metrics.put_minutes("m", 300.0, model="a", environment="dev")
    asked = [
        metrics.stat("none", "m"),
        metrics.stat("one", "m", environment="dev"),
        metrics.stat("two", "m", environment="dev", model="a"),
        metrics.stat("other", "m", environment="prod"),
        metrics.stat("part", "m", model="a"),
    ]
    assert [(each["Id"], each["Values"]) for each in metrics.data(*asked)] == [
        ("none", [1.0]),
        ("one", [20.0]),
        ("two", [300.0]),
        ("other", []),
        ("part", []),
    ]
    (point,) = statistics(metrics, "m", Statistics=["Sum"], Dimensions=pairs({"model": "a", "environment": "dev"}))
    assert point["Sum"] == 300.0


def test_latest_first_unless_asked_otherwise(metrics: Metrics) -> None:
    metrics.put_minutes("m", 1.0, 2.0, 3.0)
    (result,) = metrics.data(metrics.stat("m", "m"), ScanBy="TimestampDescending")
    assert result["Values"] == [3.0, 2.0, 1.0]
    window = {"StartTime": metrics.end - 5 * MINUTE, "EndTime": metrics.end}
    (result,) = metrics.client.get_metric_data(MetricDataQueries=[metrics.stat("m", "m")], **window)[
        "MetricDataResults"
    ]
    assert (result["Label"], result["Values"], result["StatusCode"]) == ("m", [3.0, 2.0, 1.0], "Complete")
    assert result["Timestamps"][0] == utc(metrics.end - MINUTE)


def test_what_was_published_a_moment_ago_is_in_a_query_up_to_now(metrics: Metrics) -> None:
    metrics.put("m", 4.0)
    now = time.time()
    (result,) = metrics.data(metrics.stat("m", "m"), StartTime=now - MINUTE, EndTime=now)
    assert sum(result["Values"]) == 4.0


def test_another_unit_than_the_published_one_finds_nothing(metrics: Metrics) -> None:
    metrics.put("m", 4.0, ago=MINUTE, unit="Seconds")
    window = {"EndTime": metrics.end + MINUTE, "Statistics": ["Sum"]}
    assert [each["Unit"] for each in statistics(metrics, "m", **window)] == ["Seconds"]
    assert statistics(metrics, "m", **window, Unit="Bytes") == []


def test_metrics_are_listed_by_part_of_their_dimensions(metrics: Metrics) -> None:
    metrics.put("a", 1.0, environment="dev", model="x")
    metrics.put("b", 1.0, environment="dev")
    metrics.put("c", 1.0, ago=4 * 3600)

    def names(**options: Any) -> list[str]:
        listed = metrics.client.list_metrics(Namespace=metrics.namespace, **options)["Metrics"]
        return [each["MetricName"] for each in listed]

    assert names() == ["a", "b", "c"]
    assert names(Dimensions=pairs({"environment": "dev"})) == ["a", "b"]
    assert names(Dimensions=[{"Name": "model"}]) == ["a"]
    assert names(MetricName="b") == ["b"]
    assert names(RecentlyActive="PT3H") == ["a", "b"]


@pytest.mark.parametrize(
    ("stat", "told"), [("p101", "p101"), ("Median", "known are SampleCount, Sum, Average"), ("TM(1%:9%)", "TM")]
)
def test_an_unknown_statistic_is_refused(metrics: Metrics, stat: str, told: str) -> None:
    with pytest.raises(metrics.client.exceptions.ClientError, match=told):
        metrics.data(metrics.stat("m", "m", stat))


def test_a_window_that_ends_before_it_starts_is_refused(metrics: Metrics) -> None:
    with pytest.raises(metrics.client.exceptions.ClientError, match="StartTime must be less than"):
        metrics.data(metrics.stat("m", "m"), minutes=0)


@pytest.mark.parametrize(
    ("datum", "told"),
    [
        ({}, "Value, Values or StatisticValues is required"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "must be of one size, not 2, 1"),
        ({"StatisticValues": {"SampleCount": 0, "Sum": 0, "Minimum": 0, "Maximum": 0}}, "greater than 0, not 0"),
    ],
)
def test_a_datum_without_a_meaning_is_refused(metrics: Metrics, datum: dict[str, Any], told: str) -> None:
    with pytest.raises(metrics.client.exceptions.ClientError, match=told):
        metrics.client.put_metric_data(Namespace=metrics.namespace, MetricData=[{"MetricName": "m", **datum}])
    assert metrics.client.list_metrics(Namespace=metrics.namespace)["Metrics"] == []
