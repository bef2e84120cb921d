"""MetricDataQueries: the graph of statistics and expressions that GetMetricData and alarms on metric math are made of.

AWS: MetricDataQuery (AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from local.cloud.cloudwatch.math import search
from local.cloud.cloudwatch.math.evaluation import evaluate
from local.cloud.cloudwatch.math.values import MathError, TimeSeries, Value
from local.cloud.cloudwatch.metrics import statistics, store
from local.cloud.cloudwatch.metrics.statistics import Window
from local.cloud.cloudwatch.metrics.store import SeriesKey

SEARCH_SECONDS: Final = 14 * 86_400
SEARCH_RESULTS: Final = 500


@dataclass(slots=True)
class MetricQueries:
    """The queries of one request over one window; each is computed once, and only if it is asked for."""

    queries: Mapping[str, Mapping[str, Any]]
    window: Window
    _known: dict[str, Value] = field(default_factory=dict)
    _busy: list[str] = field(default_factory=list)

    def query(self, identifier: str) -> Value | None:
        """The value of a query; None where there is none of that name. Raises MathError, for a circle too."""
        if identifier not in self.queries:
            return None
        if identifier in self._busy:
            raise MathError(f"the queries {' → '.join([*self._busy, identifier])} need each other")
        if identifier not in self._known:
            self._busy.append(identifier)
            self._known[identifier] = self._compute(self.queries[identifier])
            self._busy.pop()
        return self._known[identifier]

    def metrics(self, part: str) -> list[TimeSeries]:
        """Every metric of the request whose identifier has `part` in it."""
        wanted = (name for name, query in self.queries.items() if "MetricStat" in query and part in name)
        return [line for name in wanted if isinstance(line := self.query(name), TimeSeries)]

    def search(self, expression: str, statistic: str, period: int) -> list[TimeSeries]:
        """Every metric that matches and had a value in the last two weeks."""
        since = int(time.time()) - SEARCH_SECONDS
        found = store.keys(search.parse(expression), since)[:SEARCH_RESULTS]
        shared = set.intersection(*(_texts(key) for key in found)) if found else set()
        return [replace(line_of(key, statistic, period, self.window), label=_label(key, shared)) for key in found]

    def with_history(self) -> MetricQueries:
        """The same over all that was recorded up to the window's end."""
        start = min(store.earliest(self.window.start), self.window.start)
        return MetricQueries(self.queries, replace(self.window, start=start))

    def _compute(self, query: Mapping[str, Any]) -> Value:
        if "Expression" in query:
            return evaluate(query["Expression"], self)
        asked = query["MetricStat"]
        key = key_of(asked["Metric"])
        return line_of(key, asked["Stat"], int(asked["Period"]), self.window, asked.get("Unit"))


def queries_of(queries: Sequence[Mapping[str, Any]], window: Window) -> MetricQueries:
    """The queries of a request or of an alarm. Numbers that become time series take the period of the first metric."""
    periods = (int(each["MetricStat"]["Period"]) for each in queries if "MetricStat" in each)
    return MetricQueries({each["Id"]: each for each in queries}, replace(window, period=next(periods, window.period)))


def key_of(metric: Mapping[str, Any]) -> SeriesKey:
    """The key of a Metric as requests have it."""
    dimensions = metric.get("Dimensions") or []
    return store.key_of(
        metric["Namespace"], metric["MetricName"], [(each["Name"], each["Value"]) for each in dimensions]
    )


def line_of(key: SeriesKey, statistic: str, period: int, window: Window, unit: str | None = None) -> TimeSeries:
    """A statistic of a metric, a point for each period that has values. Raises UnknownStatistic."""
    statistics.check(statistic)
    points = {}
    for start in window.starts(period):
        value = statistics.statistic(store.read(key, start, start + period, unit), statistic)
        if value is not None:
            points[start] = value
    properties = {"MetricName": key.name, "Namespace": key.namespace, "Stat": statistic, "Period": str(period)}
    properties |= {f"Dim.{name}": value for name, value in key.dimensions}
    return TimeSeries(points, period, key.name, properties)


def _texts(key: SeriesKey) -> set[str]:
    return {key.name, *(value for _, value in key.dimensions)}


def _label(key: SeriesKey, shared: set[str]) -> str:
    """What tells a found metric from the others: the parts that not all of them have."""
    own = [text for text in (*(value for _, value in key.dimensions), key.name) if text not in shared]
    return " ".join(own) or key.name
