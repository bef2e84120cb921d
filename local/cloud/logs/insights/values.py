"""Values of a Logs Insights query: text, numbers, times; how they compare, sort and look.

AWS: "sort" and "Supported logs and discovered fields" (AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Sort.html,
CWL_AnalyzeLogData-discoverable-fields.html).
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

Value = str | int | float | bool | None
"""None is the value of a field that an event does not have."""

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
CHUNK: Final = re.compile(r"\d+|\D+")


class Time(int):
    """Epoch milliseconds that are shown as `2026-11-23 14:58:50.000`, UTC."""


def text(value: Value) -> str:
    """As results show it: booleans as 1 and 0, numbers without an exponent."""
    if isinstance(value, Time):
        moment = datetime.datetime.fromtimestamp(value // 1000, datetime.UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{value % 1000:03d}"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 2**63
        return str(int(value)) if whole else format(Decimal(repr(value)), "f")
    return "" if value is None else str(value)


def number(value: Value) -> int | float | None:
    """The value as a number, text that looks like one included; else None."""
    if isinstance(value, str):
        if not NUMBER.fullmatch(value):
            return None
        return int(value) if value.lstrip("+-").isdecimal() else float(value)
    return value


def compare(left: Value, sign: str, right: Value) -> bool:
    """`=`, `!=`, `<`, `<=`, `>`, `>=`: of numbers where both are, else of texts; false where a side has no value."""
    if left is None or right is None:
        return False
    a: Any
    b: Any
    a, b = number(left), number(right)
    if a is None or b is None:
        # A boolean of a JSON document compares with its JSON name too.
        a, b = (str(side).lower() if isinstance(side, bool) else text(side) for side in (left, right))
    elif isinstance(left, str) and isinstance(right, str) and sign in ("=", "!="):
        a, b = left, right
    outcomes: dict[str, bool] = {"=": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
    return outcomes[sign]


def sort_key(value: Value) -> tuple[Any, ...]:
    """Ascending: texts before numbers; digits within texts by length, then by value."""
    as_number = number(value)
    if as_number is not None:
        return (1, as_number)
    chunks = CHUNK.findall(text(value))
    return (0, [("0", len(chunk), chunk) if chunk.isdecimal() else (chunk, 0, "") for chunk in chunks])


def discovered(message: str) -> dict[str, Value]:
    """Fields of a JSON event by dotted name; `{}` for other events. AWS stops at 200 of them, this does not."""
    if not message.lstrip().startswith("{"):
        return {}
    try:
        document = json.loads(message)
    except ValueError:
        return {}
    fields: dict[str, Value] = {}
    _flatten(document.items(), "", fields)
    return fields


def _flatten(members: Iterable[tuple[Any, Any]], prefix: str, into: dict[str, Value]) -> None:
    for name, member in members:
        if isinstance(member, dict):
            _flatten(member.items(), f"{prefix}{name}.", into)
        elif isinstance(member, list):
            _flatten(enumerate(member), f"{prefix}{name}.", into)
        elif member is not None:
            into[f"{prefix}{name}"] = member
