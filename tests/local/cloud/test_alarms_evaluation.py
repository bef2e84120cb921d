"""Alarms follow their metrics as on AWS, and say so to their topics. Time passes by `Cloud.advance`."""

import json
import time
from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import MINUTE, Inbox, Metrics


@pytest.fixture
def metrics(cloud: Cloud) -> Metrics:
    return Metrics(cloud)


def put_points(metrics: Metrics, points: str) -> None:
    """A minute for each sign, the last one is the running one: X breaches (9 > 5), 0 does not, - is missing."""
    for ago, sign in enumerate(reversed(points)):
        if sign != "-":
            metrics.put("m", 9.0 if sign == "X" else 1.0, ago=ago * MINUTE + 20)


@pytest.mark.parametrize(
    ("needed", "points", "missing", "ignored", "breaching", "not_breaching"),
    [
        (3, "XX0", "OK", "OK", "OK", "OK"),
        (3, "XXX", "ALARM", "ALARM", "ALARM", "ALARM"),
        (3, "---", "INSUFFICIENT_DATA", "before", "ALARM", "OK"),
        (3, "--0", "OK", "OK", "OK", "OK"),
        (3, "X--", "ALARM", "before", "ALARM", "OK"),  # a breach as old as M periods with nothing against it since
        (3, "--X", "before", "before", "ALARM", "OK"),
        (2, "X0X", "ALARM", "ALARM", "ALARM", "ALARM"),
        (2, "0X-", "OK", "OK", "ALARM", "OK"),
        (2, "-X-", "ALARM", "before", "ALARM", "OK"),
        (1, "0X-", "ALARM", "ALARM", "ALARM", "ALARM"),
    ],
)
def test_m_out_of_n_and_what_missing_points_mean(
    metrics: Metrics, needed: int, points: str, missing: str, ignored: str, breaching: str, not_breaching: str
) -> None:
    """Of three periods; AWS's own tables, within the evaluation periods. `before`: the state does not change."""
    put_points(metrics, points)
    expected = {"missing": missing, "ignore": ignored, "breaching": breaching, "notBreaching": not_breaching}
    for treated, state in expected.items():
        settings = {"EvaluationPeriods": 3, "DatapointsToAlarm": needed, "TreatMissingData": treated}
        with metrics.alarm(**settings) as alarm:
            assert (treated, alarm.state()) == (treated, "INSUFFICIENT_DATA" if state == "before" else state)


@pytest.mark.parametrize(
    ("operator", "values"),
    [
        ("GreaterThanThreshold", {5.0: "OK", 5.5: "ALARM"}),
        ("GreaterThanOrEqualToThreshold", {4.5: "OK", 5.0: "ALARM"}),
        ("LessThanThreshold", {5.0: "OK", 4.5: "ALARM"}),
        ("LessThanOrEqualToThreshold", {5.5: "OK", 5.0: "ALARM"}),
    ],
)
def test_a_threshold_is_crossed_or_not(metrics: Metrics, operator: str, values: dict[float, str]) -> None:
    for value, state in values.items():
        name = f"v{value}"
        metrics.put(name, value)
        with metrics.alarm(MetricName=name, ComparisonOperator=operator) as alarm:
            assert alarm.state() == state


def test_dimensions_and_percentiles_decide(metrics: Metrics) -> None:
    """Nine fast answers and a slow one; another model's slow answers are none of it."""
    metrics.put("m", *[1.0] * 9, 100.0, model="a")
    metrics.put("m", 500.0, model="b")
    dimensions = [{"Name": "model", "Value": "a"}]
    percentile = {"Dimensions": dimensions, "Statistic": None, "Threshold": 50.0}
    with (
        metrics.alarm(**percentile, ExtendedStatistic="p99") as slow,
        metrics.alarm(**percentile, ExtendedStatistic="p50") as usual,
    ):
        assert (slow.state(), usual.state()) == ("ALARM", "OK")
    with metrics.alarm(**percentile, ExtendedStatistic="p99", EvaluateLowSampleCountPercentile="ignore") as patient:
        assert patient.state() == "INSUFFICIENT_DATA"  # ten samples say nothing of one in a hundred


