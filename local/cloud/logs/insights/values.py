"""Values of a Logs Insights query: how they compare, sort and look."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

Value = Any
"""A member of a JSON event or a computed value; None where an event lacks the field."""

NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?")


class Time(int):
    """Epoch milliseconds, which results show as `2026-11-23 14:58:50.000` in UTC."""


def text(value: Value) -> str:
    """The value as results show it: booleans as 1 and 0, numbers without an exponent."""
    if isinstance(value, Time):
        second = datetime.datetime.fromtimestamp(value // 1000, datetime.UTC)
        return f"{second:%Y-%m-%d %H:%M:%S}.{value % 1000:03d}"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return str(int(value)) if isinstance(value, bool) else str(value)


def number(value: Value) -> int | float | None:
    """The value as a number, if it is one or text that looks like one; else None."""
    if isinstance(value, str):
        return (float(value) if "." in value else int(value)) if NUMBER.fullmatch(value) else None
    return value if isinstance(value, int | float) else None


def compare(operation: Callable[[Any, Any], bool], left: Value, right: Value) -> bool:
    """Compares as numbers if one side is a number and the other looks like one, else as text. False without a value."""
    if left is None or right is None:
        return False
    numbers = number(left), number(right)
    if None in numbers or (isinstance(left, str) and isinstance(right, str)):
        return operation(text(left), text(right))
    return operation(*numbers)


def sort_key(value: Value) -> tuple[bool, Any]:
    """Ascending: text before numbers."""
    as_number = number(value)
    return (False, text(value)) if as_number is None else (True, as_number)
