"""Where CloudWatch keeps what it was told: every value by its second, in series that are found by their key.

AWS: "Metrics concepts" (AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html): a metric is a namespace, a name
and an exact set of dimensions. Values are kept per second, the finest resolution there is, and never averaged, so that
percentiles are exact. MiniStack walks every point it has for every question.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch

RETENTION_SECONDS: Final = 15 * 86_400
KEPT_SECONDS: Final = 50_000
"""Seconds with values that one series keeps: the oldest go first."""

Dimensions = tuple[tuple[str, str], ...]
Scope = tuple[str, str]


class Sample(NamedTuple):
    """One published value (all three are it), or a statistic set, of which no more than this is known."""

    mean: float
    low: float
    high: float


Samples = Mapping[Sample, float]
"""Samples and how many times each was published."""


class SeriesKey(NamedTuple):
    """What makes a metric; dimensions in order of their names."""

    namespace: str
    name: str
    dimensions: Dimensions


@dataclass(slots=True)
class MetricSeries:
    """All values of one metric."""

    key: SeriesKey
    unit: str = "None"
    seconds: dict[int, dict[Sample, float]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)

    def add(self, second: int, sample: Sample, count: float) -> None:
        """Count one sample."""
        if second not in self.seconds:
            insort(self.order, second)
            self.seconds[second] = {}
            if len(self.order) > KEPT_SECONDS:
                del self.seconds[self.order.pop(0)]
        at = self.seconds[second]
        at[sample] = at.get(sample, 0.0) + count

    def between(self, start: int, end: int) -> Samples:
        """Samples of the seconds from `start` up to, but without, `end`."""
        merged: dict[Sample, float] = {}
        for second in self.order[bisect_left(self.order, start) : bisect_left(self.order, end)]:
            for sample, count in self.seconds[second].items():
                merged[sample] = merged.get(sample, 0.0) + count
        return merged

    def grow_older(self, by: int, oldest: int) -> None:
        """Move every value into the past; what is before `oldest` is forgotten."""
        self.seconds = {second - by: at for second, at in self.seconds.items() if second - by >= oldest}
        self.order = sorted(self.seconds)


_lock = threading.RLock()
_stores: dict[Scope, dict[SeriesKey, MetricSeries]] = {}
_reset = cloudwatch.reset


def apply() -> None:
    """Take the place of MiniStack's store, for what other services record and for its reset."""
    cloudwatch.record_metric = record
    cloudwatch.reset = reset
    cloudwatch._evict_old_metrics = _nothing_to_evict


def record(
    namespace: str, metric_name: str, value: float, unit: str = "None", dimensions: Mapping[str, str] | None = None
) -> None:
    """One value, now, in the account and region of this task: how services publish their own metrics."""
    put(key_of(namespace, metric_name, (dimensions or {}).items()), time.time(), {single(value): 1.0}, unit)


def put(key: SeriesKey, at: float, samples: Samples, unit: str) -> None:
    """Add samples at a time (epoch seconds)."""
    put_all(at, [(key, samples, unit)])


def put_all(at: float, entries: Iterable[tuple[SeriesKey, Samples, str]]) -> None:
    """Add samples of several metrics, with their units, at one time."""
    second = int(at)
    with _lock:
        store = _stores.setdefault((get_account_id(), get_region()), {})
        for key, samples, unit in entries:
            series = store.get(key)
            if series is None:
                series = store[key] = MetricSeries(key)
            series.unit = unit
            for sample, count in samples.items():
                series.add(second, sample, count)


def single(value: float) -> Sample:
    """One plain value."""
    number = float(value)
    return Sample(number, number, number)


def key_of(namespace: str, name: str, dimensions: Iterable[tuple[str, str]]) -> SeriesKey:
    """The key, in whatever order the dimensions come."""
    return SeriesKey(namespace, name, tuple(sorted(dimensions)))


def read(key: SeriesKey, start: int, end: int, unit: str | None = None) -> Samples:
    """Samples of `[start, end)`; none where the metric is not known, or is published in another unit than asked."""
    with _lock:
        series = _stores.get((get_account_id(), get_region()), {}).get(key)
        return {} if series is None or unit not in (None, series.unit) else series.between(start, end)


def unit_of(key: SeriesKey) -> str:
    """The unit last published."""
    with _lock:
        series = _stores.get((get_account_id(), get_region()), {}).get(key)
        return "None" if series is None else series.unit


def earliest(default: int) -> int:
    """The first second anything is known of."""
    with _lock:
        series = _stores.get((get_account_id(), get_region()), {}).values()
        return min((each.order[0] for each in series if each.order), default=default)


def keys(matching: Callable[[SeriesKey], bool], since: int = 0) -> list[SeriesKey]:
    """Metrics with a value at or after `since`, in order."""
    with _lock:
        store = _stores.get((get_account_id(), get_region()), {})
        live = (key for key, series in store.items() if series.order and series.order[-1] >= since)
        return sorted(key for key in live if matching(key))


def grow_older(seconds: int) -> None:
    """Move the past of every account and region back by so much."""
    oldest = int(time.time()) - RETENTION_SECONDS
    with _lock:
        for store in _stores.values():
            for series in store.values():
                series.grow_older(seconds, oldest)


def reset() -> None:
    """Forget everything, as MiniStack's own reset does."""
    _reset()
    with _lock:
        _stores.clear()


def _nothing_to_evict(*_: Any) -> None:
    """MiniStack walks all of its points on each request; series here are bounded as they grow."""
