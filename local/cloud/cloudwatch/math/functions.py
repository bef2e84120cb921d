"""The functions of metric math that our alarms and dashboards use, and their kin.

AWS: "Functions supported for metric math" (AmazonCloudWatch/latest/monitoring/using-metric-math.html).
ANOMALY_DETECTION_BAND is mean ± k standard deviations of what was recorded before each point, where AWS trains a model
that knows hours, weekdays and trends. Not known: INSIGHT_RULE_METRIC, LAMBDA, DB_PERF_INSIGHTS, EPOCH, DAY and such.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from local.cloud.cloudwatch.math.values import (
    MathError,
    TimeSeries,
    Value,
    at_point,
    combine,
    finite,
    lines_of,
    number_of,
    text_of,
)
from local.cloud.cloudwatch.metrics.statistics import Window

WORDS: Final = frozenset({"REPEAT", "LINEAR", "AVG", "MAX", "MIN", "SUM", "STDDEV", "ASC", "DESC"})
"""What stands without quotes as an argument and names no query."""

LEAST_HISTORY: Final = 3
"""Of fewer points there is no band."""

Aggregate = Callable[[Sequence[float]], float]
AGGREGATES: Final[dict[str, Aggregate]] = {
    "AVG": statistics.fmean,
    "MAX": max,
    "MIN": min,
    "SUM": math.fsum,
    "STDDEV": statistics.pstdev,
    "DATAPOINT_COUNT": lambda values: float(len(values)),
}


def _aggregating(aggregate: Aggregate) -> Callable[..., Value]:
    """Of one series a number, of several one series of what each point has."""

    def function(value: Value) -> Value:
        lines = lines_of(value)
        if isinstance(value, TimeSeries):
            return aggregate(list(value.points.values())) if value.points else math.nan
        times = sorted({at for line in lines for at in line.points})
        points = {at: aggregate([line.points[at] for line in lines if at in line.points]) for at in times}
        return TimeSeries(points, max((line.period for line in lines), default=60))

    return function


def _fill(window: Window, value: Value, filler: Value) -> Value:
    filled = [line.with_points(_filled(line, window, filler)) for line in lines_of(value)]
    return filled if isinstance(value, list) else filled[0]


def _filled(line: TimeSeries, window: Window, filler: Value) -> dict[int, float]:
    points: dict[int, float] = {}
    last: float | None = None
    for at in window.starts(line.period):
        last = line.points.get(at, last if filler == "REPEAT" else _filling(line, at, filler))
        if last is not None:
            points[at] = last
    return points


def _filling(line: TimeSeries, at: int, filler: Value) -> float | None:
    if filler == "LINEAR":
        return _between(line, at)
    if isinstance(filler, str | list):
        raise MathError("FILL takes a number, a time series, REPEAT or LINEAR to fill with")
    return at_point(filler, at)


def _between(line: TimeSeries, at: int) -> float | None:
    before = max((each for each in line.points if each < at), default=None)
    after = min((each for each in line.points if each > at), default=None)
    if before is None or after is None:
        return None
    share = (at - before) / (after - before)
    return line.points[before] + share * (line.points[after] - line.points[before])


def _if(condition: Value, then: Value, otherwise: Value = math.nan) -> Value:
    if isinstance(condition, TimeSeries):
        chosen = {}
        for at, value in condition.points.items():
            branch = _line_or_number(then if value else otherwise)
            found = at_point(branch, at)
            if found is not None:
                chosen[at] = found
        return condition.with_points(finite(chosen))
    return then if number_of(condition) else otherwise


def _line_or_number(value: Value) -> float | TimeSeries:
    if isinstance(value, str | list):
        raise MathError("IF chooses between numbers and time series")
    return value


def _steps(change: Callable[[float, int], float]) -> Callable[..., Value]:
    """A function of each point and the one before it."""

    def function(value: Value) -> Value:
        changed = []
        for line in lines_of(value):
            times = sorted(line.points)
            pairs = pairwise(times)
            points = {at: change(line.points[at] - line.points[before], at - before) for before, at in pairs}
            changed.append(line.with_points(points))
        return changed if isinstance(value, list) else changed[0]

    return function


def _each(change: Callable[[float], float]) -> Callable[..., Value]:
    """A function of each point."""

    def function(value: Value) -> Value:
        return combine(lambda point, _: change(point), value, 0.0)

    return function


def _running_sum(value: Value) -> Value:
    (line,) = lines_of(value)
    total, points = 0.0, {}
    for at in sorted(line.points):
        total += line.points[at]
        points[at] = total
    return line.with_points(points)


def _sort(value: Value, by: Value, order: Value = "ASC", limit: Value | None = None) -> Value:
    aggregate = AGGREGATES.get(text_of(by))
    if aggregate is None or order not in ("ASC", "DESC"):
        raise MathError("SORT takes time series, one of AVG, MAX, MIN, SUM, and ASC or DESC")
    full = [line for line in lines_of(value) if line.points]
    full.sort(key=lambda line: aggregate(list(line.points.values())), reverse=order == "DESC")
    return full if limit is None else full[: int(number_of(limit))]


def constant(window: Window, value: float) -> TimeSeries:
    """A number as a time series."""
    return TimeSeries(dict.fromkeys(window.starts(window.period), value), window.period)


def anomaly_band(line: TimeSeries, width: float, window: Window) -> list[TimeSeries]:
    """Lower and upper bound at each period of the window that has enough of a past; `line` has the past, too."""
    lower, upper = {}, {}
    past = sorted(line.points)
    count, mean, squares, seen = 0, 0.0, 0.0, 0
    for at in window.starts(line.period):
        # Welford's way: one pass, and no precision lost where values are as large as nano-USD.
        while seen < len(past) and past[seen] < at:
            value, count, seen = line.points[past[seen]], count + 1, seen + 1
            change = value - mean
            mean += change / count
            squares += change * (value - mean)
        if count >= LEAST_HISTORY:
            width_here = width * math.sqrt(squares / count)
            lower[at], upper[at] = mean - width_here, mean + width_here
    return [TimeSeries(lower, line.period, "lower"), TimeSeries(upper, line.period, "upper")]


def _nth(index: int) -> Callable[..., Value]:
    def function(value: Value) -> Value:
        lines = lines_of(value)
        return lines[index] if lines else []

    return function


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    **{name: _aggregating(aggregate) for name, aggregate in AGGREGATES.items()},
    "ABS": _each(abs),
    "CEIL": _each(math.ceil),
    "FLOOR": _each(math.floor),
    "NEGATE": _each(lambda point: -point),
    "NOT": _each(lambda point: float(not point)),
    "LOG10": _each(lambda point: math.log10(point) if point > 0 else math.nan),
    "DIFF": _steps(lambda change, _: change),
    "DIFF_TIME": _steps(lambda _, seconds: float(seconds)),
    "RATE": _steps(lambda change, seconds: change / seconds),
    "RUNNING_SUM": _running_sum,
    "IF": _if,
    "SORT": _sort,
    "FIRST": _nth(0),
    "LAST": _nth(-1),
    "PERIOD": lambda value: float(lines_of(value)[0].period),
    "REMOVE_EMPTY": lambda value: [line for line in lines_of(value) if line.points],
    "SLICE": lambda value, *bounds: lines_of(value)[slice(*(int(number_of(each)) for each in bounds))],
}
"""Functions of the values of their arguments."""

WINDOWED: Final[dict[str, Callable[..., Value]]] = {
    "FILL": _fill,
    "TIME_SERIES": lambda window, value: constant(window, number_of(value)),
}
"""Functions that take the window first."""
