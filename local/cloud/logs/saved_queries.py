"""Saved Logs Insights queries.

AWS: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html. MiniStack has no such
operation.
Test: tests/e2e/test_cli_logs.py::test_saved_queries_are_listed_with_their_purpose
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, json_response
from ministack.services import cloudwatch_logs

from local.cloud import json_operations
from local.cloud.json_operations import Request

_definitions = AccountRegionScopedDict()


def apply() -> None:
    """Add the three operations."""
    json_operations.add(
        cloudwatch_logs,
        {
            "PutQueryDefinition": put_query_definition,
            "DescribeQueryDefinitions": describe_query_definitions,
            "DeleteQueryDefinition": delete_query_definition,
        },
    )


def put_query_definition(request: Request) -> Any:
    """Creates a query, or replaces the one of `queryDefinitionId`."""
    identifier = request.setdefault("queryDefinitionId", str(uuid.uuid4()))
    _definitions[identifier] = request | {"lastModified": int(time.time() * 1000)}
    return json_response({"queryDefinitionId": identifier})


def describe_query_definitions(request: Request) -> Any:
    """Queries whose name has the prefix, by name, in one page."""
    prefix = request.get("queryDefinitionNamePrefix", "")
    found = [definition for definition in _definitions.values() if definition["name"].startswith(prefix)]
    return json_response({"queryDefinitions": sorted(found, key=lambda definition: str(definition["name"]))})


def delete_query_definition(request: Request) -> Any:
    """Deletes one query."""
    del _definitions[request["queryDefinitionId"]]
    return json_response({"success": True})
