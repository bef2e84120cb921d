"""Metric math: operators, functions, searches, labels, and what CloudWatch refuses. Every result is written down."""

from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import MINUTE, Metrics

Minutes = list[float | None]


@pytest.fixture(scope="module")
def metrics(cloud: Cloud) -> Metrics:
    """Two metrics over five minutes: m1 has no third minute, m2 no fourth."""
    made = Metrics(cloud)
    made.put_minutes("errors", 1.0, 2.0, None, 4.0, 10.0)
    made.put_minutes("calls", 10.0, 0.0, 30.0, None, 20.0)
    for model, cost in (("gpt-5", 100.0), ("haiku", 7.0)):
        made.put_minutes("Cost", cost, environment="dev", model=model)
        made.put_minutes("Cost", 5 * cost, environment="prod", model=model)
    made.put_minutes("Cost", 1.0, environment="dev")
    made.put_minutes("CostHeld", 3.0, environment="dev", model="gpt-5")
    return made


def compute(metrics: Metrics, expression: str, **options: Any) -> list[dict[str, Any]]:
    queries = [metrics.stat("m1", "errors"), metrics.stat("m2", "calls")]
    hidden = [query | {"ReturnData": False} for query in queries]
    return metrics.data({"Id": "e", "Expression": expression, **options}, *hidden)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m1", [1, 2, None, 4, 10]),
        ("m1 + 2 * 3", [7, 8, None, 10, 16]),
        ("(m1 + 2) * 3", [9, 12, None, 18, 36]),
        ("10 - m1 - 1", [8, 7, None, 5, -1]),
        ("-m1", [-1, -2, None, -4, -10]),
        ("100 * m1 / m2", [10, None, None, None, 50]),  # nothing divides by 0 or by what is missing
        ("m2 % 3 + 2 ^ 3", [9, 8, 8, None, 10]),
        ("m1 >= 4", [0, 0, None, 1, 1]),
        ("m1 > 1 AND m2 > 5 || m1 == 1", [1, 0, None, None, 1]),
        ("IF(m2 >= 20, 100 * m1 / m2, 0)", [0, 0, None, None, 50]),  # what is chosen may be missing
        ("IF(m1 > 3, 1)", [None, None, None, 1, 1]),
        ("FILL(m1, 0)", [1, 2, 0, 4, 10]),
        ("FILL(m1, REPEAT)", [1, 2, 2, 4, 10]),
        ("FILL(m1, LINEAR)", [1, 2, 3, 4, 10]),
        ("FILL(m1, m2)", [1, 2, 30, 4, 10]),
        ("RATE(m1) * 60", [None, 1, None, 1, 6]),
        ("DIFF(FILL(m1, 0))", [None, 1, -2, 4, 6]),
        ("m1 / PERIOD(m1)", [1 / 60, 2 / 60, None, 4 / 60, 10 / 60]),
        ("m1 * SUM(m2)", [60, 120, None, 240, 600]),
        ("SUM(METRICS())", [11, 2, 30, 4, 30]),
        ('MAX(METRICS("m2"))', [10, 0, 30, None, 20]),
        ("MAX([m1, m2, 5])", [10, 5, 30, 5, 20]),
        ("AVG([m1, m2])", [5.5, 1, 30, 4, 15]),
        ("MIN(METRICS())", [1, 0, 30, 4, 10]),
        ("CEIL(m1 / 3)", [1, 1, None, 2, 4]),
        ("RUNNING_SUM(m1)", [1, 3, None, 7, 17]),
        ("TIME_SERIES(MAX(m1))", [10, 10, 10, 10, 10]),
        ("FIRST(SORT(METRICS(), SUM, DESC, 1))", [10, 0, 30, None, 20]),
    ],
)
def test_an_expression_means_what_aws_says(metrics: Metrics, expression: str, expected: Minutes) -> None:
    (result,) = compute(metrics, expression)
    assert metrics.minutes(result) == pytest.approx(expected)


