"""API Gateway's patch operations, which Terraform sends for every change in place.

AWS: "Patch operations" (apigateway/latest/api/patch-operations.html). Values always come as strings and take the type
of their field; `~1` in a path is a slash; lists are changed by value. MiniStack keeps the strings and the `~1`: a key
disabled by UpdateApiKey would go on working, and a plan with a new rate could not be read back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ministack.services import apigateway_v1

Convert = Callable[[str], object]


def _boolean(text: str) -> bool:
    return text.lower() == "true"


TYPES: Final[dict[str, Convert]] = {
    "apiKeyRequired": _boolean,
    "cacheClusterEnabled": _boolean,
    "disableExecuteApiEndpoint": _boolean,
    "enabled": _boolean,
    "tracingEnabled": _boolean,
    "validateRequestBody": _boolean,
    "validateRequestParameters": _boolean,
    "burstLimit": int,
    "limit": int,
    "minimumCompressionSize": int,
    "offset": int,
    "timeoutInMillis": int,
    "rateLimit": float,
}

FLAGS: Final = frozenset({"requestParameters", "responseParameters"})
"""Fields of a method that say by name whether something is required; those of integrations are texts."""

LISTS: Final = frozenset({"apiStages", "binaryMediaTypes", "authorizationScopes", "types"})


def apply() -> None:
    """Replace the one function that applies patches to records of every kind."""
    apigateway_v1._apply_patch = apply_patch


def apply_patch(record: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply `add`, `replace` and `remove` in place."""
    for operation in operations:
        keys = [key.replace("~1", "/").replace("~0", "~") for key in operation["path"].strip("/").split("/")]
        if keys[0] in LISTS:
            _change_list(record, keys, operation)
        elif keys[-1] in LISTS or (len(keys) > 1 and keys[-2] in LISTS):
            _change_list(record.setdefault(keys[0], {}), keys[1:], operation)
        else:
            _change_field(record, keys, operation)
    return record


def _change_field(record: dict[str, Any], keys: list[str], operation: dict[str, Any]) -> None:
    *path, name = keys
    for key in path:
        if not isinstance(record.get(key), dict):
            record[key] = {}
        record = record[key]
    value = operation.get("value")
    if operation["op"] == "remove" or value is None:
        record.pop(name, None)
    elif name in TYPES:
        record[name] = TYPES[name](str(value))
    elif FLAGS.intersection(path) and value in ("true", "false"):
        record[name] = value == "true"
    else:
        record[name] = value


def _change_list(record: dict[str, Any], keys: list[str], operation: dict[str, Any]) -> None:
    name, *rest = keys
    items = record[name] = list(record.get(name) or [])
    if name == "apiStages" and rest:
        _change_field(_find(items, rest[0]), rest[1:], operation)
        return
    if operation["op"] == "replace" and rest and rest[0].isdecimal():
        items[int(rest[0])] = operation["value"]
        return
    item = _item(name, rest[0] if rest else operation["value"])
    if operation["op"] == "remove":
        record[name] = [other for other in items if not _same(other, item)]
    elif operation["op"] == "replace" and rest:
        record[name] = [operation["value"] if other == item else other for other in items]
    elif not any(_same(other, item) for other in items):
        items.append(item)


def _item(name: str, text: str) -> Any:
    if name != "apiStages":
        return text
    api, _, stage = text.partition(":")
    return {"apiId": api, "stage": stage}


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return bool((left["apiId"], left["stage"]) == (right["apiId"], right["stage"]))
    return bool(left == right)


def _find(items: list[dict[str, Any]], text: str) -> dict[str, Any]:
    return next(item for item in items if _same(item, _item("apiStages", text)))
