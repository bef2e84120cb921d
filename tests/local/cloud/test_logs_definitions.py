"""Saved queries and index policies read back as they were written."""

import json

from local.cloud.client import Cloud


def test_saved_query(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    query = {"name": "saved/errors", "queryString": "limit 1", "logGroupNames": ["/a"]}
    identifier = logs.put_query_definition(**query)["queryDefinitionId"]
    logs.put_query_definition(**query | {"queryString": "limit 2"}, queryDefinitionId=identifier)
    logs.put_query_definition(name="saved/alpha", queryString="limit 3")
    found = logs.describe_query_definitions(queryDefinitionNamePrefix="saved/")["queryDefinitions"]
    assert [(query["name"], query["queryString"]) for query in found] == [
        ("saved/alpha", "limit 3"),
        ("saved/errors", "limit 2"),
    ]
    assert (found[1]["queryDefinitionId"], found[1]["logGroupNames"]) == (identifier, ["/a"])
    logs.delete_query_definition(queryDefinitionId=identifier)
    assert len(logs.describe_query_definitions(queryDefinitionNamePrefix="saved/")["queryDefinitions"]) == 1


def test_index_policy(cloud: Cloud) -> None:
    logs, document = cloud.client("logs"), json.dumps({"Fields": ["request_id"]})
    logs.create_log_group(logGroupName="/indexed")
    logs.put_index_policy(logGroupIdentifier="/indexed", policyDocument=document)
    (policy,) = logs.describe_index_policies(logGroupIdentifiers=["/indexed", "/other"])["indexPolicies"]
    assert (policy["policyDocument"], policy["source"]) == (document, "LOG_GROUP")
    logs.delete_index_policy(logGroupIdentifier="/indexed")
    assert logs.describe_index_policies(logGroupIdentifiers=["/indexed"])["indexPolicies"] == []
