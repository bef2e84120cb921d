"""GetMetricData with metric math, over exactly the metrics that are asked for.

AWS: docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html. Periods begin at StartTime,
rounded down to the minute; a metric without dimensions is a metric of its own. MiniStack has no expressions, aligns
periods to the epoch, and mixes all metrics of a name.
Test: tests/e2e/test_cli_dashboard.py::test_every_widget_has_data
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ministack.services import cloudwatch

from local.cloud.cloudwatch.metric_math import MathError, TimeSeries, Value, evaluate

HISTORY_SECONDS: Final = 14 * 86_400
"""A multiple of every period that divides a day: older periods have the same grid."""
DIMENSION: Final = re.compile(r"\$\{PROP\('Dim\.(\w+)'\)\}")
STATISTICS: Final = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")


def apply() -> None:
    """Replace GetMetricData, and the deletion of old values.

    MiniStack rebuilds each metric's list of values at every request; a value that another thread adds in the meantime
    would be lost.
    """
    cloudwatch._get_metric_data = get_metric_data
    cloudwatch._evict_old_metrics = lambda: None


def get_metric_data(_: Any, request: Mapping[str, Any], *__: bool) -> Any:
    """GetMetricData in the JSON protocol: a query that finds several metrics has a result for each."""
    queries = request["MetricDataQueries"]
    start = int(cloudwatch._parse_ts(request["StartTime"])) // 60 * 60
    metrics = QueriedMetrics(queries, start, int(cloudwatch._parse_ts(request["EndTime"])))
    try:
        values = [(query, metrics.value(query["Id"])) for query in queries if query.get("ReturnData", True)]
    except MathError as error:
        return cloudwatch._error("ValidationError", str(error), 400, use_json=True)
    latest_first = request.get("ScanBy") != "TimestampAscending"
    results = [result for query, value in values for result in _results(query, value, latest_first)]
    return cloudwatch._json_ok({"MetricDataResults": results})


def _results(query: Mapping[str, Any], value: Value, latest_first: bool) -> Iterable[dict[str, Any]]:
    for series in [value] if isinstance(value, TimeSeries) else value if isinstance(value, list) else []:
        times = sorted(series.points, reverse=latest_first)
        yield {
            "Id": query["Id"],
            "Label": series.label,
            "Timestamps": times,
            "Values": [series.points[at] for at in times],
            "StatusCode": "Complete",
        }


def _labelled(value: Value, label: str) -> Value:
    """`value` with the label of its query. One without dynamic parts comes before the labels of an array's series.

    docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html
    """
    if not label or isinstance(value, float | int):
        return value
    if isinstance(value, TimeSeries):
        return replace(value, label=label)
    if DIMENSION.search(label) is None:
        return [replace(series, label=f"{label} {series.label}") for series in value]
    return [replace(series, label=_dynamic(label, series.dimensions)) for series in value]


def _dynamic(label: str, dimensions: Mapping[str, str]) -> str:
    return DIMENSION.sub(lambda match: dimensions.get(match[1], ""), label)


@dataclass(frozen=True, slots=True)
class QueriedMetrics:
    """The MetricDataQueries of a request or an alarm, from `start` up to but excluding `end`, in epoch seconds."""

    queries: Sequence[Mapping[str, Any]]
    start: int
    end: int

    @property
    def period(self) -> int:
        """Seconds of a period, which all metrics of an alarm share."""
        return next(int(query["MetricStat"]["Period"]) for query in self.queries if "MetricStat" in query)

    def value(self, query_id: str) -> Value:
        """Result of a query. Raises MathError."""
        query = next((query for query in self.queries if query["Id"] == query_id), None)
        if query is None:
            raise MathError(f"no query has the Id {query_id!r}")
        if "Expression" in query:
            return _labelled(evaluate(query["Expression"], self), query.get("Label", ""))
        statistic = query["MetricStat"]
        metric = statistic["Metric"]
        dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
        key = metric["Namespace"], metric["MetricName"], dimensions
        return _labelled(self._series(key, statistic["Stat"], int(statistic["Period"])), query.get("Label", ""))

    def history(self, query_id: str) -> tuple[TimeSeries, range]:
        """Result of a query on one metric with two more weeks before, and the starts of the request's periods."""
        value = replace(self, start=self.start - HISTORY_SECONDS).value(query_id)
        if not isinstance(value, TimeSeries):
            raise MathError(f"ANOMALY_DETECTION_BAND takes one metric, and {query_id!r} is something else")
        return value, range(self.start, self.end, self.period)

    def search(self, namespace: str, dimensions: list[str], fixed: dict[str, str], stat: str, period: int) -> Value:
        """Metrics with exactly these dimensions; the label has the values that are not fixed."""
        found = []
        for key, points in sorted(cloudwatch._metrics.items()):
            values = {**points[0]["Dimensions"], "MetricName": key[1]}
            matches = all(values.get(name) == value for name, value in fixed.items())
            if key[0] == namespace and sorted(points[0]["Dimensions"]) == sorted(dimensions) and matches:
                label = " ".join(value for name, value in values.items() if name not in fixed)
                found.append(replace(self._series(key, stat, period), label=label, dimensions=values))
        return found

    def _series(self, key: tuple[str, str, str], stat: str, period: int) -> TimeSeries:
        if stat not in STATISTICS and not cloudwatch._is_percentile_stat(stat):
            raise MathError(f"statistic {stat!r} must be one of {', '.join(STATISTICS)} or a percentile such as p99")
        by_period = defaultdict(list)
        for point in cloudwatch._metrics.get(key, ()):
            at = int(point["Timestamp"] - self.start) // period * period + self.start
            if self.start <= point["Timestamp"] and at < self.end:
                by_period[at].append(point)
        values = {
            at: cloudwatch._stat_value(cloudwatch._calc_stats(points), stat, points) for at, points in by_period.items()
        }
        return TimeSeries(key[1], values)
