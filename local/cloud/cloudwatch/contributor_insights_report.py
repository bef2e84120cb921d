"""What a Contributor Insights rule says, and what it finds in the logs.

AWS: "Contributor Insights rule syntax" (AmazonCloudWatch/latest/monitoring/ContributorInsights-RuleSyntax.html),
GetInsightRuleReport (AmazonCloudWatch/latest/APIReference/API_GetInsightRuleReport.html).
"""

from __future__ import annotations

import fnmatch
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ministack.services import cloudwatch_logs

from local.cloud.logs.insights.values import Value, compare, discovered, number, text

MOST_KEYS: Final = 4
MOST_FILTERS: Final = 4

Fields = dict[str, Value]

OPERATORS: Final[dict[str, Callable[[Value, Any], bool]]] = {
    "In": lambda value, wanted: any(compare(value, "=", each) for each in wanted),
    "NotIn": lambda value, wanted: value is not None and not any(compare(value, "=", each) for each in wanted),
    "StartsWith": lambda value, wanted: value is not None and text(value).startswith(tuple(map(str, _list(wanted)))),
    "GreaterThan": lambda value, wanted: compare(value, ">", wanted),
    "LessThan": lambda value, wanted: compare(value, "<", wanted),
    "EqualTo": lambda value, wanted: compare(value, "=", wanted),
    "NotEqualTo": lambda value, wanted: compare(value, "!=", wanted),
    "IsPresent": lambda value, wanted: (value is not None) == (wanted in (True, "true")),
}


def fault(definition: str) -> str | None:
    """What is wrong with a rule; None for a good one."""
    try:
        rule = json.loads(definition)
        contribution = rule["Contribution"]
        keys, filters = contribution["Keys"], contribution.get("Filters", [])
        groups = rule.get("LogGroupNames") or rule.get("LogGroupARNs")
        faults = (
            (rule["Schema"] != {"Name": "CloudWatchLogRule", "Version": 1}, "Schema must be CloudWatchLogRule 1"),
            (not groups, "LogGroupNames or LogGroupARNs must name log groups"),
            (rule["LogFormat"] != "JSON", "LogFormat must be JSON (CLF is not known to this cloud)"),
            (not 0 < len(keys) <= MOST_KEYS, f"Contribution.Keys must be 1 to {MOST_KEYS}"),
            (rule["AggregateOn"] not in ("Count", "Sum"), "AggregateOn must be Count or Sum"),
            (rule["AggregateOn"] == "Sum" and not contribution.get("ValueOf"), "AggregateOn Sum needs ValueOf"),
            (len(filters) > MOST_FILTERS, f"Contribution.Filters must be at most {MOST_FILTERS}"),
            (not all(map(_is_filter, filters)), f"a filter has a Match and one of {', '.join(OPERATORS)}"),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return f"RuleDefinition is not a rule in JSON: {type(error).__name__} {error}"
    return next((f"RuleDefinition: {message}" for wrong, message in faults if wrong), None)


def report(
    definition: str,
    spans: Sequence[Sequence[float | None]],
    between: tuple[int, int],
    period: int,
    *,
    most: int,
    metrics: Sequence[str],
    order: str,
) -> dict[str, Any]:
    """GetInsightRuleReport's answer.

    spans: epoch milliseconds from and to (None: still) when the rule was enabled; between: epoch seconds of the first
    moment and of the one after the last; period: seconds of a data point; order: "Sum" or "Maximum".
    """
    rule = json.loads(definition)
    found: dict[tuple[str, ...], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    samples: dict[int, int] = defaultdict(int)
    for stamp, keys, value in _contributions(rule, spans, between):
        point = stamp // 1000 // period * period
        found[keys][point] += value
        samples[point] += 1
    rank = max if order == "Maximum" else sum
    contributors = sorted(found.items(), key=lambda pair: (-rank(pair[1].values()), pair[0]))
    return {
        "KeyLabels": rule["Contribution"]["Keys"],
        "AggregationStatistic": rule["AggregateOn"].upper(),
        "AggregateValue": sum(sum(points.values()) for points in found.values()),
        "ApproximateUniqueCount": len(found),
        "Contributors": [
            {
                "Keys": list(keys),
                "ApproximateAggregateValue": sum(points.values()),
                "Datapoints": [{"Timestamp": at, "ApproximateValue": points[at]} for at in sorted(points)],
            }
            for keys, points in contributors[:most]
        ],
        "MetricDatapoints": [
            {"Timestamp": at} | _statistics([points[at] for points in found.values() if at in points], count, metrics)
            for at, count in sorted(samples.items())
        ],
    }


def _statistics(values: list[float], count: int, metrics: Sequence[str]) -> dict[str, float]:
    """Over the contributors of one period."""
    known = {
        "UniqueContributors": len(values),
        "MaxContributorValue": max(values),
        "SampleCount": count,
        "Sum": sum(values),
        "Minimum": min(values),
        "Maximum": max(values),
        "Average": sum(values) / count,
    }
    return {name: value for name, value in known.items() if name in metrics}


def _contributions(
    rule: dict[str, Any], spans: Sequence[Sequence[float | None]], between: tuple[int, int]
) -> Iterator[tuple[int, tuple[str, ...], float]]:
    """Epoch milliseconds, keys and value of every event that counts."""
    contribution = rule["Contribution"]
    keys = [_field(key) for key in contribution["Keys"]]
    value_of = _field(contribution.get("ValueOf", "")) if rule["AggregateOn"] == "Sum" else None
    for event in _events(rule, between):
        if not any(
            start <= event["ingestionTime"] and (end is None or event["ingestionTime"] < end)
            for start, end in spans
            if start is not None
        ):
            continue
        fields = discovered(event["message"])
        if not all(_passes(each, fields) for each in contribution.get("Filters", [])):
            continue
        value = 1 if value_of is None else number(fields.get(value_of))
        names = tuple(text(fields.get(key)) for key in keys)
        if value is not None and all(key in fields for key in keys):
            yield event["timestamp"], names, value


def _events(rule: dict[str, Any], between: tuple[int, int]) -> Iterator[dict[str, Any]]:
    patterns = [name.rpartition(":log-group:")[2] or name for name in rule.get("LogGroupNames") or rule["LogGroupARNs"]]
    for name, group in cloudwatch_logs._log_groups.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            for stream in group["streams"].values():
                for event in stream["events"]:
                    if between[0] * 1000 <= event["timestamp"] < between[1] * 1000:
                        yield event


def _passes(condition: dict[str, Any], fields: Fields) -> bool:
    value = fields.get(_field(condition["Match"]))
    return all(OPERATORS[name](value, wanted) for name, wanted in condition.items() if name != "Match")


def _is_filter(condition: dict[str, Any]) -> bool:
    return "Match" in condition and len(condition) == 2 and (condition.keys() - {"Match"}) <= OPERATORS.keys()


def _field(path: str) -> str:
    """`$.a.b[0]` as a discovered field's name, `a.b.0`."""
    return path.removeprefix("$.").replace("[", ".").replace("]", "")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
