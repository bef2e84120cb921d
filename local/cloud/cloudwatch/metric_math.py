"""Metric math: the expressions of the alarms and the dashboard, and nothing else.

AWS: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html (a result has a data point where all
operands have one) and docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html.
ANOMALY_DETECTION_BAND is mean ± k standard deviations of the values before each period; AWS trains a model.
"""

from __future__ import annotations

import ast
import math
import re
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol


class MathError(ValueError):
    """An expression that cannot be evaluated. The text says why."""


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """points: values by the start of their period, in epoch seconds. dimensions: of a metric that a search found."""

    label: str
    points: Mapping[int, float]
    dimensions: Mapping[str, str] = field(default_factory=dict)


Value = float | TimeSeries | list[TimeSeries]


class Metrics(Protocol):
    """The data that an expression is evaluated on."""

    def value(self, query_id: str) -> Value:
        """Result of another query of the request."""

    def history(self, query_id: str) -> tuple[TimeSeries, range]:
        """Result of a query with two more weeks before the request's start, and the starts of the request's periods."""

    def search(self, namespace: str, dimensions: list[str], fixed: dict[str, str], stat: str, period: int) -> Value:
        """Metrics of a namespace with exactly these dimensions. fixed: MetricName and values of dimensions."""


OPERATORS: Final[dict[type[ast.AST], Callable[[float, float], float]]] = {
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right if right else math.nan,
    ast.GtE: lambda left, right: float(left >= right),
}
SEARCH: Final = re.compile(r'\{(?P<schema>[^{}"]+)\}(?P<fixed>( \w+="[^"]*")*)')
LEAST_HISTORY: Final = 3
"""Fewer values have no anomaly detection band."""


def evaluate(expression: str, metrics: Metrics) -> Value:
    """The value of an expression, which happens to have Python's syntax. Raises MathError."""
    try:
        return _value(ast.parse(expression, mode="eval").body, metrics)
    except SyntaxError as error:
        raise MathError(f"metric math {expression!r} cannot be parsed: {error}") from error


def _value(node: ast.expr, metrics: Metrics) -> Value:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=query_id):
            return metrics.value(query_id)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
            return _combine(OPERATORS[type(operator)], _value(left, metrics), _value(right, metrics))
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in OPERATORS:
            return _combine(OPERATORS[type(operator)], _value(left, metrics), _value(right, metrics))
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            return _if(*(_value(argument, metrics) for argument in (condition, then, otherwise)))
        case ast.Call(
            func=ast.Name(id="SEARCH"),
            args=[ast.Constant(str() as text), ast.Constant(str() as stat), ast.Constant(int() as period)],
        ):
            return _search(text, stat, period, metrics)
        case ast.Call(
            func=ast.Name(id="ANOMALY_DETECTION_BAND"),
            args=[ast.Name(id=query_id), ast.Constant(int() | float() as width)],
        ):
            return _anomaly_band(*metrics.history(query_id), width)
        case ast.Call(func=ast.Name(id="FIRST" | "LAST" as function), args=[argument]):
            series = _value(argument, metrics)
            if not isinstance(series, list):
                raise MathError(f"{function} takes an array of time series")
            return series[0 if function == "FIRST" else -1]
    raise MathError(f"metric math {ast.unparse(node)!r} is not implemented in {__name__}")


def _combine(operation: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """The operation on numbers, point by point on a series, series by series on a list."""
    if isinstance(left, list):
        return [_pointwise(operation, series, right, series) for series in left]
    if isinstance(left, TimeSeries):
        return _pointwise(operation, left, right, left)
    if isinstance(right, TimeSeries):
        return _pointwise(operation, left, right, right)
    raise MathError("neither operand of a metric math operator is a metric")


def _pointwise(operation: Callable[[float, float], float], left: Value, right: Value, series: TimeSeries) -> TimeSeries:
    results = {at: operation(_at(left, at), _at(right, at)) for at in series.points}
    return TimeSeries(series.label, {at: value for at, value in results.items() if math.isfinite(value)})


def _at(value: Value, at: int) -> float:
    """Value of a period, NaN without one. A number has the same value everywhere."""
    if isinstance(value, list):
        raise MathError("a search result cannot be the right operand or a branch of IF")
    return value.points.get(at, math.nan) if isinstance(value, TimeSeries) else value


def _if(condition: Value, then: Value, otherwise: Value) -> TimeSeries:
    if not isinstance(condition, TimeSeries):
        raise MathError("the condition of IF must be a time series")
    chosen = {at: _at(then if value else otherwise, at) for at, value in condition.points.items()}
    return TimeSeries(condition.label, {at: value for at, value in chosen.items() if math.isfinite(value)})


def _search(text: str, stat: str, period: int, metrics: Metrics) -> Value:
    match = SEARCH.fullmatch(text)
    if match is None:
        raise MathError(f'SEARCH {text!r} must be like {{Namespace,dimension}} MetricName="name" dimension="value"')
    namespace, *dimensions = match["schema"].split(",")
    return metrics.search(namespace, dimensions, dict(re.findall(r'(\w+)="([^"]*)"', match["fixed"])), stat, period)


def _anomaly_band(history: TimeSeries, starts: range, width: float) -> list[TimeSeries]:
    """Lower and upper bound of each period in `starts` that has enough values before it."""
    lower, upper = {}, {}
    for start in starts:
        past = [value for at, value in history.points.items() if at < start]
        if len(past) >= LEAST_HISTORY:
            mean, deviation = statistics.fmean(past), statistics.pstdev(past)
            lower[start], upper[start] = mean - width * deviation, mean + width * deviation
    return [TimeSeries("lower", lower), TimeSeries("upper", upper)]