def test_an_alarm_rings_once_and_clears_as_time_passes(cloud: Cloud, metrics: Metrics) -> None:
    inbox = Inbox(cloud)
    actions = {"AlarmActions": [inbox.topic], "OKActions": [inbox.topic]}
    with metrics.alarm(
        **actions,
        AlarmDescription="Look here.",
        Dimensions=[{"Name": "environment", "Value": "dev"}],
        Period=300,
        Unit="Count",
        TreatMissingData="notBreaching",
    ) as alarm:
        assert alarm.state() == "OK"
        assert [json.loads(each["Message"])["NewStateValue"] for each in inbox.messages()] == ["OK"]
        metrics.put("m", 4.0, 3.0, unit="Count", environment="dev")
        assert (alarm.state(), alarm.state()) == ("ALARM", "ALARM")
        (message,) = inbox.messages()
        cloud.advance(240)
        assert alarm.state() == "ALARM"
        cloud.advance(60)
        assert alarm.described()["StateValue"] == "OK"
        (cleared,) = inbox.messages()
        history = alarm.client.describe_alarm_history(AlarmName=alarm.name)["AlarmHistoryItems"]
    assert message["Subject"] == f'ALARM: "{alarm.name}" in EU (Ireland)'
    body = json.loads(message["Message"])
    assert body.pop("NewStateReason").startswith("Threshold Crossed: 1 out of the last 1 datapoints [7.0 (")
    for stamp in ("AlarmConfigurationUpdatedTimestamp", "StateChangeTime"):
        assert body.pop(stamp).endswith("+0000")
    assert body == {
        "AlarmName": alarm.name,
        "AlarmDescription": "Look here.",
        "AWSAccountId": "000000000000",
        "NewStateValue": "ALARM",
        "Region": "EU (Ireland)",
        "AlarmArn": f"arn:aws:cloudwatch:eu-west-1:000000000000:alarm:{alarm.name}",
        "OldStateValue": "OK",
        **actions,
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "m",
            "Namespace": metrics.namespace,
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": "Count",
            "Dimensions": [{"value": "dev", "name": "environment"}],
            "Period": 300,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 5.0,
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
        },
    }
    end = json.loads(cleared["Message"])
    assert (end["OldStateValue"], end["NewStateValue"]) == ("ALARM", "OK")
    assert end["NewStateReason"] == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
        "[NonBreaching]."
    )
    updates = [each["HistorySummary"] for each in history if each["HistoryItemType"] == "StateUpdate"]
    assert updates == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
    ]
    assert {each["HistorySummary"] for each in history if each["HistoryItemType"] == "Action"} == {
        f"Successfully executed action {inbox.topic}"
    }


def test_alarms_are_evaluated_without_being_asked(metrics: Metrics) -> None:
    with metrics.alarm() as alarm:
        metrics.put("m", 9.0)
        deadline = time.monotonic() + 10
        while alarm.state(evaluate=False) != "ALARM":
            assert time.monotonic() < deadline


def test_disabled_actions_are_not_taken(cloud: Cloud, metrics: Metrics) -> None:
    inbox = Inbox(cloud)
    metrics.put("m", 9.0)
    with metrics.alarm(AlarmActions=[inbox.topic], ActionsEnabled=False) as alarm:
        assert alarm.state() == "ALARM"
    assert inbox.messages() == []


def share(metrics: Metrics) -> dict[str, Any]:
    """An alarm on the share of errors, of twenty calls or more."""
    expression = "IF(calls >= 20, 100 * FILL(errors, 0) / calls, 0)"
    parts = [metrics.stat(name, name) | {"ReturnData": False} for name in ("errors", "calls")]
    return {
        "Metrics": [{"Id": "share", "Expression": expression, "Label": "share", "ReturnData": True}, *parts],
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 10.0,
        "TreatMissingData": "notBreaching",
    }


@pytest.mark.parametrize(("errors", "calls", "state"), [(2, 20, "ALARM"), (1, 20, "OK"), (5, 19, "OK"), (0, 30, "OK")])
def test_metric_math_decides(cloud: Cloud, metrics: Metrics, errors: int, calls: int, state: str) -> None:
    metrics.put("calls", *[1.0] * calls)
    if errors:
        metrics.put("errors", *[1.0] * errors)
    inbox = Inbox(cloud)
    with metrics.alarm(**share(metrics), AlarmActions=[inbox.topic]) as alarm:
        assert alarm.state() == state
        triggers = [json.loads(each["Message"])["Trigger"] for each in inbox.messages()]
        cloud.advance(MINUTE)
        assert alarm.described()["StateValue"] == "OK"
    metric = {"MetricName": "calls", "Namespace": metrics.namespace, "Dimensions": []}
    part = {"Id": "calls", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False}
    assert [trigger["Metrics"][2] for trigger in triggers] == ([part] if state == "ALARM" else [])


