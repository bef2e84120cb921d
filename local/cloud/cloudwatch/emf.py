"""Metrics embedded in log lines.

AWS: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html. A line
that breaks the schema stays a log line and gives no metric. MiniStack stores the line and extracts nothing.
Test: tests/e2e/test_alarms.py::test_alarm_starts_notifies_and_ends
"""

from __future__ import annotations

import json
from typing import Any, Final

from ministack.services import cloudwatch, cloudwatch_logs

from local.cloud.cloudwatch.query_protocol import MODEL

_UNIT: Final[Any] = MODEL.shape_for("StandardUnit")
MOST_METRICS: Final = 100
MOST_DIMENSIONS: Final = 30

_append_log_events = cloudwatch_logs._append_log_events


def apply() -> None:
    """Replace the function that stores every log event."""
    cloudwatch_logs._append_log_events = append_log_events


def append_log_events(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
    """Store the events, and the metrics embedded in them."""
    _append_log_events(stream, events)
    for event in events:
        document = _document(event["message"])
        for directive in document["_aws"]["CloudWatchMetrics"] if document else ():
            if _is_valid(document, directive):
                _put(document, directive)


def _document(message: str) -> dict[str, Any]:
    """The line, empty where it is not in embedded metric format."""
    try:
        document = json.loads(message) if '"_aws"' in message else None
    except ValueError:
        return {}
    return document if isinstance(document, dict) and "_aws" in document else {}


def _is_valid(document: dict[str, Any], directive: dict[str, Any]) -> bool:
    metrics, sets = directive["Metrics"], directive["Dimensions"]
    values = [document.get(metric["Name"]) for metric in metrics]
    dimensions = [document.get(name) for names in sets for name in names]
    return (
        len(metrics) <= MOST_METRICS
        and all(len(names) <= MOST_DIMENSIONS for names in sets)
        and all(metric.get("Unit", "None") in _UNIT.enum for metric in metrics)
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        and all(isinstance(value, str) and value for value in dimensions)
    )


def _put(document: dict[str, Any], directive: dict[str, Any]) -> None:
    at = document["_aws"]["Timestamp"] / 1000
    for metric in directive["Metrics"]:
        for names in directive["Dimensions"]:
            put_value(
                directive["Namespace"],
                metric["Name"],
                {name: document[name] for name in names},
                at,
                document[metric["Name"]],
                metric.get("Unit", "None"),
            )


def put_value(namespace: str, name: str, dimensions: dict[str, str], at: float, value: float, unit: str) -> None:
    """Store one value at a time in epoch seconds."""
    cloudwatch._store_datum(namespace, name, dimensions, at, unit, value, None, None, None)
