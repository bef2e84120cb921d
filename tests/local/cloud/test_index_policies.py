"""Field index policies of log groups."""

import json

import pytest

from local.cloud.client import Cloud


def test_an_index_policy_belongs_to_its_log_group(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="/indexed")
    arn = f"arn:aws:logs:{cloud.region}:000000000000:log-group:/indexed"
    document = json.dumps({"Fields": ["request_id", "key_id"]})
    logs.put_index_policy(logGroupIdentifier=f"{arn}:*", policyDocument=json.dumps({"Fields": ["other"]}))
    logs.put_index_policy(logGroupIdentifier="/indexed", policyDocument=document)
    for name in ("/indexed", arn):
        (policy,) = logs.describe_index_policies(logGroupIdentifiers=[name])["indexPolicies"]
        assert (policy["policyDocument"], policy["source"], policy["logGroupIdentifier"]) == (
            document,
            "LOG_GROUP",
            arn,
        )
    fields = logs.describe_field_indexes(logGroupIdentifiers=["/indexed"])["fieldIndexes"]
    assert [each["fieldIndexName"] for each in fields] == ["request_id", "key_id"]
    logs.delete_index_policy(logGroupIdentifier="/indexed")
    assert logs.describe_index_policies(logGroupIdentifiers=["/indexed"])["indexPolicies"] == []
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_index_policy(logGroupIdentifier="/indexed")


def test_a_policy_goes_with_its_log_group(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    document = json.dumps({"Fields": ["request_id"]})
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="/short-lived"):
        logs.put_index_policy(logGroupIdentifier="/short-lived", policyDocument=document)
    logs.create_log_group(logGroupName="/short-lived")
    logs.put_index_policy(logGroupIdentifier="/short-lived", policyDocument=document)
    logs.delete_log_group(logGroupName="/short-lived")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.describe_index_policies(logGroupIdentifiers=["/short-lived"])
    logs.create_log_group(logGroupName="/short-lived")
    assert logs.describe_index_policies(logGroupIdentifiers=["/short-lived"])["indexPolicies"] == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("no JSON", "must be JSON"),
        (json.dumps({"Field": ["a"]}), "must be JSON"),
        (json.dumps({"Fields": []}), "must be JSON"),
        (json.dumps({"Fields": [f"field_{index}" for index in range(21)]}), "21 fields, at most 20"),
        (json.dumps({"Fields": ["x" * 101]}), "more than 100 characters"),
    ],
)
def test_a_policy_that_aws_refuses(cloud: Cloud, document: str, message: str) -> None:
    logs = cloud.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix="/refused")["logGroups"]:
        logs.create_log_group(logGroupName="/refused")
    with pytest.raises(logs.exceptions.InvalidParameterException, match=message):
        logs.put_index_policy(logGroupIdentifier="/refused", policyDocument=document)
