"""CloudWatch Logs: saved Insights queries and field index policies, which MiniStack does not know.

AWS: PutQueryDefinition, DescribeQueryDefinitions, DeleteQueryDefinition, PutIndexPolicy, DescribeIndexPolicies,
DeleteIndexPolicy (AmazonCloudWatchLogs/latest/APIReference).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response
from ministack.services import cloudwatch_logs

PAGE: Final = 1000

_handle_request = cloudwatch_logs.handle_request
_reset = cloudwatch_logs.reset
_definitions = AccountRegionScopedDict()
_policies = AccountRegionScopedDict()


def apply() -> None:
    """Replace the service's entry and its reset."""
    cloudwatch_logs.handle_request = handle_request
    cloudwatch_logs.reset = reset


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
    """Our six operations; every other one passes."""
    operation = OPERATIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
    if operation is None:
        return await _handle_request(method, path, headers, body, query_params)
    return operation(json.loads(body or b"{}"))


def reset() -> None:
    """Forget everything, as MiniStack's own reset does."""
    _reset()
    _definitions.clear()
    _policies.clear()


def put_query_definition(request: dict[str, Any]) -> Any:
    """Without `queryDefinitionId` a new one is made."""
    given = request.get("queryDefinitionId")
    if given and given not in _definitions:
        return _not_found(f"Query definition {given} does not exist.")
    definition = str(given or uuid.uuid4())
    fields = {
        name: request[name] for name in ("name", "queryString", "logGroupNames", "queryLanguage") if name in request
    }
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


def put_index_policy(request: dict[str, Any]) -> Any:
    """One policy per log group."""
    group = _group_name(request["logGroupIdentifier"])
    if group not in cloudwatch_logs._log_groups:
        return _not_found(f"The specified log group does not exist: {group}")
    _policies[group] = {
        "logGroupIdentifier": cloudwatch_logs._make_group_arn_no_star(group),
        "lastUpdateTime": _now(),
        "policyDocument": request["policyDocument"],
        "source": "LOG_GROUP",
    }
    return json_response({"indexPolicy": _policies[group]})


def describe_index_policies(request: dict[str, Any]) -> Any:
    """Policies of the log groups asked for that have one."""
    groups = [_group_name(identifier) for identifier in request["logGroupIdentifiers"]]
    return json_response({"indexPolicies": [_policies[group] for group in groups if group in _policies]})


def delete_index_policy(request: dict[str, Any]) -> Any:
    """Answers ResourceNotFoundException where there is none."""
    if _policies.pop(_group_name(request["logGroupIdentifier"]), None) is None:
        return _not_found("Index policy does not exist.")
    return json_response({})


OPERATIONS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "PutQueryDefinition": put_query_definition,
    "DescribeQueryDefinitions": describe_query_definitions,
    "DeleteQueryDefinition": delete_query_definition,
    "PutIndexPolicy": put_index_policy,
    "DescribeIndexPolicies": describe_index_policies,
    "DeleteIndexPolicy": delete_index_policy,
}


def _group_name(identifier: str) -> str:
    return identifier.rpartition(":log-group:")[2].removesuffix(":*")


def _not_found(message: str) -> Any:
    return error_response_json("ResourceNotFoundException", message, 400)


def _now() -> int:
    return int(time.time() * 1000)
