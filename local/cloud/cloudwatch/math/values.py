"""What metric math computes with: numbers, texts, time series and lists of time series.

AWS: "Using math expressions with CloudWatch metrics" (AmazonCloudWatch/latest/monitoring/using-metric-math.html).
Between two time series a result exists where both have a point; what is no finite number is no point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final


class MathError(ValueError):
    """An expression that CloudWatch would refuse; the text says why."""


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """One time series: values by the second their period begins."""

    points: Mapping[int, float]
    period: int
    label: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)

    def with_points(self, points: Mapping[int, float]) -> TimeSeries:
        """The same with other values."""
        return replace(self, points=points)


Value = float | str | TimeSeries | list[TimeSeries]
Binary = Callable[[float, float], float]


def _divide(left: float, right: float) -> float:
    return left / right if right else math.nan


def _modulo(left: float, right: float) -> float:
    return math.fmod(left, right) if right else math.nan


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except (ValueError, OverflowError):
        return math.nan


OPERATORS: Final[dict[str, Binary]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
    "%": _modulo,
    "^": _power,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<": lambda left, right: float(left < right),
    "<=": lambda left, right: float(left <= right),
    ">": lambda left, right: float(left > right),
    ">=": lambda left, right: float(left >= right),
    "AND": lambda left, right: float(bool(left) and bool(right)),
    "OR": lambda left, right: float(bool(left) or bool(right)),
}


def combine(operation: Binary, left: Value, right: Value) -> Value:
    """The operation on numbers, point by point on series, series by series on lists."""
    if isinstance(left, list):
        return [_pointwise(operation, each, _single(right), each) for each in left]
    if isinstance(right, list):
        return [_pointwise(operation, _single(left), each, each) for each in right]
    first, second = _single(left), _single(right)
    if isinstance(first, TimeSeries):
        return _pointwise(operation, first, second, first)
    if isinstance(second, TimeSeries):
        return _pointwise(operation, first, second, second)
    return operation(first, second)


def _single(value: Value) -> float | TimeSeries:
    if isinstance(value, str):
        raise MathError(f"the text {value!r} cannot be computed with")
    if isinstance(value, list):
        raise MathError("two lists of time series cannot be combined; aggregate one of them, with SUM for example")
    return value


def _pointwise(operation: Binary, left: float | TimeSeries, right: float | TimeSeries, model: TimeSeries) -> TimeSeries:
    points = {}
    for at in model.points:
        first, second = at_point(left, at), at_point(right, at)
        if first is not None and second is not None:
            points[at] = operation(first, second)
    return model.with_points(finite(points))


def at_point(value: float | TimeSeries, at: int) -> float | None:
    """A number is the same everywhere; a series has a value where it has one."""
    return value.points.get(at) if isinstance(value, TimeSeries) else value


def finite(points: Mapping[int, float]) -> dict[int, float]:
    """The points that are numbers."""
    return {at: value for at, value in points.items() if math.isfinite(value)}


def lines_of(value: Value) -> list[TimeSeries]:
    """The series of a value, which must be one or several."""
    if isinstance(value, TimeSeries):
        return [value]
    if isinstance(value, list):
        return value
    raise MathError("a time series is wanted; make one of a number with TIME_SERIES(number)")


def number_of(value: Value) -> float:
    """The number, which the value must be."""
    if isinstance(value, int | float):
        return value
    raise MathError("a number is wanted")


def text_of(value: Value) -> str:
    """The text, which the value must be."""
    if isinstance(value, str):
        return value
    raise MathError("a text in quotes is wanted")