def test_an_expression_may_use_other_expressions(metrics: Metrics) -> None:
    queries = [
        {"Id": "total", "Expression": "share * 2"},
        {"Id": "share", "Expression": "m1 / 4", "ReturnData": False},
        metrics.stat("m1", "errors") | {"ReturnData": False},
    ]
    (result,) = metrics.data(*queries)
    assert (result["Id"], metrics.minutes(result)) == ("total", [0.5, 1.0, None, 2.0, 5.0])


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("m1 +", "ends too early"),
        ("m1 m2", "'m2' is not expected"),
        ("(m1", "ends too early"),
        ("m1 $ 2", r"'\$' is not expected"),
        ("m9 + 1", "no query with the Id 'm9'"),
        ("MEDIAN(m1)", "function MEDIAN is not known"),
        ("FILL(m1)", "FILL does not take 1 argument"),
        ("SUM(m1)", "a time series is wanted"),
        ("METRICS() + METRICS()", "two lists of time series"),
        ("e + 1", "need each other"),
        ("SEARCH('{N', 'Sum', 60)", "cannot be read"),
        ("'text' * 2", "cannot be computed with"),
    ],
)
def test_a_wrong_expression_is_refused_with_what_is_wrong(metrics: Metrics, expression: str, told: str) -> None:
    with pytest.raises(metrics.client.exceptions.ClientError, match=told):
        compute(metrics, expression)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ('{NS,environment,model} MetricName="Cost" environment="dev"', {"gpt-5": 100.0, "haiku": 7.0}),
        ('{NS,model,environment} MetricName="Cost" NOT environment="prod" model="haiku"', {"Cost": 7.0}),
        ('{NS,environment} MetricName="Cost"', {"Cost": 1.0}),
        ('Namespace="NS" cost environment=dev model=("haiku" OR "gpt-5")', {}),
        ('{NS,environment,model} held', {"CostHeld": 3.0}),
        ('{NS,environment,model} MetricName="Cost" environment="test"', {}),
    ],
)  # fmt: skip
def test_a_search_finds_what_matches_and_labels_what_differs(
    metrics: Metrics, search: str, expected: dict[str, float]
) -> None:
    text = search.replace("NS", metrics.namespace if "{" in search else "no such namespace")
    text = text.replace("{" + metrics.namespace, '{"' + metrics.namespace + '"')
    found = compute(metrics, f"SEARCH('{text}', 'Sum', 60)")
    assert {each["Label"]: each["Values"][0] for each in found if each["Values"]} == expected
    assert {each["Id"] for each in found} == {"e"}


def test_a_search_can_be_summed_and_sorted(metrics: Metrics) -> None:
    search = f"""SEARCH('{{"{metrics.namespace}",environment,model}} MetricName="Cost"', 'Sum', 60)"""
    assert compute(metrics, f"SUM({search})")[0]["Values"] == [642.0]
    top = compute(metrics, f"SORT({search}, SUM, DESC, 2)")
    assert [(each["Label"], each["Values"]) for each in top] == [("prod gpt-5", [500.0]), ("dev gpt-5", [100.0])]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("errors of all", "errors of all"),
        ("${LABEL} to ${MAX}, ${AVG} on average, last ${LAST}", "errors to 10, 4.25 on average, last 10"),
        ("${PROP('MetricName')}/${PROP('Stat')}", "errors/Sum"),
    ],
)
def test_labels_have_dynamic_parts(metrics: Metrics, label: str, expected: str) -> None:
    (result,) = metrics.data(metrics.stat("m1", "errors") | {"Label": label})
    assert result["Label"] == expected


def test_the_anomaly_band_is_of_what_came_before(cloud: Cloud) -> None:
    """Mean 20 and deviation 10 until the surge, which moves the band after it alone."""
    metrics = Metrics(cloud)
    metrics.put_minutes("m", 10.0, 30.0, 10.0, 30.0, 500.0, 20.0)
    queries = [metrics.stat("m", "m"), {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m, 3)"}]
    _, low, high = metrics.data(*queries, minutes=2)
    assert (low["Values"][0], high["Values"][0]) == pytest.approx((-10.0, 50.0))
    assert high["Values"][1] > 500.0
    assert [each.timestamp() for each in high["Timestamps"]] == [metrics.end - 2 * MINUTE, metrics.end - MINUTE]
