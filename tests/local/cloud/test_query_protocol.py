"""Alarms and dashboards read back as they were written, over boto3's protocol and over Terraform's."""

import json
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest

from local.cloud.client import Cloud

ALARM = {
    "AlarmName": "rate & <more>",
    "AlarmDescription": 'a "rate" of 4XX & more',
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 0.05,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
    "AlarmActions": ["arn:aws:sns:eu-west-1:000000000000:alerts"],
    "ActionsEnabled": False,
    "Metrics": [
        {"Id": "rate", "Expression": "errors / calls", "Label": "rate", "ReturnData": True},
        *(
            {
                "Id": name,
                "ReturnData": False,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/ApiGateway",
                        "MetricName": name,
                        "Dimensions": [{"Name": "ApiName", "Value": "x"}],
                    },
                    "Period": 300,
                    "Stat": "Sum",
                },
            }
            for name in ("errors", "calls")
        ),
    ],
}


@pytest.fixture(params=["json", "query"])
def client(request: pytest.FixtureRequest, cloud: Cloud) -> Any:
    """Uses boto3's own protocol, or the query protocol."""
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    load: Callable[..., Any] = loader.load_service_model

    def load_with_protocol(service: str, kind: str, **options: Any) -> Any:
        model = load(service, kind, **options)
        if kind == "service-2":
            protocols = {"protocol": request.param, "protocols": [request.param]}
            return {**model, "metadata": {**model["metadata"], **protocols}}
        return model

    loader.load_service_model = load_with_protocol
    return session.create_client(
        "cloudwatch", endpoint_url=cloud.endpoint, region_name=cloud.region,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip


def test_alarm_reads_back(client: Any) -> None:
    """Terraform would show a change in every plan for a field that is missing or added."""
    client.put_metric_alarm(**ALARM, Tags=[{"Key": "team", "Value": "a b/c"}])
    (read,) = client.describe_alarms(AlarmNames=[ALARM["AlarmName"]])["MetricAlarms"]
    assert {name: read[name] for name in ALARM} == ALARM
    assert not {"Statistic", "Period"} & read.keys()
    assert client.list_tags_for_resource(ResourceARN=read["AlarmArn"])["Tags"] == [{"Key": "team", "Value": "a b/c"}]
    client.delete_alarms(AlarmNames=[ALARM["AlarmName"]])


def test_composite_alarm_reads_back(client: Any) -> None:
    client.put_metric_alarm(**ALARM)
    rule = f'ALARM("{ALARM["AlarmName"]}")'
    client.put_composite_alarm(AlarmName="any", AlarmRule=rule, AlarmDescription="a <b>", OKActions=["arn:aws:sns:x"])
    (read,) = client.describe_alarms(AlarmNames=["any"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert (read["AlarmRule"], read["AlarmDescription"]) == (rule, "a <b>")
    assert (read["OKActions"], read["AlarmActions"], read["ActionsEnabled"]) == (["arn:aws:sns:x"], [], True)
    client.delete_alarms(AlarmNames=["any"])
    client.delete_alarms(AlarmNames=[ALARM["AlarmName"]])


def test_dashboard_reads_back_and_errors_have_a_code(client: Any) -> None:
    body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": 'a < b & "c"'}}]})
    client.put_dashboard(DashboardName="main", DashboardBody=body)
    assert client.get_dashboard(DashboardName="main")["DashboardBody"] == body
    client.delete_dashboards(DashboardNames=["main"])
    with pytest.raises(client.exceptions.ClientError, match="does not exist"):
        client.get_dashboard(DashboardName="main")


def test_contributor_insights_rule_reads_back(client: Any) -> None:
    definition = json.dumps({"Schema": {"Name": "CloudWatchLogRule", "Version": 1}})
    client.put_insight_rule(RuleName="top", RuleDefinition=definition, Tags=[{"Key": "team", "Value": "x"}])
    rules = {rule["Name"]: rule for rule in client.describe_insight_rules()["InsightRules"]}
    assert (rules["top"]["State"], rules["top"]["Definition"]) == ("ENABLED", definition)
    tags = client.list_tags_for_resource(ResourceARN="arn:aws:cloudwatch:eu-west-1::insight-rule/top")["Tags"]
    assert tags == [{"Key": "team", "Value": "x"}]
    client.delete_insight_rules(RuleNames=["top"])
    assert "top" not in {rule["Name"] for rule in client.describe_insight_rules()["InsightRules"]}
