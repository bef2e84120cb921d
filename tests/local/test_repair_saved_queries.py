"""Saved Logs Insights queries and field index policies."""

import json

import pytest

from local.cloud import Cloud


def test_a_query_definition_lives_and_dies(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    made = logs.put_query_definition(name="usage/by-key", queryString="fields @message", logGroupNames=["/b", "/a"])
    logs.put_query_definition(
        queryDefinitionId=made["queryDefinitionId"], name="usage/by-key", queryString="stats count()"
    )
    logs.put_query_definition(name="usage/slowest", queryString="sort @timestamp")
    page = logs.describe_query_definitions(queryDefinitionNamePrefix="usage/", maxResults=1)
    assert [each["queryString"] for each in page["queryDefinitions"]] == ["stats count()"]
    rest = logs.describe_query_definitions(queryDefinitionNamePrefix="usage/", nextToken=page["nextToken"])
    assert [each["name"] for each in rest["queryDefinitions"]] == ["usage/slowest"]
    assert logs.delete_query_definition(queryDefinitionId=made["queryDefinitionId"])["success"] is True
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_query_definition(queryDefinitionId=made["queryDefinitionId"])


def test_an_index_policy_belongs_to_its_log_group(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="/indexed")
    document = json.dumps({"Fields": ["request_id", "key_id"]})
    logs.put_index_policy(logGroupIdentifier="/indexed", policyDocument=document)
    (policy,) = logs.describe_index_policies(logGroupIdentifiers=["/indexed"])["indexPolicies"]
    assert (policy["policyDocument"], policy["source"]) == (document, "LOG_GROUP")
    logs.delete_index_policy(logGroupIdentifier="/indexed")
    assert logs.describe_index_policies(logGroupIdentifiers=["/indexed"])["indexPolicies"] == []
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.put_index_policy(logGroupIdentifier="/unknown", policyDocument=document)
