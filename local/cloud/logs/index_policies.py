"""CloudWatch Logs: field index policies of log groups, which MiniStack does not know.

AWS: PutIndexPolicy, DescribeIndexPolicies, DeleteIndexPolicy, DescribeFieldIndexes
(AmazonCloudWatchLogs/latest/APIReference/API_PutIndexPolicy.html). The policy is kept and described; queries here read
every event anyway.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response
from ministack.services import cloudwatch_logs

from local.cloud.protocol import targets

MOST_FIELDS: Final = 20
LONGEST_FIELD: Final = 100

_policies = AccountRegionScopedDict()
_delete_log_group = cloudwatch_logs._delete_log_group


def apply() -> None:
    """Add the four operations, and their part of DeleteLogGroup."""
    mine = {
        "PutIndexPolicy": put_index_policy,
        "DescribeIndexPolicies": describe_index_policies,
        "DeleteIndexPolicy": delete_index_policy,
        "DescribeFieldIndexes": describe_field_indexes,
    }
    targets.add(cloudwatch_logs, mine)
    cloudwatch_logs._delete_log_group = delete_log_group


def delete_log_group(request: dict[str, Any]) -> Any:
    """DeleteLogGroup: its policy goes with it."""
    answer = _delete_log_group(request)
    if answer[0] == 200:
        _policies.pop(request["logGroupName"], None)
    return answer


def put_index_policy(request: dict[str, Any]) -> Any:
    """One policy per log group; a second one replaces the first."""
    group = _group_name(request["logGroupIdentifier"])
    fault = _unknown_group([group]) or _fault(request["policyDocument"])
    if fault is not None:
        return fault
    _policies[group] = {
        "logGroupIdentifier": cloudwatch_logs._make_group_arn_no_star(group),
        "lastUpdateTime": int(time.time() * 1000),
        "policyDocument": request["policyDocument"],
        "source": "LOG_GROUP",
    }
    return json_response({"indexPolicy": _policies[group]})


def describe_index_policies(request: dict[str, Any]) -> Any:
    """Policies of the log groups asked for that have one."""
    groups = [_group_name(identifier) for identifier in request["logGroupIdentifiers"]]
    found = [_policies[group] for group in groups if group in _policies]
    return _unknown_group(groups) or json_response({"indexPolicies": found})


def describe_field_indexes(request: dict[str, Any]) -> Any:
    """One entry per field of those policies; when its events came is not told."""
    groups = [_group_name(identifier) for identifier in request["logGroupIdentifiers"]]
    found = [
        {"logGroupIdentifier": _policies[group]["logGroupIdentifier"], "fieldIndexName": field, "type": "FIELD_INDEX"}
        for group in groups
        if group in _policies
        for field in _fields(_policies[group]["policyDocument"]) or []
    ]
    return _unknown_group(groups) or json_response({"fieldIndexes": found})


def delete_index_policy(request: dict[str, Any]) -> Any:
    """Answers ResourceNotFoundException where there is none."""
    group = _group_name(request["logGroupIdentifier"])
    if _policies.pop(group, None) is None:
        return error_response_json("ResourceNotFoundException", f"Index policy does not exist: {group}", 400)
    return json_response({})


def _fields(document: str) -> list[str] | None:
    """The names in `{"Fields": […]}` or `{"FieldsV2": {…}}`; None for anything else."""
    try:
        parsed = json.loads(document)
    except ValueError:
        return None
    fields = parsed.get("Fields", list(parsed.get("FieldsV2", ()))) if isinstance(parsed, dict) else None
    valid = isinstance(fields, list) and all(isinstance(name, str) and name for name in fields)
    return fields if valid and fields else None


def _fault(document: str) -> Any:
    fields = _fields(document)
    if fields is None:
        message = 'policyDocument must be JSON like {"Fields": ["name"]}'
    elif len(fields) > MOST_FIELDS:
        message = f"policyDocument names {len(fields)} fields, at most {MOST_FIELDS} are allowed"
    elif any(len(name) > LONGEST_FIELD for name in fields):
        message = f"policyDocument names a field of more than {LONGEST_FIELD} characters"
    else:
        return None
    return error_response_json("InvalidParameterException", message, 400)


def _unknown_group(groups: list[str]) -> Any:
    missing = next((group for group in groups if group not in cloudwatch_logs._log_groups), None)
    if missing is None:
        return None
    return error_response_json("ResourceNotFoundException", f"The specified log group does not exist: {missing}", 400)


def _group_name(identifier: str) -> str:
    return (identifier.rpartition(":log-group:")[2] or identifier).removesuffix(":*")
