"""When alarms are evaluated: every second, and at once when the local clock is moved.

AWS evaluates every alarm every minute (AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html), MiniStack when
somebody calls PutMetricData. SetAlarmState holds until the next evaluation.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from typing import Any, Final

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from local.cloud.cloudwatch.alarms import datapoints
from local.cloud.cloudwatch.alarms.actions import stamp
from local.cloud.cloudwatch.alarms.state import COMPARISONS, Point, reason_of, state_of
from local.cloud.cloudwatch.metrics import store

INTERVAL_SECONDS: Final = 1.0
SHARE: Final = 0.1
"""Evaluation takes no more of the processor than this, however much there is to evaluate."""

logger = logging.getLogger(__name__)
_set_alarm_state = cloudwatch._set_alarm_state
_set_at: dict[str, float] = {}
_faults: dict[str, str] = {}


def apply() -> None:
    """Nothing but the clock evaluates; SetAlarmState is remembered."""
    cloudwatch._evaluate_alarm = _later
    cloudwatch._evaluate_all_alarms = _later
    cloudwatch._set_alarm_state = set_alarm_state


async def run() -> None:
    """Evaluate for ever."""
    while True:
        started = time.monotonic()
        evaluate_all()
        await asyncio.sleep(max(INTERVAL_SECONDS, (time.monotonic() - started) / SHARE))


def advance(seconds: int) -> None:
    """To CloudWatch so many seconds pass now: all that it knows grows older by them, then every alarm is evaluated.

    Moving the past instead of the present keeps every caller's own clock right: what is published or asked for
    afterwards needs no correction.
    """
    store.grow_older(seconds)
    _set_at.clear()
    evaluate_all()


def evaluate_all() -> None:
    """Evaluate the metric alarms of every account and region; composite ones follow their children."""
    now = time.time()
    for account, region, alarm in _alarms():
        with request_scope(account, region):
            if now - _set_at.get(alarm["AlarmArn"], 0.0) > INTERVAL_SECONDS:
                _evaluate_logging(alarm, now)


def set_alarm_state(params: Any, request: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
    """The state stays for a second even if the metric says otherwise, so that it can be seen."""
    answer = _set_alarm_state(params, request, is_cbor, is_json)
    if answer[0] < 400 and (alarm := cloudwatch._alarms.get(request["AlarmName"])):
        _set_at[alarm["AlarmArn"]] = time.time()
    return answer


def _alarms() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for (account, region, _), alarm in cloudwatch._alarms.all_items():
        yield account, region, alarm


def _evaluate_logging(alarm: dict[str, Any], now: float) -> None:
    """An alarm that cannot be evaluated must not keep the others from it, nor fill the log."""
    try:
        evaluate(alarm, now)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        if _faults.get(alarm["AlarmArn"]) != str(error):
            _faults[alarm["AlarmArn"]] = str(error)
            logger.exception("The alarm %s cannot be evaluated: %s", alarm["AlarmName"], error)


def evaluate(alarm: dict[str, Any], now: float) -> None:
    """Bring the alarm into the state that its points mean, with what follows from that."""
    if datapoints.too_few_samples(alarm, now):
        return
    points = datapoints.points_of(alarm, now)
    compare, _ = COMPARISONS[alarm["ComparisonOperator"]]
    needed = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    state = state_of([point.breaches(compare) for point in points], needed, _missing(alarm))
    if state is not None and state != alarm["StateValue"]:
        _change(alarm, state, points, needed, now)


def _missing(alarm: dict[str, Any]) -> str:
    """AWS/DynamoDB publishes only what went wrong, and its alarms ignore what is missing unless told otherwise."""
    default = "ignore" if alarm.get("Namespace") == "AWS/DynamoDB" else "missing"
    return str(alarm.get("TreatMissingData", default))


def _change(alarm: dict[str, Any], state: str, points: list[Point], needed: int, now: float) -> None:
    reason = reason_of(state, points, alarm["ComparisonOperator"], needed)
    data = {
        "version": "1.0",
        "queryDate": stamp(now),
        "startDate": stamp(points[0].at),
        "period": points[1].at - points[0].at if len(points) > 1 else int(now) + 1 - points[0].at,
        "recentDatapoints": [point.value for point in points if point.value is not None],
        "threshold": alarm.get("Threshold"),
        "evaluatedDatapoints": [
            {"timestamp": stamp(point.at), "value": point.value}
            for point in reversed(points)
            if point.value is not None
        ],
    }
    old = alarm["StateValue"]
    alarm |= {"StateValue": state, "StateReason": reason, "StateReasonData": json.dumps(data)}
    alarm |= {"StateUpdatedTimestamp": int(now), "StateTransitionedTimestamp": int(now)}
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason, reason_data=data)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _later(*_: Any) -> None:
    """The clock does it."""
