"""Saved Logs Insights queries."""

import pytest

from local.cloud.client import Cloud


def test_a_query_definition_lives_and_dies(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    made = logs.put_query_definition(name="usage/by-key", queryString="fields @message", logGroupNames=["/b", "/a"])
    logs.put_query_definition(
        queryDefinitionId=made["queryDefinitionId"], name="usage/by-key", queryString="stats count()"
    )
    logs.put_query_definition(name="usage/slowest", queryString="sort @timestamp")
    logs.put_query_definition(
        name="usage/with-parameters",
        queryString="filter key_id = '{{key}}'",
        parameters=[{"name": "key", "defaultValue": "k", "description": "whose"}],
    )
    page = logs.describe_query_definitions(queryDefinitionNamePrefix="usage/", maxResults=1)
    assert [each["queryString"] for each in page["queryDefinitions"]] == ["stats count()"]
    rest = logs.describe_query_definitions(queryDefinitionNamePrefix="usage/", nextToken=page["nextToken"])
    assert [each["name"] for each in rest["queryDefinitions"]] == ["usage/slowest", "usage/with-parameters"]
    (parameter,) = rest["queryDefinitions"][1]["parameters"]
    assert parameter == {"name": "key", "defaultValue": "k", "description": "whose"}
    assert logs.delete_query_definition(queryDefinitionId=made["queryDefinitionId"])["success"] is True
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_query_definition(queryDefinitionId=made["queryDefinitionId"])
