"""Statistics of samples, and the periods that a span of time is cut into.

AWS: "CloudWatch statistics definitions" (AmazonCloudWatch/latest/monitoring/Statistics-definitions.html). Percentiles
are interpolated between the two nearest ranks. Trimmed means and the like (TM, WM, PR, TC, TS, IQM) are not known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from local.cloud.cloudwatch.metrics.store import Samples

PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


class UnknownStatistic(ValueError):
    """A statistic that is no basic one and no percentile."""


def statistic(samples: Samples, name: str) -> float | None:
    """The statistic; None of no samples, and a percentile of statistic sets or negative values is None, too.

    Raises UnknownStatistic.
    """
    check(name)
    if not samples:
        return None
    if name in BASIC:
        return BASIC[name](samples)
    if any(low != high or low < 0 for _, low, high in samples):
        return None
    return _percentile(samples, float(name[1:]))


def check(name: str) -> None:
    """Raises UnknownStatistic for a name that `statistic` does not know."""
    if name not in BASIC and not PERCENTILE.fullmatch(name):
        raise UnknownStatistic(
            f"The statistic {name!r} is not known here; known are {', '.join(BASIC)} and percentiles like p99."
        )


def _count(samples: Samples) -> float:
    return sum(samples.values())


def _sum(samples: Samples) -> float:
    return math.fsum(sample.mean * count for sample, count in samples.items())


def _average(samples: Samples) -> float:
    return _sum(samples) / _count(samples)


def _minimum(samples: Samples) -> float:
    return min(sample.low for sample in samples)


def _maximum(samples: Samples) -> float:
    return max(sample.high for sample in samples)


BASIC: Final[dict[str, Callable[[Samples], float]]] = {
    "SampleCount": _count,
    "Sum": _sum,
    "Average": _average,
    "Minimum": _minimum,
    "Maximum": _maximum,
}


def _percentile(samples: Samples, percent: float) -> float:
    ordered = sorted((sample.mean, count) for sample, count in samples.items())
    rank = percent / 100 * (_count(samples) - 1)
    low = _at(ordered, math.floor(rank))
    return low + (_at(ordered, math.ceil(rank)) - low) * (rank - math.floor(rank))


def _at(ordered: list[tuple[float, float]], index: int) -> float:
    seen = 0.0
    for value, count in ordered:
        seen += count
        if index < seen:
            return value
    return ordered[-1][0]


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds from `start` up to, but without, `end`. Periods begin where `anchor` is a multiple of them away.

    Queries have their periods aligned to their start, alarms to the moment of their evaluation. `period` is the one
    of what has none of its own, a number that becomes a time series.
    """

    start: int
    end: int
    anchor: int = 0
    period: int = 60

    def starts(self, period: int) -> range:
        """Where each period begins: the first is the one that `start` lies in."""
        return range(self.start - (self.start - self.anchor) % period, self.end, period)
