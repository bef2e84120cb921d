"""What an alarm does when its state changes: AWS's message to its topics, and a line in its history.

AWS: "Notify users on alarm changes" (AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html). The message's
JSON is AWS's, with Trigger for an alarm on metrics and AlarmRule for a composite one. MiniStack leaves most of it out.
Not restored: actions other than topics, and the state change event on EventBridge.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from typing import Any, Final

import botocore.session
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, sns

ACTIONS: Final = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
KEPT_HISTORY: Final = 5_000
"""Entries of all alarms together; the oldest go first."""

REGIONS: Final[Mapping[str, Mapping[str, str]]] = (
    botocore.session.get_session().get_component("data_loader").load_data("endpoints")["partitions"][0]["regions"]
)


_record_history = cloudwatch._record_history


def apply() -> None:
    """Replace the one function that carries out actions, and have the history start as AWS's does."""
    cloudwatch._dispatch_alarm_actions = dispatch
    cloudwatch._record_history = record_history


def record_history(name: str, old_state: str, new_state: str, *rest: Any, **options: Any) -> None:
    """A new alarm is a ConfigurationUpdate; MiniStack calls it a change of state that is none."""
    _record_history(name, old_state, new_state, *rest, **options)
    if old_state == new_state:
        cloudwatch._history_entries()[-1] |= {
            "HistoryItemType": "ConfigurationUpdate",
            "HistorySummary": f'Alarm "{name}" created',
            "HistoryData": json.dumps({"version": "1.0", "type": "Create"}),
        }


def dispatch(alarm: Mapping[str, Any], old_state: str, new_state: str, reason: str) -> None:
    """Publish to the topics of the new state, unless the alarm's actions are switched off."""
    entries = cloudwatch._history_entries()
    del entries[:-KEPT_HISTORY]
    if not alarm.get("ActionsEnabled", True):
        return
    body = json.dumps(message(alarm, old_state, new_state, reason))
    subject = f'{new_state}: "{alarm["AlarmName"]}" in {_region()}'[:100]
    for action in alarm.get(ACTIONS[new_state]) or []:
        if cloudwatch._is_sns_action_arn(action):
            sns._fanout(action, new_uuid(), body, subject)
            entries.append(_history(alarm, action))


def message(alarm: Mapping[str, Any], old_state: str, new_state: str, reason: str) -> dict[str, Any]:
    """What a subscriber gets."""
    now = time.time()
    body = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": get_account_id(),
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.get("AlarmConfigurationUpdatedTimestamp", now)),
        "NewStateValue": new_state,
        "NewStateReason": reason,
        "StateChangeTime": stamp(now),
        "Region": _region(),
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": old_state,
        **{name: alarm.get(name) or [] for name in ("OKActions", "AlarmActions", "InsufficientDataActions")},
    }
    if "AlarmRule" in alarm:
        return body | {"AlarmRule": alarm["AlarmRule"], "TriggeringChildren": _children(alarm)}
    return body | {"Trigger": _trigger(alarm)}


def stamp(at: float) -> str:
    """A time as alarms write it."""
    text = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "+0000")


def _region() -> str:
    name = str(get_region())
    return REGIONS.get(name, {"description": name})["description"].replace("Europe", "EU")


def _trigger(alarm: Mapping[str, Any]) -> dict[str, Any]:
    trigger = {
        "EvaluationPeriods": alarm["EvaluationPeriods"],
        "DatapointsToAlarm": alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]),
        "ComparisonOperator": alarm["ComparisonOperator"],
        "TreatMissingData": alarm.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": alarm.get("EvaluateLowSampleCountPercentile", ""),
    }
    trigger |= {name: alarm[name] for name in ("Threshold", "ThresholdMetricId") if name in alarm}
    if alarm.get("Metrics"):
        return trigger | {"Metrics": [_query(query) for query in alarm["Metrics"]]}
    statistic = (
        {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": alarm["ExtendedStatistic"]}
        if alarm.get("ExtendedStatistic")
        else {"StatisticType": "Statistic", "Statistic": alarm["Statistic"].upper()}
    )
    return _metric(alarm) | statistic | {"Unit": alarm.get("Unit"), "Period": alarm["Period"]} | trigger


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    if "MetricStat" not in query:
        return dict(query)
    return {**query, "MetricStat": {**query["MetricStat"], "Metric": _metric(query["MetricStat"]["Metric"])}}


def _metric(metric: Mapping[str, Any]) -> dict[str, Any]:
    dimensions = [{"value": each["Value"], "name": each["Name"]} for each in metric.get("Dimensions") or []]
    return {"MetricName": metric["MetricName"], "Namespace": metric["Namespace"], "Dimensions": dimensions}


def _children(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = json.loads(alarm.get("StateReasonData") or "{}")
    return [
        {"Arn": child["arn"], "State": {"Value": child["state"]["value"], "Timestamp": child["state"]["timestamp"]}}
        for child in data.get("triggeringAlarms", [])
    ]


def _history(alarm: Mapping[str, Any], action: str) -> dict[str, Any]:
    return {
        "AlarmName": alarm["AlarmName"],
        "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
        "Timestamp": cloudwatch._ts_iso(time.time()),
        "HistoryItemType": "Action",
        "HistorySummary": f"Successfully executed action {action}",
        "HistoryData": json.dumps({"actionState": "Succeeded", "notificationResource": action}),
    }
