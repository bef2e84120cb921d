"""Functions of the Logs Insights language.

AWS: "Boolean, comparison, numeric, datetime, and other functions" and "stats"
(AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html, CWL_QuerySyntax-Stats.html).
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Sequence
from typing import Final

from local.cloud.logs.insights.values import Time, Value, number, sort_key, text

Function = Callable[..., Value]

SPANS: Final = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86_400_000),
}
"""Milliseconds by unit. AWS's months, quarters and years are not here."""

SPAN: Final = re.compile(r"(\d+)([A-Za-z]+)")


def span(written: str) -> int | None:
    """Milliseconds of `5m`; None where it is no span."""
    match = SPAN.fullmatch(written)
    unit = SPANS.get(match[2]) if match else None
    return None if match is None or unit is None else int(match[1]) * unit or None


def floor_time(time: Value, milliseconds: int) -> Value:
    """`bin` and `datefloor`: the beginning of the span that the time is in."""
    moment = number(time)
    return None if moment is None else Time(int(moment) // milliseconds * milliseconds)


def arithmetic(left: Value, sign: str, right: Value) -> Value:
    """`+ - * / % ^`; no value where an operand is no number, or by zero. Integers stay exact where they can."""
    a, b = number(left), number(right)
    if a is None or b is None or (sign in "/%" and b == 0):
        return None
    operations: dict[str, Callable[[], int | float]] = {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: a / b,
        "%": lambda: math.fmod(a, b),
        "^": lambda: math.pow(a, b),
    }
    return operations[sign]()


def _of_numbers(function: Function) -> Function:
    def applied(*values: Value) -> Value:
        numbers = [number(value) for value in values]
        return None if None in numbers else function(*numbers)

    return applied


def _of_texts(function: Callable[..., Value]) -> Function:
    def applied(*values: Value) -> Value:
        return None if None in values else function(*(text(value) for value in values))

    return applied


def _substring(value: str, start: str, length: str | None = None) -> str:
    begin = int(start)
    return value[begin:] if length is None else value[begin : begin + int(length)]


def _to_time(value: Value) -> Value:
    milliseconds = number(value)
    return None if milliseconds is None else Time(int(milliseconds))


def _to_milliseconds(value: Value) -> Value:
    return None if value is None else number(int(value) if isinstance(value, Time) else value)


SCALARS: Final[dict[str, tuple[int, int, Function]]] = {
    "abs": (1, 1, _of_numbers(abs)),
    "ceil": (1, 1, _of_numbers(math.ceil)),
    "floor": (1, 1, _of_numbers(math.floor)),
    "greatest": (1, 99, _of_numbers(max)),
    "least": (1, 99, _of_numbers(min)),
    "log": (1, 1, _of_numbers(lambda value: math.log(value) if value > 0 else None)),
    "round": (1, 1, _of_numbers(lambda value: math.floor(value + 0.5))),
    "sqrt": (1, 1, _of_numbers(lambda value: math.sqrt(value) if value >= 0 else None)),
    "coalesce": (1, 99, lambda *values: next((value for value in values if value is not None), None)),
    "ispresent": (1, 1, lambda value: value is not None),
    "isempty": (1, 1, lambda value: value is None or text(value) == ""),
    "isblank": (1, 1, lambda value: value is None or text(value).strip() == ""),
    "concat": (1, 99, lambda *values: "".join(text(value) for value in values)),
    "trim": (1, 1, _of_texts(str.strip)),
    "ltrim": (1, 1, _of_texts(str.lstrip)),
    "rtrim": (1, 1, _of_texts(str.rstrip)),
    "strlen": (1, 1, _of_texts(len)),
    "strcontains": (2, 2, _of_texts(lambda value, part: int(part in value))),
    "replace": (3, 3, _of_texts(str.replace)),
    "substr": (2, 3, _of_texts(_substring)),
    **dict.fromkeys(("lower", "tolower"), (1, 1, _of_texts(str.lower))),
    **dict.fromkeys(("upper", "toupper"), (1, 1, _of_texts(str.upper))),
    "frommillis": (1, 1, _to_time),
    "tomillis": (1, 1, _to_milliseconds),
}
"""By lower-case name: fewest and most arguments, and the function."""


def _numbers(values: Sequence[Value]) -> list[int | float]:
    return [found for value in values if (found := number(value)) is not None]


def _percentile(values: Sequence[Value], percent: Value) -> Value:
    numbers, share = sorted(_numbers(values)), number(percent)
    if not numbers or share is None:
        return None
    return numbers[max(0, math.ceil(share / 100 * len(numbers)) - 1)]


def _extreme(values: Sequence[Value], pick: Callable[..., Value]) -> Value:
    return pick(values, key=sort_key) if values else None


AGGREGATES: Final[dict[str, Callable[[Sequence[Value]], Value]]] = {
    "count": len,
    "count_distinct": lambda values: len({text(value) for value in values}),
    "sum": lambda values: sum(_numbers(values)) if _numbers(values) else None,
    "avg": lambda values: statistics.fmean(_numbers(values)) if _numbers(values) else None,
    "stddev": lambda values: statistics.pstdev(_numbers(values)) if _numbers(values) else None,
    "median": lambda values: statistics.median(_numbers(values)) if _numbers(values) else None,
    "min": lambda values: _extreme(values, min),
    "max": lambda values: _extreme(values, max),
    "sortsfirst": lambda values: _extreme(values, min),
    "sortslast": lambda values: _extreme(values, max),
    "earliest": lambda values: values[-1] if values else None,
    "latest": lambda values: values[0] if values else None,
}
"""By lower-case name, over the values of a group that are present, newest event first. A percentile is the nearest
rank, a deviation that of a population: AWS says neither."""

PERCENTILES: Final = {"pct": _percentile, "percentile": _percentile}
