"""Alarms follow their metrics and notify their topics. `Cloud.advance` makes time pass."""

from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import MINUTE, Inbox, Metrics


@pytest.fixture
def metrics(cloud: Cloud) -> Metrics:
    return Metrics(cloud)


@pytest.mark.parametrize(
    ("needed", "points", "not_breaching", "breaching", "ignore"),
    [
        (3, "XX0", "OK", "OK", "OK"),
        (3, "XXX", "ALARM", "ALARM", "ALARM"),
        (3, "---", "OK", "ALARM", "INSUFFICIENT_DATA"),
        (3, "X--", "OK", "ALARM", "OK"),
        (2, "X0X", "ALARM", "ALARM", "ALARM"),
        (2, "0X-", "OK", "ALARM", "OK"),
        (1, "0X-", "ALARM", "ALARM", "ALARM"),
    ],
)
def test_m_out_of_n_and_missing_data(
    metrics: Metrics, needed: int, points: str, not_breaching: str, breaching: str, ignore: str
) -> None:
    """Three periods of a minute, oldest first: X breaches (9 ≥ 5), 0 does not, - has no data."""
    for ago, point in enumerate(reversed(points)):
        if point != "-":
            metrics.put("m", 9.0 if point == "X" else 1.0, ago=ago * MINUTE + 20)
    for missing, state in (("notBreaching", not_breaching), ("breaching", breaching), ("ignore", ignore)):
        settings = {"EvaluationPeriods": 3, "DatapointsToAlarm": needed, "TreatMissingData": missing}
        with metrics.alarm(**settings) as alarm:
            assert (missing, alarm.state()) == (missing, state)


@pytest.mark.parametrize(
    ("operator", "states"),
    [
        ("GreaterThanOrEqualToThreshold", {4.5: "OK", 5.0: "ALARM"}),
        ("LessThanThreshold", {5.0: "OK", 4.5: "ALARM"}),
    ],
)
def test_comparison_operators(metrics: Metrics, operator: str, states: dict[float, str]) -> None:
    for value, state in states.items():
        metrics.put(f"v{value}", value)
        with metrics.alarm(MetricName=f"v{value}", ComparisonOperator=operator) as alarm:
            assert alarm.state() == state


def test_dimensions_and_percentiles(metrics: Metrics) -> None:
    """Nine fast responses and a slow one. Another model's slow responses are not counted."""
    for value in (*[1.0] * 9, 100.0):
        metrics.put("m", value, model="a")
    metrics.put("m", 500.0, model="b")
    percentile = {"Dimensions": [{"Name": "model", "Value": "a"}], "Statistic": None, "Threshold": 50.0}
    with (
        metrics.alarm(**percentile, ExtendedStatistic="p99") as slow,
        metrics.alarm(**percentile, ExtendedStatistic="p50") as usual,
    ):
        assert (slow.state(), usual.state()) == ("ALARM", "OK")


def test_alarm_notifies_once_and_ends_as_time_passes(cloud: Cloud, metrics: Metrics) -> None:
    inbox = Inbox(cloud)
    with metrics.alarm(AlarmActions=[inbox.topic], OKActions=[inbox.topic], Period=300) as alarm:
        assert alarm.state() == "OK"
        metrics.put("m", 7.0)
        assert (alarm.state(), alarm.state()) == ("ALARM", "ALARM")
        cloud.advance(240)
        assert alarm.described()["StateValue"] == "ALARM"
        cloud.advance(60)
        assert alarm.described()["StateValue"] == "OK"
    messages = [(message["NewStateValue"], message["NewStateReason"]) for message in inbox.messages()]
    assert [state for state, _ in messages] == ["OK", "ALARM", "OK"]
    assert messages[1][1] == (
        "Threshold Crossed: 1 of the last 1 datapoints [7.0] were greater than or equal to the threshold (5.0)."
    )


def test_disabled_actions_are_not_carried_out(cloud: Cloud, metrics: Metrics) -> None:
    inbox = Inbox(cloud)
    metrics.put("m", 9.0)
    with metrics.alarm(AlarmActions=[inbox.topic], ActionsEnabled=False) as alarm:
        assert alarm.state() == "ALARM"
    assert inbox.messages() == []


