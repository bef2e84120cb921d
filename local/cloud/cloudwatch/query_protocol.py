"""CloudWatch's query protocol: form fields in the request, XML in the response.

AWS: docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/making-api-requests.html. The Terraform provider uses this
protocol. MiniStack reads and returns only some fields of an alarm, so that every plan would show a change.
Test: tests/e2e/test_operations.py::test_second_plan_is_empty
"""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape
from ministack.services import cloudwatch

MODEL: Final = ServiceModel(
    botocore.session.get_session().get_component("data_loader").load_service_model("cloudwatch", "service-2")
)


def apply() -> None:
    """Convert requests to JSON by botocore's service model, and responses to XML. Apply after CloudWatch's patches."""
    handle_json = cloudwatch.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
        if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return await handle_json(method, path, headers, body, query_params)
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        operation = MODEL.operation_model(form["Action"])
        target = f"{MODEL.metadata['targetPrefix']}.{operation.name}"
        typed = {**headers, "content-type": "application/x-amz-json-1.0", "x-amz-target": target}
        status, _, answer = await handle_json("POST", "/", typed, json.dumps(_parse(operation, form)).encode(), {})
        document = json.loads(answer or b"{}")
        if status >= 400:
            return cloudwatch._error(document["__type"], document.get("message", ""), status)
        return status, {"Content-Type": "text/xml"}, _render(operation, document)

    cloudwatch.handle_request = handle_request


def _parse(operation: OperationModel, form: dict[str, str]) -> Any:
    """The request's parameters in the types of the model; times stay text."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        *path, last = name.split(".")
        branch = tree
        for key in path:
            branch = branch.setdefault(key, {})
        branch[last] = value
    return _typed(operation.input_shape, tree)


def _typed(shape: Shape | None, node: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {name: _typed(member, node[name]) for name, member in shape.members.items() if name in node}
    if isinstance(shape, ListShape):
        # An empty list is sent as an empty field.
        members = node.get("member", {}) if isinstance(node, dict) else {}
        return [_typed(shape.member, members[index]) for index in sorted(members, key=int)]
    converters: dict[str, Any] = {"integer": int, "double": float, "boolean": lambda text: text == "true"}
    return converters.get(shape.type_name, str)(node) if shape else node


def _render(operation: OperationModel, document: dict[str, Any]) -> bytes:
    name = operation.name
    result = f"<{name}Result>{_xml(operation.output_shape, document)}</{name}Result>" if operation.output_shape else ""
    namespace = operation.service_model.metadata["xmlNamespace"]
    metadata = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
    return f'<{name}Response xmlns="{namespace}">{result}{metadata}</{name}Response>'.encode()


def _xml(shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        present = ((name, member) for name, member in shape.members.items() if value.get(name) is not None)
        return "".join(f"<{name}>{_xml(member, value[name])}</{name}>" for name, member in present)
    if isinstance(shape, ListShape):
        return "".join(f"<member>{_xml(shape.member, item)}</member>" for item in value)
    if shape.type_name == "timestamp" and not isinstance(value, str):
        return datetime.datetime.fromtimestamp(value, datetime.UTC).isoformat()
    return str(value).lower() if isinstance(value, bool) else escape(str(value))
