"""Contributor Insights rules: stored, described and deleted. Nothing evaluates them.

AWS: docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutInsightRule.html. MiniStack has no such operation.
Test: tests/e2e/test_operations.py::test_second_plan_is_empty
"""

from __future__ import annotations

import json
from typing import Any, Final

from ministack.core.responses import AccountRegionScopedDict, json_response
from ministack.services import cloudwatch

from local.cloud import json_operations
from local.cloud.json_operations import Request

SCHEMA: Final = json.dumps({"Name": "CloudWatchLogRule", "Version": 1})

_rules = AccountRegionScopedDict()
_list_tags = cloudwatch._list_tags_for_resource


def apply() -> None:
    """Add the operations that Terraform calls, and list a rule's tags."""
    json_operations.add(
        cloudwatch,
        {
            "PutInsightRule": put_insight_rule,
            "EnableInsightRules": enable_insight_rules,
            "DescribeInsightRules": describe_insight_rules,
            "DeleteInsightRules": delete_insight_rules,
        },
    )
    cloudwatch._list_tags_for_resource = list_tags_for_resource


def put_insight_rule(request: Request) -> Any:
    """Creates or replaces a rule."""
    name = request["RuleName"]
    rule = {"Name": name, "State": "ENABLED", "Schema": SCHEMA, "Definition": request["RuleDefinition"]}
    _rules[name] = {"rule": rule, "tags": request.get("Tags", [])}
    return json_response({})


def enable_insight_rules(_: Request) -> Any:
    """Rules are enabled from the beginning."""
    return json_response({"Failures": []})


def describe_insight_rules(_: Request) -> Any:
    """All rules, in one page."""
    return json_response({"InsightRules": [stored["rule"] for stored in _rules.values()]})


def delete_insight_rules(request: Request) -> Any:
    """Deletes rules by name."""
    for name in request["RuleNames"]:
        del _rules[name]
    return json_response({"Failures": []})


def list_tags_for_resource(params: Any, request: Request, is_cbor: bool, is_json: bool = False) -> Any:
    """Tags of a rule by its name alone: Terraform's ARN has no account; MiniStack lists all others."""
    name = request.get("ResourceARN", "").partition(":insight-rule/")[2]
    if not name:
        return _list_tags(params, request, is_cbor, is_json)
    return json_response({"Tags": _rules[name]["tags"]})