@pytest.mark.parametrize(("errors", "calls", "state"), [(2, 20, "ALARM"), (1, 20, "OK"), (5, 19, "OK"), (0, 30, "OK")])
def test_alarm_on_metric_math(metrics: Metrics, errors: int, calls: int, state: str) -> None:
    """At least 10 % of 20 or more calls fail."""
    metrics.put("calls", calls)
    metrics.put("errors", errors)
    rate = {"Id": "rate", "Expression": "IF(calls >= 20, 100 * errors / calls, 0)", "ReturnData": True}
    parts = [metrics.stat(name, name) | {"ReturnData": False} for name in ("errors", "calls")]
    with metrics.alarm(Metrics=[rate, *parts], Threshold=10.0) as alarm:
        assert alarm.state() == state


def test_alarm_on_an_anomaly(cloud: Cloud, metrics: Metrics) -> None:
    """10 to 30 an hour is usual: 40 is still inside the band, 60 is not, and an hour later there is no data."""
    for hours, value in enumerate((10.0, 30.0, 10.0, 30.0), start=2):
        metrics.put("spend", value, ago=hours * 3600 - 600)
    spend = metrics.stat("spend", "spend", period=3600)
    band = {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(spend, 3)", "ReturnData": True}
    settings = {"Metrics": [spend | {"ReturnData": True}, band], "ThresholdMetricId": "band", "Threshold": None}
    with metrics.alarm(**settings, ComparisonOperator="GreaterThanUpperThreshold") as alarm:
        metrics.put("spend", 40.0)
        assert alarm.state() == "OK"
        metrics.put("spend", 20.0)
        assert alarm.state() == "ALARM"
        assert "greater than the upper bound the threshold (50.0)" in alarm.described()["StateReason"]
        cloud.advance(3600)
        assert alarm.described()["StateValue"] == "OK"


def test_composite_alarm_follows_its_children(cloud: Cloud, metrics: Metrics) -> None:
    inbox = Inbox(cloud)
    client, name = metrics.client, f"{metrics.namespace}-composite"
    with metrics.alarm(MetricName="a") as first, metrics.alarm(MetricName="b") as second:
        assert (first.state(), second.state()) == ("OK", "OK")
        rule = f'ALARM("{first.name}") OR ALARM("{second.name}")'
        client.put_composite_alarm(AlarmName=name, AlarmRule=rule, AlarmActions=[inbox.topic], OKActions=[inbox.topic])
        inbox.messages()
        metrics.put("b", 9.0)
        cloud.advance(0)
        cloud.advance(MINUTE)
        client.delete_alarms(AlarmNames=[name])
    assert [message["NewStateValue"] for message in inbox.messages()] == ["ALARM", "OK"]


def test_set_state_lasts_until_the_next_evaluation(metrics: Metrics) -> None:
    with metrics.alarm() as alarm:
        assert alarm.state() == "OK"
        metrics.client.set_alarm_state(AlarmName=alarm.name, StateValue="ALARM", StateReason="fire drill")
        assert alarm.described()["StateValue"] == "ALARM"
        assert alarm.state() == "OK"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ComparisonOperator": "LessThanOrEqualToThreshold"}, "ComparisonOperator LessThanOrEqualToThreshold must be"),
        ({"TreatMissingData": None}, "TreatMissingData None must be one of breaching, notBreaching, ignore"),
    ],
)
def test_settings_that_are_not_implemented_are_rejected(metrics: Metrics, settings: Any, message: str) -> None:
    with pytest.raises(metrics.client.exceptions.ClientError, match=message), metrics.alarm(**settings):
        pass


def test_alarm_that_cannot_be_evaluated_is_logged_and_skipped(cloud: Cloud, metrics: Metrics) -> None:
    metrics.put("m", 9.0)
    part = metrics.stat("m", "m") | {"ReturnData": False}
    broken = {"Metrics": [{"Id": "e", "Expression": "RATE(m)"}, part]}
    with metrics.alarm(**broken) as first, metrics.alarm() as second:
        assert (first.state(), second.state()) == ("INSUFFICIENT_DATA", "ALARM")
        log = cloud.log_path.read_text()
    assert f"the alarm {first.name} cannot be evaluated" in log
    assert "metric math 'RATE(m)' is not implemented in local.cloud.cloudwatch.metric_math" in log
