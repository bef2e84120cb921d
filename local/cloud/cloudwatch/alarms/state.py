"""The state of an alarm from its points: thresholds, M out of N, missing data.

AWS: "Evaluating an alarm" and "Configuring how CloudWatch alarms treat missing data"
(AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html). One difference: where points are missing, AWS looks at
some more periods than EvaluationPeriods, it does not say how many; here exactly EvaluationPeriods are looked at.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

ALARM: Final = "ALARM"
OK: Final = "OK"
INSUFFICIENT: Final = "INSUFFICIENT_DATA"

Compare = Callable[[float, float, float], bool]
COMPARISONS: Final[dict[str, tuple[Compare, str]]] = {
    "GreaterThanOrEqualToThreshold": (lambda value, _, high: value >= high, "greater than or equal to"),
    "GreaterThanThreshold": (lambda value, _, high: value > high, "greater than"),
    "LessThanOrEqualToThreshold": (lambda value, low, _: value <= low, "less than or equal to"),
    "LessThanThreshold": (lambda value, low, _: value < low, "less than"),
    "GreaterThanUpperThreshold": (lambda value, _, high: value > high, "greater than the upper bound"),
    "LessThanLowerThreshold": (lambda value, low, _: value < low, "less than the lower bound"),
    "LessThanLowerOrGreaterThanUpperThreshold": (
        lambda value, low, high: not low <= value <= high,
        "outside the bounds",
    ),
}
"""Whether a value breaches, between a lower and an upper bound that are one for a plain threshold; and in words."""


@dataclass(frozen=True, slots=True)
class Point:
    """A period: when it begins, its value, and the bounds it is held against. None: missing."""

    at: int
    value: float | None
    low: float | None
    high: float | None

    def breaches(self, compare: Compare) -> bool | None:
        """None where there is no value, or no bound to hold it against."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return compare(self.value, self.low, self.high)


def state_of(breaches: Sequence[bool | None], needed: int, missing: str) -> str | None:
    """The state that N points (oldest first) mean, of which `needed` must breach; None: as it was."""
    if missing in FILLED:
        filled = [FILLED[missing] if each is None else each for each in breaches]
        return ALARM if filled.count(True) >= needed else OK
    if breaches.count(True) >= needed:
        return ALARM
    if False in breaches:
        return OK
    if None not in breaches:
        return OK
    if missing == "ignore":
        return None
    return _of_breaching_and_missing(breaches, needed)


FILLED: Final = {"breaching": True, "notBreaching": False}


def _of_breaching_and_missing(breaches: Sequence[bool | None], needed: int) -> str | None:
    """Too few breaching points, and nothing else, make an alarm once the oldest is as old as M periods."""
    if True not in breaches:
        return INSUFFICIENT
    return ALARM if len(breaches) - breaches.index(True) >= needed else None


def reason_of(state: str, points: Sequence[Point], operator: str, needed: int) -> str:
    """AWS's sentence about a state."""
    known = [point for point in points if point.value is not None]
    if state == INSUFFICIENT:
        return f"Insufficient Data: {_plural(len(points), 'datapoint')} {_were(len(points))} unknown."
    if not known:
        treated = "Breaching" if state == ALARM else "NonBreaching"
        count = len(points)
        return (
            f"Threshold Crossed: no datapoints were received for {_plural(count, 'period')} and "
            f"{_plural(count, 'missing datapoint')} {_were(count)} treated as [{treated}]."
        )
    compare, words = COMPARISONS[operator]
    crossing = [point for point in known if point.breaches(compare) is (state == ALARM)] or known
    values = ", ".join(f"{point.value} ({_time(point.at)})" for point in reversed(crossing))
    threshold = _bounds(crossing[-1])
    verb = _were(len(crossing)) + (" " if state == ALARM else " not ")
    change = "OK -> ALARM" if state == ALARM else "ALARM -> OK"
    least = needed if state == ALARM else len(points) - needed + 1
    return (
        f"Threshold Crossed: {len(crossing)} out of the last {len(points)} datapoints [{values}] "
        f"{verb}{words} the threshold ({threshold}) (minimum {_plural(least, 'datapoint')} for {change} transition)."
    )


def _bounds(point: Point) -> str:
    return f"{point.high}" if point.low == point.high else f"{point.low}, {point.high}"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _time(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%d/%m/%y %H:%M:%S")
