"""Field index policies of log groups: stored and described. Queries here read every event.

AWS: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutIndexPolicy.html. MiniStack has no such
operation.
Test: tests/e2e/test_operations.py::test_second_plan_is_empty
"""

from __future__ import annotations

import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, json_response
from ministack.services import cloudwatch_logs

from local.cloud import json_operations
from local.cloud.json_operations import Request

_policies = AccountRegionScopedDict()


def apply() -> None:
    """Add the three operations."""
    json_operations.add(
        cloudwatch_logs,
        {
            "PutIndexPolicy": put_index_policy,
            "DescribeIndexPolicies": describe_index_policies,
            "DeleteIndexPolicy": delete_index_policy,
        },
    )


def put_index_policy(request: Request) -> Any:
    """Creates or replaces the policy of a log group."""
    group = request["logGroupIdentifier"]
    _policies[group] = {
        "logGroupIdentifier": cloudwatch_logs._make_group_arn_no_star(group),
        "lastUpdateTime": int(time.time() * 1000),
        "policyDocument": request["policyDocument"],
        "source": "LOG_GROUP",
    }
    return json_response({"indexPolicy": _policies[group]})


def describe_index_policies(request: Request) -> Any:
    """Policies of those log groups that have one."""
    groups = request["logGroupIdentifiers"]
    return json_response({"indexPolicies": [_policies[group] for group in groups if group in _policies]})


def delete_index_policy(request: Request) -> Any:
    """Deletes the policy of a log group."""
    del _policies[request["logGroupIdentifier"]]
    return json_response({})
