"""CloudWatch Logs: metric filters count what they match.

AWS: "Creating metrics from log events using filters" and "Filter pattern syntax for metric filters"
(AmazonCloudWatch/latest/logs/MonitoringLogData.html, FilterAndPatternSyntaxForMetricFilters.html). MiniStack keeps the
filters and counts nothing. Of patterns there are those for JSON, with `=`, `!=` and wildcards in text, `&&`, `||` and
parentheses; of metrics the value as a number, the unit, and dimensions. Any other is refused where it is put, so that
no filter seems to count.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs

from local.cloud.cloudwatch.metrics import store

_TOKEN: Final = re.compile(r'\s*(?:(&&|\|\||!=|=|[()])|(\$\.[\w.-]+)|("[^"]*"|[^\s()&|=!"]+))')
_put_log_events = cloudwatch_logs._put_log_events
_put_metric_filter = cloudwatch_logs._put_metric_filter

Matches = Callable[[dict[str, Any]], bool]


class PatternError(ValueError):
    """No pattern that we know."""


def apply() -> None:
    """Replace how filters are put, and where log events come in."""
    cloudwatch_logs._put_metric_filter = put_metric_filter
    cloudwatch_logs._put_log_events = put_log_events


def put_metric_filter(request: dict[str, Any]) -> Any:
    """The operation, which refuses what could not be counted."""
    try:
        compiled(request.get("filterPattern", ""))
        for each in request.get("metricTransformations", ()):
            float(each["metricValue"])
    except (PatternError, ValueError) as error:
        return error_response_json("InvalidParameterException", f"Invalid metric filter: {error}", 400)
    return _put_metric_filter(request)


def put_log_events(request: dict[str, Any]) -> Any:
    """Store the events, and count those that a filter of their group matches."""
    answer = _put_log_events(request)
    group = request.get("logGroupName")
    filters = [each for each in cloudwatch_logs._metric_filters.values() if each["logGroupName"] == group]
    if answer[0] < 400 and filters:
        for event in request.get("logEvents", ()):
            _count(event, filters)
    return answer


def _count(event: dict[str, Any], filters: Iterable[dict[str, Any]]) -> None:
    try:
        document = json.loads(event["message"])
    except ValueError:
        return
    if not isinstance(document, dict):
        return
    for each in filters:
        if compiled(each["filterPattern"])(document):
            for metric in each["metricTransformations"]:
                _put(metric, document, event["timestamp"] / 1000)


def _put(metric: dict[str, Any], document: dict[str, Any], at: float) -> None:
    """Without a dimension that the event lacks, there is no metric."""
    named = {name: _member(document, path) for name, path in (metric.get("dimensions") or {}).items()}
    if None in named.values():
        return
    key = store.key_of(
        metric["metricNamespace"], metric["metricName"], ((name, str(value)) for name, value in named.items())
    )
    store.put(key, at, {store.single(float(metric["metricValue"])): 1.0}, metric.get("unit", "None"))


def compiled(pattern: str) -> Matches:
    """Whether a document matches; PatternError for what is no such pattern."""
    text = pattern.strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise PatternError(f"{pattern!r}: known are patterns for JSON, in braces")
    tokens = _tokens(text[1:-1].strip())
    matches = _either(tokens)
    if tokens:
        raise PatternError(f"{pattern!r}: {tokens[0]!r} is too much")
    return matches


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise PatternError(f"not understood: {text[at:]!r}")
        found.append(token[0].strip())
        at = token.end()
    return found


def _either(tokens: list[str]) -> Matches:
    parts = [_both(tokens)]
    while tokens[:1] == ["||"]:
        del tokens[0]
        parts.append(_both(tokens))
    return lambda document: any(part(document) for part in parts)


def _both(tokens: list[str]) -> Matches:
    parts = [_one(tokens)]
    while tokens[:1] == ["&&"]:
        del tokens[0]
        parts.append(_one(tokens))
    return lambda document: all(part(document) for part in parts)


def _one(tokens: list[str]) -> Matches:
    if tokens[:1] == ["("]:
        del tokens[0]
        inner = _either(tokens)
        if tokens[:1] != [")"]:
            raise PatternError("a parenthesis is not closed")
        del tokens[0]
        return inner
    if len(tokens) < 3 or not tokens[0].startswith("$.") or tokens[1] not in ("=", "!="):
        raise PatternError(f"no comparison: {' '.join(tokens)}")
    path, sign, value = (tokens.pop(0) for _ in range(3))
    wanted = re.compile(fnmatch.translate(value.strip('"').replace("[", "[[]").replace("?", "[?]")))
    return lambda document: _compares(_member(document, path), wanted) is (sign == "=")


def _compares(value: object, wanted: re.Pattern[str]) -> bool | None:
    """None, which is neither equal nor unequal, for a member that is not there."""
    if value is None or isinstance(value, (dict, list)):
        return None
    return wanted.fullmatch(value if isinstance(value, str) else json.dumps(value)) is not None


def _member(document: dict[str, Any], path: str) -> object:
    value: object = document
    for name in path.removeprefix("$.").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
