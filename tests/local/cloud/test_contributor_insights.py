"""Contributor Insights rules over JSON logs."""

import datetime
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud

START = int(time.time()) // 300 * 300 - 600
LINES = (
    (0, {"ip": "10.0.0.1", "status": 200, "cost": 5, "key": {"id": "a"}}),
    (10, {"ip": "10.0.0.1", "status": 429, "cost": 2, "key": {"id": "b"}}),
    (20, {"ip": "10.0.0.2", "status": 403, "cost": 30, "key": {"id": "a"}}),
    (310, {"ip": "10.0.0.1", "status": 403, "cost": 1, "key": {"id": "a"}}),
    (320, {"status": 403, "cost": 9}),
)


@pytest.fixture(scope="module")
def cloudwatch(cloud: Cloud) -> Any:
    return cloud.client("cloudwatch")


@pytest.fixture(scope="module")
def log(cloud: Cloud) -> Callable[[], None]:
    """Makes the log groups; what it returns writes all lines to one of them, and one to the other."""
    logs = cloud.client("logs")
    for group in ("/rules/access", "/other/access"):
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="one")

    def write() -> None:
        events = [{"timestamp": (START + second) * 1000, "message": json.dumps(line)} for second, line in LINES]
        logs.put_log_events(logGroupName="/rules/access", logStreamName="one", logEvents=events)
        logs.put_log_events(logGroupName="/other/access", logStreamName="one", logEvents=events[:1])

    return write


