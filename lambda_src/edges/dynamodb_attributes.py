"""Conversion between DynamoDB's attribute values and Python values. Numbers are integers: money is never a float."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

Attribute = dict[str, Any]
Item = dict[str, Attribute]


def serialize(value: object) -> Attribute:
    """The attribute value for a str, bytes, bool, int, list or mapping. TypeError for other types, such as float."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": b64encode(value).decode()}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, list | tuple):
        return {"L": [serialize(element) for element in value]}
    if isinstance(value, Mapping):
        return {"M": {str(name): serialize(member) for name, member in value.items()}}
    raise TypeError(f"no DynamoDB type for {type(value).__name__}")


def serialize_item(values: Mapping[str, object]) -> Item:
    """An item with the given values, without those that are None."""
    return {name: serialize(value) for name, value in values.items() if value is not None}


def deserialize(attribute: Attribute) -> Any:
    """The plain value of an attribute as DynamoDB's API or boto3 returns it; boto3 decodes binary values itself."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return int(value)
    if kind == "B":
        return value if isinstance(value, bytes) else b64decode(value)
    if kind == "L":
        return [deserialize(element) for element in value]
    if kind == "M":
        return {name: deserialize(member) for name, member in value.items()}
    return None if kind == "NULL" else value


def deserialize_item(item: Item) -> dict[str, Any]:
    return {name: deserialize(attribute) for name, attribute in item.items()}
