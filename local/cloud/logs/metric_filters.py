"""Metric filters count the log events that match their pattern.

AWS: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html. Implemented are
patterns like `{ ($.error_type != "-") && ($.status = "4*") }`. MiniStack stores filters and counts nothing.
Test: tests/e2e/test_alarms.py::test_alarm_starts_notifies_and_ends
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable
from typing import Any, Final

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs

from local.cloud.cloudwatch.emf import put_value

PATTERN: Final = re.compile(r"\{\s*(\([^()]+\)(?:\s*&&\s*\([^()]+\))*)\s*\}")
COMPARISON: Final = re.compile(r'\(\$\.(\w+)\s*(=|!=)\s*"([^"?\[]*)"\)')

_put_log_events = cloudwatch_logs._put_log_events
_put_metric_filter = cloudwatch_logs._put_metric_filter


def apply() -> None:
    """Replace PutMetricFilter and PutLogEvents."""
    cloudwatch_logs._put_metric_filter = put_metric_filter
    cloudwatch_logs._put_log_events = put_log_events


def put_metric_filter(request: dict[str, Any]) -> Any:
    """PutMetricFilter. Rejects patterns that this module does not know: the filter would count nothing."""
    try:
        matcher(request["filterPattern"])
    except ValueError as error:
        return error_response_json("InvalidParameterException", str(error), 400)
    return _put_metric_filter(request)


def put_log_events(request: dict[str, Any]) -> Any:
    """PutLogEvents: also counts the events that a filter of their log group matches. All must be JSON."""
    answer = _put_log_events(request)
    for stored in cloudwatch_logs._metric_filters.values():
        if stored["logGroupName"] == request["logGroupName"]:
            matches = matcher(stored["filterPattern"])
            documents = ((event["timestamp"] / 1000, json.loads(event["message"])) for event in request["logEvents"])
            for at, document in documents:
                if matches(document):
                    _count(stored["metricTransformations"], document, at)
    return answer


def _count(transformations: list[dict[str, Any]], document: dict[str, str], at: float) -> None:
    for metric in transformations:
        paths = {name: path.removeprefix("$.") for name, path in metric["dimensions"].items()}
        if document.keys() >= set(paths.values()):
            dimensions = {name: document[path] for name, path in paths.items()}
            value, unit = float(metric["metricValue"]), metric["unit"]
            put_value(metric["metricNamespace"], metric["metricName"], dimensions, at, value, unit)


def matcher(pattern: str) -> Callable[[dict[str, str]], bool]:
    """Whether the pattern matches a document. ValueError for a pattern that is not implemented."""
    whole = PATTERN.fullmatch(pattern.strip())
    parts = [COMPARISON.fullmatch(part) for part in re.split(r"\s*&&\s*", whole[1])] if whole else [None]
    if None in parts:
        raise ValueError(f'filterPattern {pattern!r} must be like {{ ($.name = "a*") && ($.other != "b") }}')
    comparisons = [part.groups() for part in parts if part is not None]
    return lambda document: all(
        name in document and fnmatch.fnmatchcase(document[name], wanted) is (sign == "=")
        for name, sign, wanted in comparisons
    )
