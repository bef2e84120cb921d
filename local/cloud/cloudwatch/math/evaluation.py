"""Metric math from tree to value, in the context of the queries it names.

AWS: "Functions supported for metric math" (AmazonCloudWatch/latest/monitoring/using-metric-math.html).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from local.cloud.cloudwatch.math import functions
from local.cloud.cloudwatch.math.parser import Array, FunctionCall, Name, Node, Number, Text, parse
from local.cloud.cloudwatch.math.values import (
    OPERATORS,
    MathError,
    TimeSeries,
    Value,
    combine,
    lines_of,
    number_of,
    text_of,
)
from local.cloud.cloudwatch.metrics.statistics import Window


class EvaluationContext(Protocol):
    """What an expression is evaluated in."""

    @property
    def window(self) -> Window:
        """The span that points are asked of."""

    def query(self, identifier: str) -> Value | None:
        """What another query of the same request gives; None where there is no such query."""

    def metrics(self, part: str) -> list[TimeSeries]:
        """Every metric of the request whose identifier has `part` in it."""

    def search(self, expression: str, statistic: str, period: int) -> list[TimeSeries]:
        """Every metric that matches."""

    def with_history(self) -> EvaluationContext:
        """The same, over all that was recorded up to the window's end."""


def evaluate(expression: str, context: EvaluationContext) -> Value:
    """The value of an expression. Raises MathError."""
    return _value(parse(expression), context)


def names_of(expression: str) -> tuple[set[str], set[str]]:
    """The functions and the queries that an expression names. Raises MathError."""
    called: set[str] = set()
    names: set[str] = set()
    nodes = [parse(expression)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, FunctionCall):
            called.add(node.name)
            nodes += node.arguments
        elif isinstance(node, Array):
            nodes += node.items
        elif isinstance(node, Name):
            names.add(node.value)
    return called, names - functions.WORDS


def _value(node: Node, context: EvaluationContext) -> Value:
    if isinstance(node, Number | Text):
        return node.value
    if isinstance(node, Array):
        return [line for item in node.items for line in _as_lines(_value(item, context), context)]
    if isinstance(node, FunctionCall):
        return _call(node, context)
    return _name(node, context)


def _as_lines(value: Value, context: EvaluationContext) -> list[TimeSeries]:
    """Numbers may stand among the series of an array."""
    if isinstance(value, int | float):
        return [functions.constant(context.window, value)]
    return lines_of(value)


def _name(node: Name, context: EvaluationContext) -> Value:
    value = context.query(node.value)
    if value is not None:
        return value
    if node.value in functions.WORDS:
        return node.value
    raise MathError(f"there is no query with the Id {node.value!r}")


def _call(node: FunctionCall, context: EvaluationContext) -> Value:
    if node.name in SPECIAL:
        return SPECIAL[node.name](node, context)
    arguments = [_value(argument, context) for argument in node.arguments]
    if node.name in OPERATORS:
        return combine(OPERATORS[node.name], *arguments)
    if node.name in functions.WINDOWED:
        function = partial(functions.WINDOWED[node.name], context.window)
    elif node.name in functions.FUNCTIONS:
        function = partial(functions.FUNCTIONS[node.name])
    else:
        raise MathError(f"the function {node.name} is not known here")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise MathError(f"{node.name} does not take {len(arguments)} arguments") from error
    return function(*arguments)


def _metrics(node: FunctionCall, context: EvaluationContext) -> Value:
    parts = [text_of(_value(argument, context)) for argument in node.arguments]
    return context.metrics(parts[0] if parts else "")


def _search(node: FunctionCall, context: EvaluationContext) -> Value:
    arguments = [_value(argument, context) for argument in node.arguments]
    if len(arguments) not in (2, 3):
        raise MathError("SEARCH takes an expression, a statistic and a period")
    period = int(number_of(arguments[2])) if len(arguments) == 3 else 300
    return context.search(text_of(arguments[0]), text_of(arguments[1]), period)


def _anomaly_band(node: FunctionCall, context: EvaluationContext) -> Value:
    """Each period's band is of all periods before it, as far back as anything is recorded."""
    if len(node.arguments) not in (1, 2):
        raise MathError("ANOMALY_DETECTION_BAND takes a time series and a number of deviations")
    (line,) = lines_of(_value(node.arguments[0], context.with_history()))
    width = number_of(_value(node.arguments[1], context)) if len(node.arguments) == 2 else 2.0
    return functions.anomaly_band(line, width, context.window)


SPECIAL: Final[dict[str, Callable[[FunctionCall, EvaluationContext], Value]]] = {
    "ANOMALY_DETECTION_BAND": _anomaly_band,
    "METRICS": _metrics,
    "SEARCH": _search,
}
"""Functions that look beyond their arguments."""
