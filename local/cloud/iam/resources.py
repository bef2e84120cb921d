"""Actions, resources and condition keys that policies are evaluated with.

AWS: docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html, the same page of
CloudWatch and Lambda, and docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
(LeadingKeys are the partition keys that a request touches; each item of a transaction is evaluated by itself).
MiniStack knows no dashboard, no stream of a table, one log group by `logGroupName` alone, no LeadingKeys, and takes
GetFunctionConcurrency for another action.
Test: tests/e2e/test_least_privilege.py::test_a_viewer_reads_all_there_is
"""

from __future__ import annotations

import json
from typing import Any, Final

from ministack.core import iam_actions, iam_evaluator
from ministack.services import dynamodb, dynamodb_streams

LEADING_KEYS: Final = "dynamodb:LeadingKeys"

_extract_iam_action = iam_actions.extract_iam_action
_extract_resource_arn = iam_actions.extract_resource_arn
_service_context = iam_actions.dynamodb_service_context
_transaction_checks = iam_actions.dynamodb_transaction_checks
_enforce = iam_evaluator.enforce


class _Arn(str):
    """An ARN with the request's other resources, or with the partition keys of a transaction's item."""

    others: tuple[str, ...] = ()
    leading_keys: tuple[str, ...] = ()


def apply() -> None:
    """Wrap the functions that read actions, resources and condition keys from requests, and the one that evaluates."""
    iam_actions.extract_iam_action = extract_iam_action
    iam_actions.extract_resource_arn = extract_resource_arn
    iam_actions.dynamodb_service_context = dynamodb_service_context
    iam_actions.dynamodb_transaction_checks = dynamodb_transaction_checks
    iam_evaluator.enforce = enforce


def extract_iam_action(service: str, method: str, path: str, *rest: Any) -> Any:
    """The action as `service:Action`."""
    if service == "lambda" and method == "GET" and path.endswith("/concurrency"):
        return "lambda:GetFunctionConcurrency"
    return _extract_iam_action(service, method, path, *rest)


def extract_resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> Any:
    """The ARN of the resource, `*` for an operation without one."""
    if service in ("dynamodb", "dynamodbstreams") and (stream := _stream(body)):
        return stream
    # Terraform's provider sends CloudWatch forms.
    if service not in ("logs", "monitoring") or not body.startswith(b"{"):
        return _extract_resource_arn(service, method, path, headers, body, *rest)
    _, region, account = rest
    request = json.loads(body)
    if "DashboardName" in request:
        return f"arn:aws:cloudwatch::{account}:dashboard/{request['DashboardName']}"
    groups = request.get("logGroupNames") or ([request["logGroupName"]] if "logGroupName" in request else [])
    if not groups and headers["x-amz-target"].endswith(".DescribeLogGroups"):
        groups = [""]
    arns = [f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:" for group in groups]
    first = _Arn(arns[0] if arns else "*")
    first.others = tuple(arns[1:])
    return first


def _stream(body: bytes) -> str | None:
    """ARN of the stream that a request reads."""
    request = json.loads(body)
    if "ShardIterator" in request:
        request = {"StreamArn": (dynamodb_streams._decode_iterator(request["ShardIterator"]) or {}).get("arn")}
    arn = request.get("StreamArn")
    return None if arn is None else str(arn)


def dynamodb_service_context(body: bytes) -> Any:
    """Condition keys of a request other than a transaction."""
    request = json.loads(body)
    keys = _leading_keys(request) if {"Item", "Key"} & request.keys() else ()
    return _service_context(body) | ({LEADING_KEYS: list(keys)} if keys else {})


def dynamodb_transaction_checks(action: str, body: bytes, region: str, account: str) -> list[tuple[str, str]]:
    """Action and table of each item of a transaction."""
    checks: list[tuple[str, str]] = []
    for item in json.loads(body).get("TransactItems", []):
        one = json.dumps({"TransactItems": [item]}).encode()
        for item_action, table in _transaction_checks(action, one, region, account):
            arn = _Arn(table)
            arn.leading_keys = tuple(key for write in item.values() for key in _leading_keys(write))
            checks.append((item_action, arn))
    return checks


def enforce(access_key: str, action: str, service: str, region: str, resource_arn: str = "*", **more: Any) -> Any:
    """The first denial among all resources of the request, else None."""
    arn = resource_arn if isinstance(resource_arn, _Arn) else _Arn(resource_arn)
    if arn.leading_keys:
        more["service_context"] = {**more["service_context"], LEADING_KEYS: list(arn.leading_keys)}
    denials = (_enforce(access_key, action, service, region, resource_arn=one, **more) for one in (arn, *arn.others))
    return next((denial for denial in denials if denial), None)


def _leading_keys(request: dict[str, Any]) -> tuple[str, ...]:
    """The partition key that a write touches."""
    schema = dynamodb._tables[request["TableName"].rpartition("/")[2]]["KeySchema"]
    name = next(key["AttributeName"] for key in schema if key["KeyType"] == "HASH")
    item = request.get("Item") or request["Key"]
    return tuple(item[name].values())
