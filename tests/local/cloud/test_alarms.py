"""Alarms and dashboards read back whole, over the protocol boto3 speaks and the one Terraform speaks."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest

from local.cloud.client import Cloud

MATH = {
    "AlarmName": "share & <more>",
    "AlarmDescription": 'a "share" of 4XX & more',
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 0.05,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
    "AlarmActions": ["arn:aws:sns:eu-west-1:000000000000:alerts"],
    "InsufficientDataActions": ["arn:aws:sns:eu-west-1:000000000000:unsure"],
    "ActionsEnabled": False,
    "Metrics": [
        {"Id": "share", "Expression": "errors / calls", "Label": "share", "ReturnData": True},
        {
            "Id": "errors",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApiGateway",
                    "MetricName": "4XXError",
                    "Dimensions": [{"Name": "ApiName", "Value": "x"}],
                },
                "Period": 300,
                "Stat": "Sum",
            },
        },
        {
            "Id": "calls",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": "AWS/ApiGateway", "MetricName": "Count", "Dimensions": []},
                "Period": 300,
                "Stat": "SampleCount",
                "Unit": "Count",
            },
        },
    ],
}
PLAIN = {
    "AlarmName": "p99",
    "Namespace": "AWS/ApiGateway",
    "MetricName": "Latency",
    "Dimensions": [{"Name": "ApiName", "Value": "x"}, {"Name": "Stage", "Value": "v1"}],
    "ExtendedStatistic": "p99",
    "EvaluateLowSampleCountPercentile": "ignore",
    "Period": 60,
    "Unit": "Milliseconds",
    "EvaluationPeriods": 1,
    "Threshold": 2500.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "OKActions": ["arn:aws:sns:eu-west-1:000000000000:fine"],
}


@pytest.fixture(params=["default", "query"])
def client(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[Any]:
    """boto3's own choice of protocol, and the query protocol."""
    if request.param == "default":
        yield cloud.client("cloudwatch")
        return
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    original: Callable[..., Any] = loader.load_service_model

    def only_query(service: str, kind: str, **options: Any) -> Any:
        model = original(service, kind, **options)
        if kind == "service-2":
            return {**model, "metadata": {**model["metadata"], "protocol": "query", "protocols": ["query"]}}
        return model

    loader.load_service_model = only_query
    yield session.create_client(
        "cloudwatch",
        endpoint_url=cloud.endpoint,
        region_name=cloud.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.mark.parametrize("alarm", [MATH, PLAIN], ids=["math", "plain"])
def test_an_alarm_reads_back_as_it_was_written(client: Any, alarm: dict[str, Any]) -> None:
    client.put_metric_alarm(**alarm, Tags=[{"Key": "team", "Value": "a b/c"}])
    (read,) = client.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
    defaults = {"ActionsEnabled": True, "AlarmActions": [], "OKActions": [], "InsufficientDataActions": []}
    # Its state may have changed since, and tells so in fields of its own.
    written = {name: value for name, value in read.items() if not name.startswith("State")}
    assert written.keys() - alarm.keys() - defaults.keys() == {"AlarmArn", "AlarmConfigurationUpdatedTimestamp"}
    assert written | defaults | alarm == written
    assert client.list_tags_for_resource(ResourceARN=read["AlarmArn"])["Tags"] == [{"Key": "team", "Value": "a b/c"}]
    client.delete_alarms(AlarmNames=[alarm["AlarmName"]])


def test_a_composite_alarm_reads_back_and_follows_its_children(client: Any) -> None:
    client.put_metric_alarm(**PLAIN)
    rule = 'ALARM("p99")'
    client.put_composite_alarm(AlarmName="any", AlarmRule=rule, AlarmDescription="a <b>", OKActions=["arn:aws:sns:x"])
    client.set_alarm_state(AlarmName="p99", StateValue="ALARM", StateReason="test")
    read = client.describe_alarms(AlarmNames=["any"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]
    assert (read["AlarmRule"], read["AlarmDescription"], read["StateValue"]) == (rule, "a <b>", "ALARM")
    assert (read["OKActions"], read["AlarmActions"], read["ActionsEnabled"]) == (["arn:aws:sns:x"], [], True)
    client.delete_alarms(AlarmNames=["any"])
    client.delete_alarms(AlarmNames=["p99"])


def test_a_dashboard_reads_back_byte_for_byte(client: Any) -> None:
    body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": 'a < b & "c"'}}]})
    client.put_dashboard(DashboardName="main", DashboardBody=body)
    assert client.get_dashboard(DashboardName="main")["DashboardBody"] == body
    client.delete_dashboards(DashboardNames=["main"])
    with pytest.raises(client.exceptions.ClientError, match="does not exist"):
        client.get_dashboard(DashboardName="main")


def test_metrics_read_back_over_either_protocol(client: Any) -> None:
    namespace, end = f"Test-{uuid.uuid4().hex[:8]}", int(time.time()) // 60 * 60
    dimensions = [{"Name": "environment", "Value": "dev & <test>"}]
    datum = {"MetricName": "m", "Dimensions": dimensions, "Timestamp": end - 30, "Values": [1.0, 2.5], "Unit": "Count"}
    client.put_metric_data(Namespace=namespace, MetricData=[datum])
    metric = {"Namespace": namespace, "MetricName": "m", "Dimensions": dimensions}
    assert client.list_metrics(Namespace=namespace)["Metrics"] == [metric]
    window = {"StartTime": end - 60, "EndTime": end}
    queries = [{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}]
    queries.append({"Id": "twice", "Expression": "m * 2"})
    read = client.get_metric_data(MetricDataQueries=queries, **window)["MetricDataResults"]
    assert [(each["Id"], each["Values"]) for each in read] == [("m", [3.5]), ("twice", [7.0])]
    assert read[0]["Timestamps"][0].timestamp() == end - 60
    (point,) = client.get_metric_statistics(
        **metric, **window, Period=60, Statistics=["Maximum"], ExtendedStatistics=["p50"]
    )["Datapoints"]
    assert (point["Maximum"], point["Timestamp"].timestamp(), point["Unit"]) == (2.5, end - 60, "Count")
    assert point["ExtendedStatistics"] == {"p50": 1.75}
