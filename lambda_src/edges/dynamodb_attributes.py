"""DynamoDB's typed attribute values to and from plain Python. Numbers are integers: no float touches money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Attribute = dict[str, Any]
Item = dict[str, Attribute]


def serialize(value: object) -> Attribute:
    """The attribute value of a str, bool, int, list or mapping; TypeError for anything else, floats above all."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, list | tuple):
        return {"L": [serialize(each) for each in value]}
    if isinstance(value, Mapping):
        return {"M": {str(name): serialize(each) for name, each in value.items()}}
    raise TypeError(f"no DynamoDB type for {type(value).__name__}")


def serialize_item(values: Mapping[str, object]) -> Item:
    """An item of plain values; those that are None are left out."""
    return {name: serialize(value) for name, value in values.items() if value is not None}


def deserialize(attribute: Attribute) -> Any:
    """The plain value of an attribute value."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return int(value)
    if kind == "L":
        return [deserialize(each) for each in value]
    if kind == "M":
        return {name: deserialize(each) for name, each in value.items()}
    return None if kind == "NULL" else value


def deserialize_item(attributes: Item) -> dict[str, Any]:
    """The plain values of an item."""
    return {name: deserialize(value) for name, value in attributes.items()}
