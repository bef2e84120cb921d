"""Alarms on metrics and metric math: stored whole, and evaluated on a clock that can be moved.

AWS: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html (evaluation, M out of N datapoints,
missing data). MiniStack drops metric math, evaluates only when somebody calls PutMetricData, over the metrics of all
dimensions, and does not change the state when data stops. AWS evaluates every minute, this module every
EVALUATION_SECONDS.
Test: tests/e2e/test_alarms.py::test_alarm_starts_notifies_and_ends
"""

from __future__ import annotations

import asyncio
import logging
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from local.cloud.cloudwatch.metric_data import QueriedMetrics
from local.cloud.cloudwatch.metric_math import MathError, TimeSeries

EVALUATION_SECONDS: Final = 10
COMPARISONS: Final[dict[str, tuple[Callable[[float, float], bool], str]]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanUpperThreshold": (operator.gt, "greater than the upper bound"),
    "LessThanThreshold": (operator.lt, "less than"),
}
MISSING: Final = {"breaching": True, "notBreaching": False, "ignore": None}
"""Whether a period without data breaches; None: it is left out, and without any data the state stays."""

logger = logging.getLogger(__name__)
_put_metric_alarm = cloudwatch._put_metric_alarm


def apply() -> None:
    """Replace PutMetricAlarm; leave evaluation to `run` and `advance`."""
    cloudwatch._put_metric_alarm = put_metric_alarm
    cloudwatch._evaluate_alarm = lambda _: None


def put_metric_alarm(params: Any, request: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
    """PutMetricAlarm. Rejects what `evaluate` does not implement."""
    for field, accepted in (("ComparisonOperator", COMPARISONS), ("TreatMissingData", MISSING)):
        if request.get(field) not in accepted:
            message = f"{field} {request.get(field)} must be one of {', '.join(accepted)} in the embedded cloud"
            return cloudwatch._error("ValidationError", message, 400, use_json=is_json, use_cbor=is_cbor)
    answer = _put_metric_alarm(params, request, is_cbor, is_json)
    # MiniStack adds a statistic, a period and a threshold to alarms that have none, and drops metric math.
    alarm = cloudwatch._alarms[request["AlarmName"]]
    for field in ("Statistic", "ExtendedStatistic", "Period", "Threshold", "Metrics", "ThresholdMetricId"):
        alarm.pop(field, None)
        if field in request:
            alarm[field] = request[field]
    return answer


async def run() -> None:
    """Evaluate every alarm every EVALUATION_SECONDS, but those whose state has just changed or been set."""
    while True:
        await asyncio.sleep(EVALUATION_SECONDS)
        evaluate_all(time.time() - EVALUATION_SECONDS)


def advance(seconds: int) -> None:
    """Make all metric data `seconds` older, then evaluate every alarm.

    Moving the past keeps every caller's own clock right: later data needs no correction.
    """
    for _, points in cloudwatch._metrics.all_items():
        for point in points:
            point["Timestamp"] -= seconds
    evaluate_all(time.time())


def evaluate_all(updated_before: float) -> None:
    """Evaluate the alarms of every account and region whose state was last set before that epoch second."""
    for (account, region, name), alarm in cloudwatch._alarms.all_items():
        if alarm["StateUpdatedTimestamp"] <= updated_before:
            with request_scope(account, region):
                try:
                    evaluate(alarm)
                except (LookupError, TypeError, ValueError):
                    logger.exception("the alarm %s cannot be evaluated", name)


def evaluate(alarm: dict[str, Any]) -> None:
    """Bring an alarm into the state that its data points mean, and carry out its actions where that changes."""
    data = _datapoints(alarm)
    needed = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    missing = MISSING[alarm["TreatMissingData"]]
    breaches = [missing if point.breaching is None else point.breaching for point in data]
    if set(breaches) == {None}:
        return
    state, old = "ALARM" if breaches.count(True) >= needed else "OK", alarm["StateValue"]
    if state == old:
        return
    reason, now = _reason(alarm, data), int(time.time())
    alarm |= {"StateValue": state, "StateReason": reason}
    alarm |= {"StateUpdatedTimestamp": now, "StateTransitionedTimestamp": now}
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


@dataclass(frozen=True, slots=True)
class _Datapoint:
    """One evaluated period. breaching: None where there is no value or no threshold."""

    value: float | None
    threshold: float | None
    breaching: bool | None


def _datapoints(alarm: Mapping[str, Any]) -> list[_Datapoint]:
    """EvaluationPeriods data points, oldest first; the last period ends now."""
    metric = {
        "Metric": {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")},
        "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
        "Period": alarm.get("Period"),
    }
    queries: Sequence[Mapping[str, Any]] = alarm.get("Metrics") or [{"Id": "metric", "MetricStat": metric}]
    band_id, end = alarm.get("ThresholdMetricId"), int(time.time()) + 1
    period = QueriedMetrics(queries, 0, 0).period
    metrics = QueriedMetrics(queries, end - period * int(alarm["EvaluationPeriods"]), end)
    (watched,) = (query["Id"] for query in queries if query.get("ReturnData", True) and query["Id"] != band_id)
    values = metrics.value(watched)
    band = metrics.value(band_id) if band_id else None
    if not isinstance(values, TimeSeries):
        raise MathError(f"an alarm compares one time series, and {watched!r} is something else")
    compare, _ = COMPARISONS[alarm["ComparisonOperator"]]
    data = []
    for at in range(metrics.start, end, period):
        value = values.points.get(at)
        threshold = band[1].points.get(at) if isinstance(band, list) else float(alarm["Threshold"])
        breaching = None if value is None or threshold is None else compare(value, threshold)
        data.append(_Datapoint(value, threshold, breaching))
    return data


def _reason(alarm: Mapping[str, Any], data: Sequence[_Datapoint]) -> str:
    known = [point for point in data if point.breaching is not None]
    if not known:
        return f"Threshold Crossed: no datapoints were received, and missing ones are {alarm['TreatMissingData']}."
    _, words = COMPARISONS[alarm["ComparisonOperator"]]
    breaching = sum(point.breaching is True for point in known)
    values = ", ".join(str(point.value) for point in reversed(known))
    return (
        f"Threshold Crossed: {breaching} of the last {len(data)} datapoints [{values}] were {words} the threshold "
        f"({known[-1].threshold})."
    )
