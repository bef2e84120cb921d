"""Sizes and write units of DynamoDB items.

Write units of an item are its size in kilobytes, rounded up; transactions count them twice.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Mapping

from lambda_src.edges.dynamodb_attributes import Attribute, serialize


def size_of(value: Attribute) -> int:
    """Bytes of an attribute value. A string counts its UTF-8 bytes; a number a byte per two digits, plus one."""
    ((kind, inner),) = value.items()
    if kind == "N":
        return math.ceil(len(str(inner).lstrip("-")) / 2) + 1 + str(inner).startswith("-")
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "M":
        return 3 + sum(len(name.encode()) + size_of(member) + 1 for name, member in inner.items())
    if kind == "L":
        return 3 + sum(size_of(member) + 1 for member in inner)
    if kind == "B":
        return len(b64decode(inner))
    return len(inner.encode())


def item_size(item: Mapping[str, object]) -> int:
    """Bytes of an item with plain values."""
    return sum(len(name.encode()) + size_of(serialize(value)) for name, value in item.items())
