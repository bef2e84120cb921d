"""The data of metric widgets: their rows as queries for GetMetricData, and the results on a grid of times.

Format of the rows: docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from admin.errors import UsageError
from admin.session import Session

_PERIOD: Final = 300
_MAX_POINTS: Final = 600


@dataclass(frozen=True, slots=True)
class GraphLine:
    """One series of a widget: a value for each period of the grid, or None."""

    label: str
    values: list[float | None]

    @property
    def points(self) -> int:
        """Number of values that are not None."""
        return sum(value is not None for value in self.values)


@dataclass(frozen=True, slots=True)
class Grid:
    """The times of a widget: `count` periods of `seconds` each."""

    start: datetime
    seconds: int
    count: int

    @property
    def end(self) -> datetime:
        """End of the last period."""
        return self.start + timedelta(seconds=self.seconds * self.count)

    def labels(self) -> list[str]:
        """Start of each period in UTC, for people."""
        form = "%H:%M" if self.seconds * self.count <= 86_400 else "%-d %b %H:%M"
        return [f"{self.start + timedelta(seconds=self.seconds * place):{form}}" for place in range(self.count)]


def grid(properties: Mapping[str, Any], now: datetime, span: timedelta) -> Grid:
    """The grid of a widget from `now` back by `span`; UsageError if it has too many points."""
    seconds = int(properties.get("period", _PERIOD))
    if properties.get("setPeriodToTimeRange") and properties.get("view") == "singleValue":
        seconds = max(60, int(span.total_seconds()) // 60 * 60)
    count = max(1, -(-int(span.total_seconds()) // seconds))
    if count > _MAX_POINTS:
        hours = seconds * _MAX_POINTS // 3_600
        raise UsageError(
            f"--since needs {count:,} points of {seconds} s; accepted: up to {_MAX_POINTS}, which is {hours}h."
        )
    until = -(-int(now.timestamp()) // 60) * 60 if count == 1 else -(-int(now.timestamp()) // seconds) * seconds
    return Grid(datetime.fromtimestamp(until - seconds * count, UTC), seconds, count)


def queries(properties: Mapping[str, Any], times: Grid) -> list[dict[str, Any]]:
    """The widget's rows as MetricDataQueries. Each has an id; rows that are not visible return no data."""
    made, previous = [], [""]
    taken = {str(row[-1]["id"]) for row in properties["metrics"] if isinstance(row[-1], dict) and "id" in row[-1]}
    for number, row in enumerate(properties["metrics"]):
        options: dict[str, Any] = dict(row[-1]) if isinstance(row[-1], dict) else {}
        words = row[:-1] if isinstance(row[-1], dict) else row
        query: dict[str, Any] = {"Id": options.get("id") or _unused(f"row{number}", taken)}
        query["ReturnData"] = options.get("visible", True) is not False
        if "label" in options:
            query["Label"] = str(options["label"])
        if "expression" in options:
            query |= {"Expression": options["expression"], "Period": int(options.get("period", times.seconds))}
        else:
            previous = _expanded(words, previous)
            query["MetricStat"] = _metric_stat(previous, properties, options, times)
        made.append(query)
    return made


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _expanded(words: list[str], previous: list[str]) -> list[str]:
    """A row without abbreviations: `...` repeats the start of the previous row, `.` one word of it."""
    if words and words[0] == "...":
        words = [*previous[: len(previous) - len(words) + 1], *words[1:]]
    return [previous[place] if word == "." else word for place, word in enumerate(words)]


def _metric_stat(
    words: list[str], properties: Mapping[str, Any], options: Mapping[str, Any], times: Grid
) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in zip(words[2::2], words[3::2], strict=True)]
    whole = properties.get("setPeriodToTimeRange") and properties.get("view") == "singleValue"
    return {
        "Metric": {"Namespace": words[0], "MetricName": words[1], "Dimensions": dimensions},
        "Stat": options.get("stat") or properties.get("stat", "Average"),
        "Period": times.seconds if whole else int(options.get("period", times.seconds)),
    }


def read_lines(session: Session, properties: Mapping[str, Any], times: Grid) -> list[GraphLine]:
    """The widget's series, in the order of CloudWatch's response."""
    request: dict[str, Any] = {
        "MetricDataQueries": queries(properties, times),
        "StartTime": times.start,
        "EndTime": times.end,
        "ScanBy": "TimestampAscending",
    }
    series: dict[tuple[str, str], list[float | None]] = {}
    for result in _results(session, request):
        values = series.setdefault((result["Id"], result["Label"]), [None] * times.count)
        for at, value in zip(result["Timestamps"], result["Values"], strict=True):
            place = int((at - times.start).total_seconds()) // times.seconds
            if 0 <= place < times.count:
                values[place] = value
    return [GraphLine(label, values) for (_, label), values in series.items()]


def _results(session: Session, request: dict[str, Any]) -> Iterator[Any]:
    for page in session.cloudwatch.get_paginator("get_metric_data").paginate(**request):
        yield from page["MetricDataResults"]
