"""Patch operations, which Terraform sends for every change in place.

AWS: docs.aws.amazon.com/apigateway/latest/api/patch-operations.html. Values are strings and take the type of their
field; `~1` in a path is a slash; a binary media type is added or removed by a path without a value. MiniStack keeps the
strings: a key disabled by UpdateApiKey would go on working.
Test: tests/e2e/test_rejections.py::test_disabled_key_is_rejected
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ministack.services import apigateway_v1

_FLAGS: Final = (
    "apiKeyRequired", "disableExecuteApiEndpoint", "enabled", "tracingEnabled", "validateRequestBody",
    "validateRequestParameters",
)  # fmt: skip
TYPES: Final[dict[str, Callable[[str], object]]] = {
    **dict.fromkeys(_FLAGS, lambda value: str(value).lower() == "true"),
    **dict.fromkeys(("burstLimit", "limit", "offset", "timeoutInMillis"), int),
    "rateLimit": float,
}


def apply() -> None:
    """Replace the function that patches records of every kind."""
    apigateway_v1._apply_patch = apply_patch


def apply_patch(record: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply `add`, `replace` and `remove` in place, with typed values."""
    for operation in operations:
        *parents, name = (key.replace("~1", "/") for key in operation["path"].strip("/").split("/"))
        if parents == ["binaryMediaTypes"]:
            _change_media_types(record, name, added=operation["op"] == "add")
            continue
        parent = record
        for key in parents:
            if not isinstance(parent.get(key), dict):
                parent[key] = {}
            parent = parent[key]
        if name == "apiStages":
            _change_stages(parent, operation)
        elif operation["op"] == "remove":
            parent.pop(name, None)
        else:
            parent[name] = TYPES.get(name, str)(operation["value"])
    return record


def _change_media_types(api: dict[str, Any], media_type: str, *, added: bool) -> None:
    others = [other for other in api.get("binaryMediaTypes") or () if other != media_type]
    api["binaryMediaTypes"] = [*others, media_type] if added else others


def _change_stages(plan: dict[str, Any], operation: dict[str, Any]) -> None:
    """Add or remove one stage of a usage plan, which a patch writes as `api:stage`."""
    api_id, _, name = operation["value"].partition(":")
    stage = {"apiId": api_id, "stage": name}
    added = [] if operation["op"] == "remove" else [stage]
    plan["apiStages"] = [other for other in plan["apiStages"] if other != stage] + added
