"""The action and the resources that a request is checked against.

AWS: "Actions, resources, and condition keys" of CloudWatch, CloudWatch Logs and Lambda (list_amazoncloudwatch.html,
list_amazoncloudwatchlogs.html, list_awslambda.html in service-authorization/latest/reference).
MiniStack knows no action of a CBOR request, one alarm by `AlarmName` alone, and a log group by `logGroupName` alone.
Whoever may describe less than every alarm (`*`) is shown no composite ones (AmazonCloudWatch/latest/APIReference/
API_DescribeAlarms.html); not restored: the same for DescribeAlarmHistory.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final

from ministack.core import iam_actions, iam_evaluator
from ministack.services import cloudwatch, cloudwatch_logs

from local.cloud.protocol import operation

_extract_iam_action = iam_actions.extract_iam_action
_extract_resource_arn = iam_actions.extract_resource_arn
_enforce = iam_evaluator.enforce
_describe_alarms = cloudwatch._describe_alarms
_narrowly: ContextVar[bool] = ContextVar("narrowly", default=False)
_refused: ContextVar[str] = ContextVar("refused", default="*")

WITHOUT_LOG_GROUP: Final = ("Quer", "Destination", "Deliver", "ResourcePolic", "GetLogRecord")
"""Log operations whose names contain one of these know no log group, but StartQuery."""
EVERY_ALARM: Final = frozenset({"DescribeAlarms", "DescribeAlarmHistory"})
ACTIONS: Final = {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction"}
"""Lambda's, that are not called like the operation."""


class Resources(str):
    """The first ARN of a request that names several; the engine is asked about each of them."""

    __slots__ = ("others",)

    others: Sequence[str]


def apply() -> None:
    """Replace what the engine asks about requests, the engine's question itself, and the one answer it changes."""
    cloudwatch._describe_alarms = describe_alarms
    iam_actions.extract_iam_action = extract_iam_action
    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce


def extract_iam_action(
    service: str, method: str, path: str, headers: dict[str, str], body: bytes, params: dict[str, Any]
) -> Any:
    """`service:Action`."""
    if service in ("monitoring", "lambda"):
        name = operation.operation(service, method, path, headers, body, params)
        namespace = iam_actions.SERVICE_TO_IAM_NAMESPACE[service]
        return None if name is None else f"{namespace}:{ACTIONS.get(name, name)}"
    return _extract_iam_action(service, method, path, headers, body, params)


def extract_resource_arn(
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    params: dict[str, Any],
    region: str,
    account: str,
) -> Any:
    """The ARN of the resource, `*` where the operation knows none."""
    if service not in ("logs", "monitoring"):
        return _extract_resource_arn(service, method, path, headers, body, params, region, account)
    name = operation.operation(service, method, path, headers, body, params) or ""
    request = operation.document(headers, body) or {key: values[0] for key, values in params.items() if values}
    arns = _log_groups(name, request) if service == "logs" else _metrics(name, request)
    if not arns:
        return "*"
    first = Resources(arns[0].format(region=region, account=account))
    first.others = [arn.format(region=region, account=account) for arn in arns[1:]]
    return first


def enforce(access_key: str, action: str, service: str, region: str, resource_arn: str = "*", **more: Any) -> Any:
    """What refuses the request, of all its resources the first; None where nothing does."""
    others = resource_arn.others if isinstance(resource_arn, Resources) else ()
    for arn in (resource_arn, *others):
        if denied := _enforce(access_key, action, service, region, resource_arn=arn, **more):
            _refused.set(str(arn))
            return denied
    if action == "cloudwatch:DescribeAlarms":
        _narrowly.set(_enforce(access_key, action, service, region, resource_arn="*", **more) is not None)
    return None


def describe_alarms(params: Any, request: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
    """The operation, for whom composite alarms may be kept from; other protocols come here as JSON."""
    if _narrowly.get():
        types = [each for each in request.get("AlarmTypes") or ["MetricAlarm"] if each != "CompositeAlarm"]
        request = {**request, "AlarmTypes": types or ["none"]}
    return _describe_alarms(params, request, is_cbor, is_json)


def refused() -> str:
    """The ARN of the resource that this request was refused for."""
    return _refused.get()


def _log_groups(name: str, request: dict[str, Any]) -> list[str]:
    if "resourceArn" in request:
        return [request["resourceArn"]]
    if name != "StartQuery" and any(part in name for part in WITHOUT_LOG_GROUP):
        return []
    identifier = request.get("logGroupIdentifier")
    groups = cloudwatch_logs._resolve_query_log_groups(
        {**request, "logGroupIdentifiers": request.get("logGroupIdentifiers") or ([identifier] if identifier else [])}
    )
    stream = request.get("logStreamName", "")
    # Without a name it is about all of them, which AWS writes as the empty one.
    return [f"arn:aws:logs:{{region}}:{{account}}:log-group:{group}:log-stream:{stream}" for group in groups or [""]]


def _metrics(name: str, request: dict[str, Any]) -> list[str]:
    if "ResourceARN" in request:
        return [request["ResourceARN"]]
    dashboard = request.get("DashboardName")
    if dashboard is not None:
        return [f"arn:aws:cloudwatch::{{account}}:dashboard/{dashboard}"]
    regional = "arn:aws:cloudwatch:{region}:{account}"
    rules = request.get("RuleNames") or ([request["RuleName"]] if "RuleName" in request else [])
    if rules:
        return [f"{regional}:insight-rule/{rule}" for rule in rules]
    alarms = request.get("AlarmNames") or ([request["AlarmName"]] if "AlarmName" in request else [])
    if not alarms and name in EVERY_ALARM:
        alarms = ["*"]
    return [f"{regional}:alarm:{alarm}" for alarm in alarms]
