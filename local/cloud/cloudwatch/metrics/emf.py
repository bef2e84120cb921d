"""Metrics embedded in log lines: every log event in embedded metric format becomes metrics.

AWS: "Specification: Embedded metric format" (AmazonCloudWatch/latest/monitoring/
CloudWatch_Embedded_Metric_Format_Specification.html). The document must satisfy its schema as a whole, else it is a log
line and no more; values and dimensions are members of the root; a metric whose value is no number, and a dimension set
whose value is no text, are left out. MiniStack stores the line alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any, Final, TypeGuard

from ministack.services import cloudwatch_logs

from local.cloud.cloudwatch.metrics import store
from local.cloud.cloudwatch.metrics.store import SeriesKey

MARK: Final = '"_aws"'
MOST_METRICS: Final = 100
MOST_VALUES: Final = 100
MOST_DIMENSIONS: Final = 30
OLDEST_SECONDS: Final = 14 * 86_400
LATEST_SECONDS: Final = 2 * 3600

_SCALES: Final = ("", "Kilo", "Mega", "Giga", "Tera")
_SIZES: Final = tuple(f"{scale}{unit}" for unit in ("bytes", "bits") for scale in _SCALES)
UNITS: Final = frozenset(
    {"Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"}
    | {size.capitalize() for size in _SIZES}
    | {f"{size.capitalize()}/Second" for size in _SIZES}
)

_append_log_events = cloudwatch_logs._append_log_events


def apply() -> None:
    """Replace the one function through which every log event goes."""
    cloudwatch_logs._append_log_events = append_log_events


def append_log_events(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
    """Store the events, and what metrics they hold."""
    _append_log_events(stream, events)
    for event in events:
        if MARK in event["message"]:
            extract(event["message"])


def extract(message: str) -> None:
    """Put the metrics of one line; nothing for a line that is none of the format."""
    try:
        document = json.loads(message)
    except ValueError:
        return
    if not isinstance(document, dict) or not _is_embedded(document.get("_aws")):
        return
    at = document["_aws"]["Timestamp"] / 1000
    if not -LATEST_SECONDS <= time.time() - at <= OLDEST_SECONDS:
        return
    for directive in document["_aws"]["CloudWatchMetrics"]:
        _put_directive(document, directive, at)


def _put_directive(document: dict[str, Any], directive: dict[str, Any], at: float) -> None:
    sets = [found for names in directive["Dimensions"] if (found := _dimensions(document, names)) is not None]
    values = [(metric, _samples(document.get(metric["Name"]))) for metric in directive["Metrics"]]
    store.put_all(
        at,
        (
            (SeriesKey(directive["Namespace"], metric["Name"], dimensions), samples, metric.get("Unit", "None"))
            for metric, samples in values
            if samples
            for dimensions in sets
        ),
    )


def _dimensions(document: dict[str, Any], names: list[str]) -> store.Dimensions | None:
    """In order; None where the root has no text for one of them."""
    found = [(name, value) for name in sorted(names) if isinstance(value := document.get(name), str) and value]
    return tuple(found) if len(found) == len(names) else None


def _samples(value: object) -> store.Samples:
    values: list[object] = value if isinstance(value, list) else [value]
    numbers = [each for each in values if _is_number(each)]
    if len(numbers) < len(values) or len(values) > MOST_VALUES:
        return {}
    samples: dict[store.Sample, float] = {}
    for number in numbers:
        sample = store.single(number)
        samples[sample] = samples.get(sample, 0.0) + 1
    return samples


def _is_embedded(metadata: object) -> bool:
    """Whether `_aws` satisfies AWS's JSON schema."""
    if not isinstance(metadata, dict) or not _is_number(metadata.get("Timestamp")):
        return False
    directives = metadata.get("CloudWatchMetrics")
    return isinstance(directives, list) and all(_is_directive(directive) for directive in directives)


def _is_directive(directive: object) -> bool:
    if not isinstance(directive, dict) or not _is_name(directive.get("Namespace")):
        return False
    sets, metrics = directive.get("Dimensions"), directive.get("Metrics")
    if not isinstance(sets, list) or not sets or not isinstance(metrics, list) or len(metrics) > MOST_METRICS:
        return False
    return all(_is_dimension_set(names) for names in sets) and all(_is_metric(metric) for metric in metrics)


def _is_dimension_set(names: object) -> bool:
    return isinstance(names, list) and len(names) <= MOST_DIMENSIONS and _are_names(names)


def _are_names(names: Iterable[object]) -> bool:
    return all(_is_name(name) for name in names)


def _is_metric(metric: object) -> bool:
    return (
        isinstance(metric, dict)
        and _is_name(metric.get("Name"))
        and metric.get("Unit", "None") in UNITS
        and metric.get("StorageResolution", 60) in (1, 60)
    )


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
