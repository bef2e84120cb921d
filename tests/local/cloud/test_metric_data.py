"""GetMetricData and metric math. Expected values are worked out by hand."""

from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import MINUTE, Metrics

Minutes = list[float | None]


@pytest.fixture(scope="module")
def metrics(cloud: Cloud) -> Metrics:
    """Two metrics over five minutes, each without one of them; costs by model and in total."""
    made = Metrics(cloud)
    made.put_minutes("errors", 1.0, 2.0, None, 4.0, 10.0)
    made.put_minutes("calls", 10.0, 0.0, 30.0, None, 20.0)
    for model, cost in (("gpt-5", 100.0), ("haiku", 7.0)):
        made.put_minutes("Cost", cost, environment="dev", model=model)
        made.put_minutes("Cost", 5 * cost, environment="prod", model=model)
    made.put_minutes("Cost", 1.0, environment="dev")
    return made


def compute(metrics: Metrics, expression: str) -> list[dict[str, Any]]:
    queries = [metrics.stat(name, name) | {"ReturnData": False} for name in ("errors", "calls")]
    return metrics.data({"Id": "result", "Expression": expression}, *queries)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("errors", [1, 2, None, 4, 10]),
        ("100 * errors / calls", [10, None, None, None, 50]),  # no result for a division by 0 or a missing operand
        ("errors / 1000", [0.001, 0.002, None, 0.004, 0.01]),
        ("errors >= 4", [0, 0, None, 1, 1]),
        ("IF(calls >= 20, 100 * errors / calls, 0)", [0, 0, None, None, 50]),
    ],
)
def test_expression(metrics: Metrics, expression: str, expected: Minutes) -> None:
    (result,) = compute(metrics, expression)
    assert metrics.minutes(result) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("errors +", "cannot be parsed"),
        ("errors - 1", "'errors - 1' is not implemented"),
        ("FILL(errors, 0)", r"'FILL\(errors, 0\)' is not implemented"),
        ("unknown / 2", "no query has the Id 'unknown'"),
        ("FIRST(errors)", "FIRST takes an array of time series"),
        ("1 / 2", "neither operand of a metric math operator is a metric"),
        ("SEARCH('{N MetricName', 'Sum', 60)", "SEARCH '{N MetricName' must be like"),
        ("SEARCH('{N,d} NOT d=\"x\"', 'Sum', 60)", "must be like"),
    ],
)
def test_expression_that_is_not_implemented_is_named(metrics: Metrics, expression: str, message: str) -> None:
    with pytest.raises(metrics.client.exceptions.ClientError, match=message):
        compute(metrics, expression)


def test_search_finds_exact_dimensions_and_labels_the_others(metrics: Metrics) -> None:
    search = f'{{{metrics.namespace},environment,model}} MetricName="Cost" environment="dev"'
    found = compute(metrics, f"SEARCH('{search}', 'Sum', 60) / 10")
    assert {result["Label"]: result["Values"] for result in found} == {"gpt-5": [10.0], "haiku": [0.7]}
    assert compute(metrics, f"SEARCH('{search.replace('dev', 'test')}', 'Sum', 60)") == []


def test_labels_of_an_array_name_each_series(metrics: Metrics) -> None:
    search = f'{{{metrics.namespace},environment,model}} MetricName="Cost" environment="dev"'
    label = "${PROP('Dim.model')} in ${PROP('Dim.environment')}"
    found = {"Id": "found", "Expression": f"SEARCH('{search}', 'Sum', 60)", "Label": label}
    results = metrics.data(found, {"Id": "tenth", "Expression": "found / 10", "Label": "tenth of"})
    assert [(result["Id"], result["Label"], result["Values"]) for result in results] == [
        ("found", "gpt-5 in dev", [100.0]),
        ("found", "haiku in dev", [7.0]),
        ("tenth", "tenth of gpt-5 in dev", [10.0]),
        ("tenth", "tenth of haiku in dev", [0.7]),
    ]


def test_anomaly_band_is_computed_from_earlier_values(cloud: Cloud) -> None:
    """Mean 20 and deviation 10 until the surge, which widens the band after it."""
    metrics = Metrics(cloud)
    metrics.put_minutes("m", 10.0, 30.0, 10.0, 30.0, 500.0, 20.0)
    queries = [metrics.stat("m", "m"), {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m, 3)"}]
    _, lower, upper = metrics.data(*queries, minutes=2)
    assert (lower["Values"][0], upper["Values"][0]) == pytest.approx((-10.0, 50.0))
    assert upper["Values"][1] > 500.0
    assert [at.timestamp() for at in upper["Timestamps"]] == [metrics.end - 2 * MINUTE, metrics.end - MINUTE]
    edges = [
        {"Id": name.lower(), "Expression": f"{name}(ANOMALY_DETECTION_BAND(m, 3)) / 10", "Label": name}
        for name in ("FIRST", "LAST")
    ]
    *_, first, last = metrics.data(metrics.stat("m", "m"), *edges, minutes=2)
    assert (first["Label"], last["Label"]) == ("FIRST", "LAST")
    assert (first["Values"][0], last["Values"][0]) == pytest.approx((-1.0, 5.0))


def test_metric_is_found_by_exactly_its_dimensions(metrics: Metrics) -> None:
    """A sum over the values of other series would show a consumer what another one spent."""
    queries = [
        metrics.stat("none", "Cost"),
        metrics.stat("one", "Cost", environment="dev"),
        metrics.stat("two", "Cost", model="haiku", environment="dev"),
        metrics.stat("part", "Cost", model="haiku"),
    ]
    values = {result["Id"]: result["Values"] for result in metrics.data(*queries)}
    assert values == {"none": [], "one": [1.0], "two": [7.0], "part": []}


def test_statistics(cloud: Cloud) -> None:
    metrics = Metrics(cloud)
    for value in range(1, 102):
        metrics.put("m", value, ago=2 * MINUTE)
    expected = {"SampleCount": 101, "Sum": 5151, "Average": 51, "Maximum": 101, "Minimum": 1, "p50": 51, "p99": 100}
    queries = [metrics.stat(f"q{stat}", "m", stat, 5 * MINUTE) for stat in expected]
    assert {result["Id"][1:]: sum(result["Values"]) for result in metrics.data(*queries, minutes=5)} == expected
    with pytest.raises(metrics.client.exceptions.ClientError, match="statistic 'TM' must be one of SampleCount"):
        metrics.data(metrics.stat("m", "m", "TM"))


def test_periods_begin_at_the_start_rounded_down_to_the_minute(cloud: Cloud) -> None:
    """The figures of "the last three hours" are those of three whole hours."""
    metrics = Metrics(cloud)
    hours = 3 * 60 * MINUTE
    for ago in (60, hours - 60):
        metrics.put("m", 1.0, ago=ago)
    start = metrics.end + MINUTE - hours
    (result,) = metrics.data(metrics.stat("m", "m", period=hours), StartTime=start + 7, EndTime=start + hours)
    assert ([at.timestamp() for at in result["Timestamps"]], result["Values"]) == ([start], [2.0])


def test_latest_value_comes_first_by_default(metrics: Metrics) -> None:
    (result,) = metrics.data(metrics.stat("m", "errors"), ScanBy="TimestampDescending")
    assert (result["Label"], result["Values"]) == ("errors", [10.0, 4.0, 2.0, 1.0])