def test_an_anomaly_is_what_lies_outside_the_band_of_the_past(cloud: Cloud, metrics: Metrics) -> None:
    """Spend of 10 to 30 an hour is usual here: 60 is not, and an hour later there is nothing to say."""
    for hours, value in enumerate((10.0, 30.0, 10.0, 30.0), start=2):
        metrics.put("spend", value, ago=hours * 3600 - 600)
    spend = metrics.stat("spend", "spend")
    spend["MetricStat"]["Period"] = 3600
    band = {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(spend, 3)", "ReturnData": True}
    settings = {"Metrics": [spend | {"ReturnData": True}, band], "ThresholdMetricId": "band"}
    settings |= {"ComparisonOperator": "GreaterThanUpperThreshold", "TreatMissingData": "notBreaching"}
    with metrics.alarm(**settings) as alarm:
        metrics.put("spend", 40.0)
        assert alarm.state() == "OK"
        metrics.put("spend", 20.0)
        assert alarm.state() == "ALARM"
        assert "greater than the upper bound the threshold (-10.0, 50.0)" in alarm.described()["StateReason"]
        cloud.advance(3600)
        assert alarm.described()["StateValue"] == "OK"


def test_a_composite_alarm_follows_its_rule_and_tells_its_own_topic(cloud: Cloud, metrics: Metrics) -> None:
    inbox = Inbox(cloud)
    client, name = metrics.client, f"{metrics.namespace}-composite"
    quiet = {"TreatMissingData": "notBreaching"}
    with metrics.alarm(MetricName="a", **quiet) as first, metrics.alarm(MetricName="b", **quiet) as second:
        assert (first.state(), second.state()) == ("OK", "OK")
        rule = f'ALARM("{first.name}") AND NOT (OK("{second.name}") OR INSUFFICIENT_DATA("{second.name}")) OR FALSE'
        client.put_composite_alarm(AlarmName=name, AlarmRule=rule, AlarmActions=[inbox.topic], OKActions=[inbox.topic])
        inbox.messages()
        states = []
        for metric in ("a", "b"):
            metrics.put(metric, 9.0)
            cloud.advance(0)
            states.append([each["NewStateValue"] for each in map(body_of, inbox.messages())])
        described = client.describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]
        assert (states, described["StateValue"]) == ([[], ["ALARM"]], "ALARM")
        cloud.advance(MINUTE)
        (cleared,) = map(body_of, inbox.messages())
        client.delete_alarms(AlarmNames=[name])
    assert (cleared["OldStateValue"], cleared["NewStateValue"], cleared["AlarmRule"]) == ("ALARM", "OK", rule)
    assert cleared["TriggeringChildren"][0]["State"]["Value"] == "OK"
    assert "Trigger" not in cleared


def body_of(envelope: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(envelope["Message"]))


def test_a_state_that_was_set_lasts_until_the_next_evaluation(cloud: Cloud, metrics: Metrics) -> None:
    inbox = Inbox(cloud)
    actions = {"AlarmActions": [inbox.topic], "OKActions": [inbox.topic]}
    with metrics.alarm(TreatMissingData="notBreaching", **actions) as alarm:
        assert alarm.state() == "OK"
        metrics.client.set_alarm_state(AlarmName=alarm.name, StateValue="ALARM", StateReason="fire drill")
        assert alarm.state(evaluate=False) == "ALARM"
        assert alarm.state() == "OK"
    told = [(each["OldStateValue"], each["NewStateValue"]) for each in map(body_of, inbox.messages())]
    assert told == [("INSUFFICIENT_DATA", "OK"), ("OK", "ALARM"), ("ALARM", "OK")]


def test_missing_data_of_dynamodb_is_ignored_unless_told_otherwise(cloud: Cloud, metrics: Metrics) -> None:
    """Such an alarm stays on for ever once it is: the example why ours say what missing data means."""
    table = f"table-{metrics.namespace}"
    dimensions = [{"Name": "TableName", "Value": table}]
    datum = {"MetricName": "WriteThrottleEvents", "Dimensions": dimensions, "Value": 9.0}
    settings = {"Namespace": "AWS/DynamoDB", "MetricName": "WriteThrottleEvents", "Dimensions": dimensions}
    with metrics.alarm(**settings) as plain, metrics.alarm(**settings, TreatMissingData="notBreaching") as told:
        metrics.client.put_metric_data(Namespace="AWS/DynamoDB", MetricData=[datum])
        assert (plain.state(), told.state()) == ("ALARM", "ALARM")
        cloud.advance(MINUTE)
        assert (plain.state(), told.state()) == ("ALARM", "OK")


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("SEARCH('{AWS/Lambda} Errors', 'Sum', 60)", "SEARCH is not allowed in an alarm"),
        ("m0 +", "ends too early"),
        ("m0 / nothing", "names nothing, which is no query"),
        ("SUM([m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10])", "an alarm may have 10 metrics"),
    ],
)
def test_metric_math_that_no_alarm_may_have_is_refused(metrics: Metrics, expression: str, told: str) -> None:
    count = 11 if "m10" in expression else 1
    parts = [metrics.stat(f"m{n}", "m") | {"ReturnData": False} for n in range(count)]
    settings = {"Metrics": [{"Id": "e", "Expression": expression}, *parts], "Threshold": 1.0}
    with pytest.raises(metrics.client.exceptions.ClientError, match=told), metrics.alarm(**settings):
        pass


def test_an_alarm_that_cannot_be_evaluated_keeps_no_other_from_it(cloud: Cloud, metrics: Metrics) -> None:
    metrics.put("m", 9.0)
    part = metrics.stat("m", "m") | {"ReturnData": False}
    broken = {"Metrics": [{"Id": "e", "Expression": "METRICS() + METRICS()"}, part], "Threshold": 1.0}
    with metrics.alarm(**broken) as first, metrics.alarm() as second:
        assert (first.state(), second.state()) == ("INSUFFICIENT_DATA", "ALARM")
        told = f"The alarm {first.name} cannot be evaluated: two lists of time series cannot be combined"
        assert cloud.log_path.read_text().count(told) == 1
