"""The data of each widget, as the templates show it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from admin.dashboard.metrics import GraphLine, Grid, grid, read_lines
from admin.dashboard.text import html_of
from admin.errors import CliError, UsageError, from_client_error
from admin.formatting import compact
from admin.html import charts
from admin.html.charts import BarRow, ChartSeries, Limit, percent_width
from admin.logs.insights import run_query

if TYPE_CHECKING:
    from admin.session import Session

NO_DATA: Final = "no data in this time range"
_COLOURS: Final = 6
_ROWS: Final = 20
_SOURCE: Final = re.compile(r"\s*SOURCE\s+(?:'([^']+)'|\"([^\"]+)\")\s*\|")
_ALARMS_PER_REQUEST: Final = 100


class Content(NamedTuple):
    """What a widget shows. view: the macro that draws `data`. points: data points, rows or alarms."""

    view: str
    data: object
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WidgetData:
    """One widget. x, width: in columns of the dashboard. problem: why it could not be drawn."""

    title: str
    type: str
    x: int
    width: int
    content: Content
    problem: str | None = None


def read_widget(session: Session, widget: Mapping[str, Any], now: datetime, span: timedelta) -> WidgetData:
    """The widget with its data. An error of a service becomes its `problem`, so that the other widgets are drawn."""
    from botocore.exceptions import ClientError

    kind, properties = str(widget["type"]), widget.get("properties", {})
    content, problem = Content("problem", "", 0), None
    try:
        if kind in _READERS:
            content = _READERS[kind](session, properties, now, span)
        else:
            problem = f"widgets of type {kind} are not supported"
    except ClientError as error:
        problem = str(from_client_error(error))
    except UsageError:
        raise
    except CliError as error:
        problem = str(error)
    title = "" if kind == "text" else str(properties.get("title", ""))
    x, width = int(widget.get("x", 0)), int(widget.get("width", 6))
    return WidgetData(title=title, type=kind, x=x, width=width, content=content, problem=problem)


def _text(_: Session, properties: Mapping[str, Any], *__: object) -> Content:
    html, is_heading = html_of(str(properties.get("markdown", "")))
    return Content("heading" if is_heading else "text", html, 0)


# --- metrics ------------------------------------------------------------------------------------------------


def _metric(session: Session, properties: Mapping[str, Any], now: datetime, span: timedelta) -> Content:
    times = grid(properties, now, span)
    series = read_lines(session, properties, times)
    view = "timeSeries" if properties.get("stacked") else properties.get("view")
    name, data = _VIEWS.get(str(view), _chart)(properties, series, times)
    return Content(name, data, sum(line.points for line in series))


def _chart(properties: Mapping[str, Any], series: Sequence[GraphLine], times: Grid) -> tuple[str, object]:
    title, labels, largest = _title(properties, series), times.labels(), _largest(series)
    if properties.get("stacked"):
        return "chart", charts.stacked_bars(title, labels, largest, compact, NO_DATA)
    limits = [
        Limit(str(line.get("label", "limit")), float(line["value"]))
        for line in properties.get("annotations", {}).get("horizontal", ())
        if isinstance(line, dict) and "value" in line
    ]
    return "chart", charts.lines(title, labels, largest, compact, NO_DATA, limits)


def _title(properties: Mapping[str, Any], series: Sequence[GraphLine]) -> str:
    more = f" ({_COLOURS} of {len(series)})" if len(series) > _COLOURS else ""
    return f"{properties.get('title', '')}{more}"


def _largest(series: Sequence[GraphLine]) -> list[ChartSeries]:
    """As many series as there are colours."""
    largest = sorted(series, key=lambda line: -sum(value or 0 for value in line.values))[:_COLOURS]
    return [
        ChartSeries(line.label, line.values, str(colour), compact(_last(line) or 0))
        for colour, line in enumerate((line for line in series if line in largest and line.points), start=1)
    ]


def _last(line: GraphLine) -> float | None:
    return next((value for value in reversed(line.values) if value is not None), None)


def _single_values(_: Mapping[str, Any], series: Sequence[GraphLine], __: Grid) -> tuple[str, object]:
    return "tiles", [("–" if (value := _last(line)) is None else compact(value), line.label) for line in series]


def _bars(properties: Mapping[str, Any], series: Sequence[GraphLine], _: Grid) -> tuple[str, object]:
    values = {line.label: value for line in series if (value := _last(line)) is not None}
    whole = max(values.values(), default=0)
    if properties.get("view") == "gauge":
        whole = float(properties.get("yAxis", {}).get("left", {}).get("max", whole))
    return "bars", [BarRow(name, percent_width(value, whole), [compact(value)]) for name, value in values.items()]


_VIEWS: Final[dict[str, Callable[[Mapping[str, Any], Sequence[GraphLine], Grid], tuple[str, object]]]] = {
    "singleValue": _single_values,
    "bar": _bars,
    "pie": _bars,
    "gauge": _bars,
}


# --- logs and alarms ------------------------------------------------------------------------------------------


def _log(session: Session, properties: Mapping[str, Any], now: datetime, span: timedelta) -> Content:
    query, groups = str(properties["query"]), []
    while (source := _SOURCE.match(query)) is not None:
        groups.append(source[1] or source[2])
        query = query[source.end() :]
    rows, _ = run_query(session, query.strip(), groups, now - span, now + timedelta(minutes=1), 1_000)
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "@ptr"]
    texts = [place for place in range(len(columns)) if not _all_numbers(rows, columns[place])]
    table = {
        "columns": columns,
        "rows": [[row.get(name, "") for name in columns] for row in rows[:_ROWS]],
        "first_number": max(texts, default=-1) + 1,
        "more": len(rows) - _ROWS,
    }
    return Content("log", table, len(rows))


def _all_numbers(rows: Sequence[Mapping[str, str]], column: str) -> bool:
    return all(re.fullmatch(r"-?[0-9.]+(e[-+]?[0-9]+)?|", row.get(column, ""), re.I) for row in rows)


def _alarm(session: Session, properties: Mapping[str, Any], *_: object) -> Content:
    names = [str(arn).rpartition(":alarm:")[2] for arn in properties["alarms"]]
    existing: dict[str, Any] = {}
    for start in range(0, len(names), _ALARMS_PER_REQUEST):
        response = session.cloudwatch.describe_alarms(
            AlarmNames=names[start : start + _ALARMS_PER_REQUEST], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        existing |= {alarm["AlarmName"]: alarm for alarm in (*response["MetricAlarms"], *response["CompositeAlarms"])}
    alarms = [existing.get(name, {"AlarmName": name, "StateValue": "missing"}) for name in names]
    order = list(_STATES)
    alarms.sort(key=lambda alarm: (order.index(alarm["StateValue"]), alarm["AlarmName"]))
    return Content("alarms", [(*_STATES[alarm["StateValue"]], alarm, _since(alarm)) for alarm in alarms], len(existing))


_STATES: Final = {
    "ALARM": ("in alarm", "bad"),
    "missing": ("missing", "warn"),
    "INSUFFICIENT_DATA": ("no data", "soft"),
    "OK": ("ok", "good"),
}


def _since(alarm: Mapping[str, Any]) -> str:
    """When an alarm that is in alarm changed its state."""
    if alarm["StateValue"] != "ALARM":
        return ""
    return f"{alarm['StateUpdatedTimestamp'].astimezone(UTC):%-d %B, %H:%M} UTC"


_READERS: Final[dict[str, Callable[[Any, Mapping[str, Any], datetime, timedelta], Content]]] = {
    "text": _text,
    "metric": _metric,
    "log": _log,
    "alarm": _alarm,
}
