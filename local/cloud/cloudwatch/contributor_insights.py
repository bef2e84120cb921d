"""CloudWatch Contributor Insights: rules over JSON logs, and who contributed most.

AWS: PutInsightRule, DescribeInsightRules, EnableInsightRules, DisableInsightRules, DeleteInsightRules,
GetInsightRuleReport (AmazonCloudWatch/latest/APIReference). MiniStack does not know them. Reports are exact, AWS's are
approximate. Not restored: managed rules, rules over logs in CLF, the metric math function INSIGHT_RULE_METRIC.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region, json_response
from ministack.services import cloudwatch

from local.cloud.cloudwatch import contributor_insights_report
from local.cloud.cloudwatch.alarms.definitions import MODEL
from local.cloud.protocol import operation, query

MOST_RULES: Final = 100
PAGE: Final = 500
RULE: Final = ":insight-rule/"
"""Part of the ARN of each rule and of nothing else."""
SCHEMA: Final = json.dumps({"Name": "CloudWatchLogRule", "Version": 1})
STATES: Final = ("ENABLED", "DISABLED")

Request = dict[str, Any]

_rules = AccountRegionScopedDict()
_reset = cloudwatch.reset


class _Refused(Exception):
    """code, message and HTTP status of an error."""


def apply() -> None:
    """Add the operations to CloudWatch, in JSON and in the query protocol, and their part of its reset and tags."""
    answer_others = cloudwatch.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
        name = headers.get("x-amz-target", "").rpartition(".")[2]
        form = not name and "x-www-form-urlencoded" in headers.get("content-type", "")
        if form:
            name = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
        if name not in OPERATIONS:
            return await answer_others(method, path, headers, body, query_params)
        model = MODEL.operation_model(name)
        request = query.parse(model, body.decode()) if form else operation.document(headers, body)
        if RULE not in request.get("ResourceARN", RULE):
            return await answer_others(method, path, headers, body, query_params)
        try:
            answer = OPERATIONS[name](request)
        except _Refused as refused:
            code, message, status = refused.args
            return cloudwatch._error(code, message, status, use_json=not form)
        if form:
            return 200, {"Content-Type": "text/xml"}, query.render(model, answer)
        return json_response(answer)

    cloudwatch.handle_request = handle_request
    cloudwatch.reset = reset


def reset() -> None:
    """Forget everything, as MiniStack's own reset does."""
    _reset()
    _rules.clear()


def put_insight_rule(request: Request) -> Request:
    """A rule of the same name is replaced, and begins to count anew; tags are taken for new ones alone."""
    name, definition = _given(request, "RuleName"), _given(request, "RuleDefinition")
    state = request.get("RuleState", "ENABLED")
    if state not in STATES:
        raise _Refused("InvalidParameterValue", f"RuleState {state} must be one of {', '.join(STATES)}", 400)
    fault = contributor_insights_report.fault(definition)
    if fault is not None:
        raise _Refused("InvalidParameterValue", fault, 400)
    if name not in _rules:
        if len(_rules) >= MOST_RULES:
            raise _Refused("LimitExceeded", f"there are {MOST_RULES} rules already", 400)
        cloudwatch._resource_tags[_arn(name)] = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    _rules[name] = {"Name": name, "State": "DISABLED", "Schema": SCHEMA, "Definition": definition, "Spans": []}
    _switch(_rules[name], state)
    return {}


def describe_insight_rules(request: Request) -> Request:
    """By name, in pages."""
    start, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or PAGE)
    found = sorted(_rules.values(), key=lambda rule: str(rule["Name"]))
    page = [{name: rule[name] for name in rule if name != "Spans"} for rule in found[start : start + size]]
    return {"InsightRules": page} | ({"NextToken": str(start + size)} if start + size < len(found) else {})


def get_insight_rule_report(request: Request) -> Request:
    """Contributors over the events that came while the rule was enabled."""
    rule = _rules.get(_given(request, "RuleName"))
    if rule is None:
        raise _Refused("ResourceNotFoundException", f"The rule {request['RuleName']} does not exist", 404)
    start, end = (_epoch(_given(request, name)) for name in ("StartTime", "EndTime"))
    period = int(_given(request, "Period"))
    if period <= 0 or start >= end:
        raise _Refused("InvalidParameterValue", f"Period {period}: positive, and StartTime before EndTime", 400)
    return contributor_insights_report.report(
        rule["Definition"],
        rule["Spans"],
        (int(start), int(end)),
        period,
        most=int(request.get("MaxContributorCount", 10)),
        metrics=request.get("Metrics", []),
        order=request.get("OrderBy", "Sum"),
    )


def _for_each(change: Callable[[Request], None]) -> Callable[[Request], Request]:
    """An operation on rules by name that answers which ones there are not."""

    def operation(request: Request) -> Request:
        failures = []
        for name in _given(request, "RuleNames"):
            if name in _rules:
                change(_rules[name])
            else:
                missing = {"FailureResource": name, "ExceptionType": "ResourceNotFoundException", "FailureCode": "404"}
                failures.append(missing | {"FailureDescription": f"The rule {name} does not exist"})
        return {"Failures": failures}

    return operation


def _switch(rule: Request, state: str) -> None:
    if rule["State"] == state:
        return
    rule["State"] = state
    now = int(time.time() * 1000)
    if state == "ENABLED":
        rule["Spans"].append([now, None])
    else:
        rule["Spans"][-1][1] = now


def _delete(rule: Request) -> None:
    del _rules[rule["Name"]]
    cloudwatch._resource_tags.pop(_arn(rule["Name"]), None)


def list_tags(request: Request) -> Request:
    """ListTagsForResource of a rule."""
    return {"Tags": [{"Key": key, "Value": value} for key, value in _tags(request).items()]}


def tag(request: Request) -> Request:
    """TagResource of a rule."""
    _tags(request).update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
    return {}


def untag(request: Request) -> Request:
    """UntagResource of a rule."""
    for key in request["TagKeys"]:
        _tags(request).pop(key, None)
    return {}


def _tags(request: Request) -> dict[str, str]:
    """By the name alone: ARNs of a Terraform that was told not to ask for the account have none."""
    name = request["ResourceARN"].partition(RULE)[2]
    if name not in _rules:
        raise _Refused("ResourceNotFoundException", f"The rule {name} does not exist", 404)
    tags: dict[str, str] = cloudwatch._resource_tags[_arn(name)]
    return tags


def _given(request: Request, name: str) -> Any:
    if not request.get(name):
        raise _Refused("MissingParameter", f"The parameter {name} is required", 400)
    return request[name]


def _epoch(moment: Any) -> float:
    """Seconds: JSON has numbers, the query protocol ISO times."""
    if isinstance(moment, (int, float)):
        return moment
    return datetime.datetime.fromisoformat(str(moment).replace("Z", "+00:00")).timestamp()


def _arn(name: str) -> str:
    return f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}{RULE}{name}"


OPERATIONS: Final[dict[str, Callable[[Request], Request]]] = {
    "PutInsightRule": put_insight_rule,
    "DescribeInsightRules": describe_insight_rules,
    "EnableInsightRules": _for_each(lambda rule: _switch(rule, "ENABLED")),
    "DisableInsightRules": _for_each(lambda rule: _switch(rule, "DISABLED")),
    "DeleteInsightRules": _for_each(_delete),
    "GetInsightRuleReport": get_insight_rule_report,
    "ListTagsForResource": list_tags,
    "TagResource": tag,
    "UntagResource": untag,
}
