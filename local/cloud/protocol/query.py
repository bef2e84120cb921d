"""AWS's query protocol, server side: form fields to a request, an answer to XML, by botocore's own service model.

AWS: "AWS query protocol" (smithy.io/2.0/aws/protocols/aws-query-protocol.html). The Terraform provider's CloudWatch
client speaks it; MiniStack's hand-written branches for it drop most fields.
"""

from __future__ import annotations

import datetime
import uuid
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape


def parse(operation: OperationModel, form: str) -> dict[str, Any]:
    """The request's parameters with the types of the model; times stay text."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        *path, last = name.split(".")
        branch = tree
        for key in path:
            branch = branch.setdefault(key, {})
        branch[last] = value
    return {} if operation.input_shape is None else dict(_typed(operation.input_shape, tree))


def _typed(shape: Shape, node: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {name: _typed(member, node[name]) for name, member in shape.members.items() if name in node}
    if isinstance(shape, ListShape):
        # An empty list is sent as an empty field.
        members = node.get("member", {}) if isinstance(node, dict) else {}
        return [_typed(shape.member, members[index]) for index in sorted(members, key=int)]
    if shape.type_name in ("integer", "long"):
        return int(node)
    if shape.type_name in ("double", "float"):
        return float(node)
    return node == "true" if shape.type_name == "boolean" else node


def render(operation: OperationModel, answer: dict[str, Any]) -> bytes:
    """The answer as XML; members that are None are absent."""
    name = operation.name
    shape = operation.output_shape
    result = "" if shape is None else f"<{name}Result>{_xml(shape, answer)}</{name}Result>"
    namespace = operation.service_model.metadata["xmlNamespace"]
    metadata = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
    return f'<{name}Response xmlns="{namespace}">{result}{metadata}</{name}Response>'.encode()


def _xml(shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        present = ((name, member) for name, member in shape.members.items() if value.get(name) is not None)
        return "".join(f"<{name}>{_xml(member, value[name])}</{name}>" for name, member in present)
    if isinstance(shape, ListShape):
        return "".join(f"<member>{_xml(shape.member, item)}</member>" for item in value)
    if isinstance(shape, MapShape):
        pairs = ((_xml(shape.key, name), _xml(shape.value, item)) for name, item in value.items())
        return "".join(f"<entry><key>{name}</key><value>{item}</value></entry>" for name, item in pairs)
    if shape.type_name == "timestamp" and not isinstance(value, str):
        return datetime.datetime.fromtimestamp(value, datetime.UTC).isoformat()
    return str(value).lower() if isinstance(value, bool) else escape(str(value))