def rule(keys: list[str], filters: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A definition that counts, over groups that begin with /rules/."""
    value_of = more.pop("ValueOf", None)
    contribution = {"Keys": keys, "Filters": filters or []} | ({"ValueOf": value_of} if value_of else {})
    return {
        "Schema": {"Name": "CloudWatchLogRule", "Version": 1},
        "LogGroupNames": ["/rules/*"],
        "LogFormat": "JSON",
        "Contribution": contribution,
        "AggregateOn": "Sum" if value_of else "Count",
    } | more


def put(cloudwatch: Any, name: str, definition: dict[str, Any], **more: Any) -> None:
    cloudwatch.put_insight_rule(RuleName=name, RuleDefinition=json.dumps(definition), **more)


def report(cloudwatch: Any, name: str, **more: Any) -> dict[str, Any]:
    between = {"StartTime": START, "EndTime": START + 900, "Period": 300}
    answer: dict[str, Any] = cloudwatch.get_insight_rule_report(RuleName=name, **between | more)
    return answer


def contributors(answer: dict[str, Any]) -> list[tuple[list[str], float]]:
    return [(each["Keys"], each["ApproximateAggregateValue"]) for each in answer["Contributors"]]


def test_contributors_are_counted_summed_filtered_and_ranked(cloudwatch: Any, log: Callable[[], None]) -> None:
    put(cloudwatch, "by-ip", rule(["$.ip"]))
    put(cloudwatch, "by-cost", rule(["$.key.id", "$.ip"], ValueOf="$.cost"))
    put(cloudwatch, "refused", rule(["$.ip"], [{"Match": "$.status", "In": [403, 429]}]))
    put(cloudwatch, "other", rule(["$.ip"], LogGroupNames=["/other/access"]))
    log()
    answer = report(cloudwatch, "by-ip", Metrics=["UniqueContributors", "Sum", "MaxContributorValue", "SampleCount"])
    assert contributors(answer) == [(["10.0.0.1"], 3), (["10.0.0.2"], 1)]
    assert (answer["KeyLabels"], answer["AggregationStatistic"]) == (["$.ip"], "COUNT")
    assert (answer["AggregateValue"], answer["ApproximateUniqueCount"]) == (4, 2)
    first, second = (datetime.datetime.fromtimestamp(START + offset, datetime.UTC) for offset in (0, 300))
    assert answer["Contributors"][0]["Datapoints"] == [
        {"Timestamp": first, "ApproximateValue": 2},
        {"Timestamp": second, "ApproximateValue": 1},
    ]
    assert answer["MetricDatapoints"] == [
        {"Timestamp": first, "UniqueContributors": 2, "Sum": 3, "MaxContributorValue": 2, "SampleCount": 3},
        {"Timestamp": second, "UniqueContributors": 1, "Sum": 1, "MaxContributorValue": 1, "SampleCount": 1},
    ]
    assert contributors(report(cloudwatch, "by-cost", MaxContributorCount=2)) == [
        (["a", "10.0.0.2"], 30),
        (["a", "10.0.0.1"], 6),
    ]
    assert contributors(report(cloudwatch, "refused")) == [(["10.0.0.1"], 2), (["10.0.0.2"], 1)]
    assert contributors(report(cloudwatch, "other")) == [(["10.0.0.1"], 1)]
    assert report(cloudwatch, "by-ip", EndTime=START + 20)["AggregateValue"] == 2


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ({"Match": "$.status", "NotIn": [200]}, 3),
        ({"Match": "$.ip", "StartsWith": ["10.0.0.2", "11."]}, 1),
        ({"Match": "$.cost", "GreaterThan": 4}, 2),
        ({"Match": "$.cost", "LessThan": 3}, 2),
        ({"Match": "$.status", "EqualTo": 403}, 2),
        ({"Match": "$.key.id", "NotEqualTo": "a"}, 1),
        ({"Match": "$.ip", "IsPresent": True}, 4),
        ({"Match": "$.missing", "IsPresent": False}, 4),
    ],
)
def test_filters(cloudwatch: Any, log: Callable[[], None], condition: dict[str, Any], count: int) -> None:
    put(cloudwatch, "filtered", rule(["$.ip"], [condition]))
    log()
    assert report(cloudwatch, "filtered")["AggregateValue"] == count


def test_a_rule_counts_what_comes_while_it_is_enabled(cloudwatch: Any, log: Callable[[], None]) -> None:
    log()
    put(cloudwatch, "switched", rule(["$.ip"]), RuleState="DISABLED")
    log()
    assert report(cloudwatch, "switched")["AggregateValue"] == 0
    cloudwatch.enable_insight_rules(RuleNames=["switched"])
    log()
    cloudwatch.disable_insight_rules(RuleNames=["switched"])
    log()
    assert report(cloudwatch, "switched")["AggregateValue"] == 4


def test_rules_are_described_tagged_and_deleted(cloudwatch: Any, cloud: Cloud) -> None:
    definition = rule(["$.z"])
    for name in ("z-1", "z-2"):
        put(cloudwatch, name, definition, Tags=[{"Key": "team", "Value": name}])
    pages: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while not pages or token:
        page = cloudwatch.describe_insight_rules(MaxResults=3, **token)
        pages += page["InsightRules"]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    (read,) = (each for each in pages if each["Name"] == "z-1")
    assert (read["State"], json.loads(read["Definition"])) == ("ENABLED", definition)
    assert json.loads(read["Schema"]) == {"Name": "CloudWatchLogRule", "Version": 1}
    arn = f"arn:aws:cloudwatch:{cloud.region}:000000000000:insight-rule/z-1"
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "more", "Value": "1"}, {"Key": "less", "Value": "2"}])
    cloudwatch.untag_resource(ResourceARN=arn.replace("000000000000", ""), TagKeys=["less"])
    tags = {tag["Key"]: tag["Value"] for tag in cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]}
    assert tags == {"team": "z-1", "more": "1"}
    failures = cloudwatch.delete_insight_rules(RuleNames=["z-1", "z-2", "z-3"])["Failures"]
    assert [failure["FailureResource"] for failure in failures] == ["z-3"]
    names = [each["Name"] for each in cloudwatch.describe_insight_rules()["InsightRules"]]
    assert not {"z-1", "z-2"} & set(names)
    with pytest.raises(ClientError, match="does not exist"):
        report(cloudwatch, "z-1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"LogFormat": "CLF"}, "LogFormat must be JSON"),
        ({"LogGroupNames": []}, "must name log groups"),
        ({"AggregateOn": "Mean"}, "must be Count or Sum"),
        ({"AggregateOn": "Sum"}, "Sum needs ValueOf"),
        ({"Contribution": {"Keys": [f"$.{name}" for name in "abcde"]}}, "Keys must be 1 to 4"),
        ({"Contribution": {"Keys": ["$.a"], "Filters": [{"Match": "$.a", "Is": 1}]}}, "a filter has a Match"),
        ({"Schema": {"Name": "Other", "Version": 1}}, "Schema must be"),
        ({"Contribution": None}, "is not a rule in JSON"),
    ],
)
def test_a_rule_that_aws_refuses(cloudwatch: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        put(cloudwatch, "refused-rule", rule(["$.a"]) | change)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
