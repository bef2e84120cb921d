"""CloudWatch alarms and dashboards that read back as they were written, over every protocol.

AWS: PutMetricAlarm, PutCompositeAlarm, DescribeAlarms (AmazonCloudWatch/latest/APIReference). MiniStack drops metric
math and a few more fields, makes up a statistic and a period for alarms that have none, and over the query protocol
describes only a few fields, so that every alarm shows a change in each second plan; and it takes any metric math.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

import botocore.session
from botocore.model import ServiceModel
from ministack.services import cloudwatch

from local.cloud.cloudwatch.alarms import datapoints
from local.cloud.cloudwatch.math.values import MathError
from local.cloud.protocol import query

MODEL: Final = ServiceModel(
    botocore.session.get_session().get_component("data_loader").load_service_model("cloudwatch", "service-2")
)
TARGET: Final = f"{MODEL.metadata['targetPrefix']}."

_handle_request = cloudwatch.handle_request
_put_metric_alarm = cloudwatch._put_metric_alarm
_put_composite_alarm = cloudwatch._put_composite_alarm


def apply() -> None:
    """Replace CloudWatch's entry and the two operations that write alarms."""
    cloudwatch.handle_request = handle_request
    cloudwatch._put_metric_alarm = _keeping_all(_put_metric_alarm, "PutMetricAlarm", cloudwatch._alarms)
    cloudwatch._put_composite_alarm = _keeping_all(
        _put_composite_alarm, "PutCompositeAlarm", cloudwatch._composite_alarms
    )


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
    """Requests of the query protocol are handed on as JSON and the answer is turned into XML; others pass."""
    name = parse_qs(body.decode(errors="replace")).get("Action", [""])[0] if _is_form(headers) else ""
    if name not in MODEL.operation_names:
        return await _handle_request(method, path, headers, body, query_params)
    operation = MODEL.operation_model(name)
    document = json.dumps(query.parse(operation, body.decode())).encode()
    typed = {**headers, "content-type": "application/x-amz-json-1.0", "x-amz-target": TARGET + name}
    status, _, answer = await _handle_request("POST", "/", typed, document, {})
    result = json.loads(answer or b"{}")
    if status >= 400:
        return cloudwatch._error(result["__type"], result.get("message", ""), status)
    return status, {"Content-Type": "text/xml"}, query.render(operation, result)


def _is_form(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _keeping_all(put: Callable[..., Any], operation: str, alarms: Any) -> Callable[..., Any]:
    """The operation, after which the alarm has exactly the optional fields that the request had."""
    shape: Any = MODEL.operation_model(operation).input_shape
    fields = shape.members.keys() - {"Tags", "ActionsEnabled"}

    def put_keeping_all(params: Any, request: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        try:
            datapoints.check(request)
        except MathError as error:
            return cloudwatch._error("ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor)
        answer = put(params, request, is_cbor, is_json)
        if answer[0] < 400:
            alarm = alarms[request["AlarmName"]]
            for field in fields:
                alarm.pop(field, None)
            alarm |= {field: request[field] for field in fields & request.keys()}
            for actions in ("AlarmActions", "OKActions", "InsufficientDataActions"):
                alarm.setdefault(actions, [])
        return answer

    return put_keeping_all
