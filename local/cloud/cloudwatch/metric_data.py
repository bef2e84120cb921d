"""PutMetricData, ListMetrics, GetMetricStatistics and GetMetricData over every value that was published.

AWS: the operations of these names (AmazonCloudWatch/latest/APIReference). Periods begin with the StartTime, rounded
down to the minute (github.com/boto/boto3/issues/3457); a metric is found by exactly its dimensions; GetMetricData
answers latest first, with metric math. MiniStack mixes metrics when no dimension is asked for, has no expressions, and
answers oldest first. Not restored: Metrics Insights (SELECT), pages, MaxDatapoints, metrics of other accounts, rounding
by the age of the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ministack.services import cloudwatch

from local.cloud.cloudwatch.math import labels
from local.cloud.cloudwatch.math.values import MathError, TimeSeries, Value, lines_of
from local.cloud.cloudwatch.metric_queries import key_of, queries_of
from local.cloud.cloudwatch.metrics import statistics, store
from local.cloud.cloudwatch.metrics.statistics import UnknownStatistic, Window
from local.cloud.cloudwatch.metrics.store import Sample, SeriesKey

RECENT_SECONDS: Final = 3 * 3600
Operation = Callable[[Mapping[str, Any]], dict[str, Any]]


class RejectedRequest(ValueError):
    """A request that AWS refuses, and why."""


def apply() -> None:
    """Replace the four operations."""
    cloudwatch._put_metric_data = _answering(put_metric_data)
    cloudwatch._list_metrics = _answering(list_metrics)
    cloudwatch._get_metric_statistics = _answering(get_metric_statistics)
    cloudwatch._get_metric_data = _answering(get_metric_data)


def _answering(operation: Operation) -> Callable[..., Any]:
    """The operation with MiniStack's parameters and answers; forms arrive as JSON (see `alarms.handle_request`)."""

    def answer(_: Any, request: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        try:
            result = operation(request)
        except (RejectedRequest, MathError, UnknownStatistic) as error:
            return cloudwatch._error("ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor)
        return cloudwatch._cbor_ok(_stamped(result)) if is_cbor else cloudwatch._json_ok(result)

    return answer


def _stamped(value: Any) -> Any:
    """CBOR has a type for times."""
    if isinstance(value, list):
        return [_stamped(each) for each in value]
    if not isinstance(value, dict):
        return value
    stamped = {name: _stamped(each) for name, each in value.items()}
    if "Timestamp" in value:
        stamped["Timestamp"] = cloudwatch._cbor_timestamp(value["Timestamp"])
    if "Timestamps" in value:
        stamped["Timestamps"] = [cloudwatch._cbor_timestamp(each) for each in value["Timestamps"]]
    return stamped


def put_metric_data(request: Mapping[str, Any]) -> dict[str, Any]:
    """Values without a time are of now."""
    namespace = request.get("Namespace") or ""
    if not namespace:
        raise RejectedRequest("The parameter Namespace is required.")
    for datum in request.get("MetricData") or []:
        at = cloudwatch._parse_ts(datum.get("Timestamp"))
        key = key_of({"Namespace": namespace, **datum})
        store.put(key, time.time() if at is None else at, _samples(datum), datum.get("Unit") or "None")
    return {}


def _samples(datum: Mapping[str, Any]) -> store.Samples:
    if (published := datum.get("StatisticValues")) is not None:
        count = float(published["SampleCount"])
        if count <= 0:
            raise RejectedRequest(f"{datum['MetricName']}: SampleCount must be greater than 0, not {count:g}.")
        mean = float(published["Sum"]) / count
        return {Sample(mean, float(published["Minimum"]), float(published["Maximum"])): count}
    values = datum.get("Values") or [datum.get("Value")]
    if None in values:
        raise RejectedRequest(f"{datum['MetricName']}: Value, Values or StatisticValues is required.")
    counts = datum.get("Counts") or [1.0] * len(values)
    if len(counts) != len(values):
        raise RejectedRequest(
            f"{datum['MetricName']}: Values and Counts must be of one size, not {len(values)}, {len(counts)}."
        )
    samples: dict[Sample, float] = {}
    for value, count in zip(values, counts, strict=True):
        sample = store.single(value)
        samples[sample] = samples.get(sample, 0.0) + float(count)
    return samples


def list_metrics(request: Mapping[str, Any]) -> dict[str, Any]:
    """A metric is listed if it has each dimension asked for, whatever others it has."""
    wanted = [(each["Name"], each.get("Value")) for each in request.get("Dimensions") or []]

    def matches(key: SeriesKey) -> bool:
        return (
            request.get("Namespace") in (None, key.namespace)
            and request.get("MetricName") in (None, key.name)
            and all(_has(key, name, value) for name, value in wanted)
        )

    since = int(time.time()) - RECENT_SECONDS if request.get("RecentlyActive") else 0
    return {"Metrics": [_metric(key) for key in store.keys(matches, since)]}


def _has(key: SeriesKey, name: str, value: str | None) -> bool:
    return any(own == name and value in (None, text) for own, text in key.dimensions)


def _metric(key: SeriesKey) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in key.dimensions]
    return {"Namespace": key.namespace, "MetricName": key.name, "Dimensions": dimensions}


def get_metric_statistics(request: Mapping[str, Any]) -> dict[str, Any]:
    """One datapoint for each period with values, oldest first."""
    basic, extended = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    if not basic and not extended:
        raise RejectedRequest("Must specify either Statistics or ExtendedStatistics.")
    key, period = key_of(request), int(request["Period"])
    unit = store.unit_of(key)
    datapoints = []
    for start in _window(request).starts(period):
        samples = store.read(key, start, start + period, request.get("Unit"))
        if samples:
            percentiles = _statistics(samples, extended)
            datapoints.append(
                {"Timestamp": start, "Unit": unit}
                | _statistics(samples, basic)
                | ({"ExtendedStatistics": percentiles} if percentiles else {})
            )
    return {"Label": key.name, "Datapoints": datapoints}


def _statistics(samples: store.Samples, names: Iterable[str]) -> dict[str, float]:
    values = ((name, statistics.statistic(samples, name)) for name in names)
    return {name: value for name, value in values if value is not None}


def get_metric_data(request: Mapping[str, Any]) -> dict[str, Any]:
    """Statistics, searches and expressions; a query that finds several series gives a result for each."""
    asked = request.get("MetricDataQueries") or []
    queries = queries_of(asked, _window(request))
    latest_first = request.get("ScanBy") != "TimestampAscending"
    results = []
    for query in asked:
        value = queries.query(query["Id"])
        if query.get("ReturnData", True) is not False and value is not None:
            results += _results(query, value, latest_first)
    return {"MetricDataResults": results, "Messages": []}


def _results(query: Mapping[str, Any], value: Value, latest_first: bool) -> list[dict[str, Any]]:
    lines = lines_of(value)
    results = []
    for line in lines or [TimeSeries({}, 60)]:
        times = sorted(line.points, reverse=latest_first)
        results.append(
            {
                "Id": query["Id"],
                "Label": labels.label(query, line, several=isinstance(value, list)),
                "Timestamps": times,
                "Values": [line.points[at] for at in times],
                "StatusCode": "Complete",
            }
        )
    return results


def _window(request: Mapping[str, Any]) -> Window:
    start, end = (cloudwatch._parse_ts(request.get(name)) for name in ("StartTime", "EndTime"))
    if start is None or end is None or start >= end:
        raise RejectedRequest("The parameter StartTime must be less than the parameter EndTime.")
    # A period is answered whole if it begins before the end, also where the end lies within it.
    begin = int(start) // 60 * 60
    return Window(begin, int(end) + (end > int(end)), anchor=begin)
