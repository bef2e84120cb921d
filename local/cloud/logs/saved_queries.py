"""CloudWatch Logs: saved Insights queries, which MiniStack does not know.

AWS: PutQueryDefinition, DescribeQueryDefinitions, DeleteQueryDefinition (AmazonCloudWatchLogs/latest/APIReference).
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response
from ministack.services import cloudwatch_logs

from local.cloud.protocol import targets

PAGE: Final = 1000
FIELDS: Final = ("name", "queryString", "logGroupNames", "queryLanguage", "parameters")

_reset = cloudwatch_logs.reset
_definitions = AccountRegionScopedDict()


def apply() -> None:
    """Add the three operations, and their part of the service's reset."""
    mine = {
        "PutQueryDefinition": put_query_definition,
        "DescribeQueryDefinitions": describe_query_definitions,
        "DeleteQueryDefinition": delete_query_definition,
    }
    targets.add(cloudwatch_logs, mine)
    cloudwatch_logs.reset = reset


def reset() -> None:
    """Forget everything, as MiniStack's own reset does."""
    _reset()
    _definitions.clear()


def put_query_definition(request: dict[str, Any]) -> Any:
    """Without `queryDefinitionId` a new one is made."""
    given = request.get("queryDefinitionId")
    if given and given not in _definitions:
        return _not_found(f"Query definition {given} does not exist.")
    definition = str(given or uuid.uuid4())
    fields = {name: request[name] for name in FIELDS if name in request}
    _definitions[definition] = {"queryDefinitionId": definition, "lastModified": _now()} | fields
    return json_response({"queryDefinitionId": definition})


def describe_query_definitions(request: dict[str, Any]) -> Any:
    """Ordered by name, in pages."""
    prefix = request.get("queryDefinitionNamePrefix") or ""
    found = sorted(
        (each for each in _definitions.values() if each["name"].startswith(prefix)), key=lambda each: each["name"]
    )
    start, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or PAGE)
    answer: dict[str, Any] = {"queryDefinitions": found[start : start + size]}
    if start + size < len(found):
        answer["nextToken"] = str(start + size)
    return json_response(answer)


def delete_query_definition(request: dict[str, Any]) -> Any:
    """Answers ResourceNotFoundException for an unknown id."""
    if _definitions.pop(request["queryDefinitionId"], None) is None:
        return _not_found("Query definition does not exist.")
    return json_response({"success": True})


def _not_found(message: str) -> Any:
    return error_response_json("ResourceNotFoundException", message, 400)


def _now() -> int:
    return int(time.time() * 1000)
