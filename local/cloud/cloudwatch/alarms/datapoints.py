"""The points that an alarm is about: of a metric, of metric math, against a number or an anomaly detection band.

AWS: PutMetricAlarm (AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html). The periods end now, as on AWS,
which looks once a minute where we look once a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local.cloud.cloudwatch.alarms.state import Point
from local.cloud.cloudwatch.math.evaluation import names_of
from local.cloud.cloudwatch.math.values import MathError, TimeSeries, lines_of
from local.cloud.cloudwatch.metric_queries import MetricQueries, key_of, queries_of
from local.cloud.cloudwatch.metrics import store
from local.cloud.cloudwatch.metrics.statistics import Window

MOST_METRICS: Final = 10
Alarm = Mapping[str, Any]


def points_of(alarm: Alarm, now: float) -> list[Point]:
    """EvaluationPeriods points, oldest first. Raises MathError and UnknownStatistic."""
    asked = _queries(alarm)
    period = _period(asked)
    end = int(now) + 1
    queries = queries_of(asked, Window(end - period * int(alarm["EvaluationPeriods"]), end, anchor=end))
    values = _line(queries, _watched(alarm, asked))
    if (band := alarm.get("ThresholdMetricId")) is None:
        low = high = dict.fromkeys(queries.window.starts(period), float(alarm["Threshold"]))
    else:
        low, high = (dict(line.points) for line in lines_of(queries.query(band) or []))
    return [Point(at, values.points.get(at), low.get(at), high.get(at)) for at in queries.window.starts(period)]


def too_few_samples(alarm: Alarm, now: float) -> bool:
    """Whether an alarm on a percentile wants to be left alone because of them."""
    if alarm.get("EvaluateLowSampleCountPercentile") != "ignore" or "ExtendedStatistic" not in alarm:
        return False
    share = float(alarm["ExtendedStatistic"][1:]) / 100
    end = int(now) + 1
    start = end - int(alarm["Period"]) * int(alarm["EvaluationPeriods"])
    count = sum(store.read(key_of(alarm), start, end).values())
    return count < 10 / max(min(share, 1 - share), 1e-9)


def check(alarm: Alarm) -> None:
    """Raises MathError for metric math that AWS refuses in an alarm."""
    asked = alarm.get("Metrics") or []
    if sum("MetricStat" in query for query in asked) > MOST_METRICS:
        raise MathError(f"an alarm may have {MOST_METRICS} metrics")
    known = {query["Id"] for query in asked}
    for query in asked:
        functions, names = names_of(query["Expression"]) if "Expression" in query else (set(), set())
        if "SEARCH" in functions:
            raise MathError("SEARCH is not allowed in an alarm")
        if names - known:
            raise MathError(f"{query['Expression']!r} names {', '.join(sorted(names - known))}, which is no query")
    if asked:
        _watched(alarm, asked)


def _queries(alarm: Alarm) -> list[Mapping[str, Any]]:
    if alarm.get("Metrics"):
        return list(alarm["Metrics"])
    asked = {
        "Metric": {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")},
        "Period": alarm["Period"],
        "Stat": alarm.get("ExtendedStatistic") or alarm["Statistic"],
        "Unit": alarm.get("Unit"),
    }
    return [{"Id": "metric", "MetricStat": asked}]


def _watched(alarm: Alarm, asked: list[Mapping[str, Any]]) -> str:
    band = alarm.get("ThresholdMetricId")
    returned = [query["Id"] for query in asked if query.get("ReturnData", True) and query["Id"] != band]
    if len(returned) != 1:
        raise MathError(f"exactly one query must return data, not {len(returned)}")
    return str(returned[0])


def _period(asked: list[Mapping[str, Any]]) -> int:
    periods = (query.get("MetricStat", query).get("Period") for query in asked)
    return int(next((period for period in periods if period is not None), 60))


def _line(queries: MetricQueries, identifier: str) -> TimeSeries:
    lines = lines_of(queries.query(identifier) or [])
    if len(lines) != 1:
        raise MathError(f"an alarm is about one time series, {identifier} gives {len(lines)}")
    return lines[0]
