"""What a request to an AWS API asks for: its service and operation, whatever the protocol.

AWS: "Protocols" (smithy.io/2.0/aws/protocols). MiniStack names the operations of CloudWatch's CBOR protocol nowhere,
and some of Lambda's wrongly.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import cbor2
from ministack.core import iam_actions

OPERATION: Final = re.compile(r"/service/[^/]+/operation/(\w+)")
BY_ROUTE: Final = frozenset({"apigateway", "lambda"})

_extract_iam_action = iam_actions.extract_iam_action


def apply() -> None:
    """Let MiniStack's matcher of routes know Lambda's."""
    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]


def operation(
    service: str, method: str, path: str, headers: dict[str, str], body: bytes, params: dict[str, Any]
) -> str | None:
    """The operation's name as in the SDKs (`GetApiKeys`, `PutMetricData`); None where it cannot be told.

    service: MiniStack's name of it, which is the last part of the endpoint's (`monitoring`, `tagging`).
    """
    if match := OPERATION.match(path):
        return match[1]
    if service in BY_ROUTE:
        found: str | None = iam_actions._match_rest_action(service, method, path, params)
        return found
    action: str | None = _extract_iam_action(service, method, path, headers, body, params)
    return None if action is None else action.partition(":")[2]


def document(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The parameters of a request in JSON or CBOR; `{}` for anything else."""
    content_type = headers.get("content-type", "")
    if "cbor" in content_type:
        parsed = cbor2.loads(body) if body else {}
    elif "json" in content_type:
        try:
            parsed = json.loads(body or b"{}")
        except ValueError:
            return {}
    else:
        return {}
    return parsed if isinstance(parsed, dict) else {}
