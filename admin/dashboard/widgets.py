"""Each widget as HTML, with how much data it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from admin import charts
from admin.charts import ChartSeries, Limit, barred
from admin.dashboard.metrics import GraphLine, Grid, grid, lines
from admin.dashboard.text import html_of, is_heading
from admin.errors import CliError, of_service
from admin.formatting import compact
from admin.logs.insights import ask
from admin.page import Raw, empty, table, text

if TYPE_CHECKING:
    from admin.session import Session

NO_DATA: Final = "no data in this time"
_DRAWN: Final = 6
"""As many as there are colours."""
_ROWS: Final = 20
_SOURCE: Final = re.compile(r"\s*SOURCE\s+(?:'([^']+)'|\"([^\"]+)\")\s*\|")
_ALARMS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One widget. html: to be put into the page; points: data points, rows or alarms; words: whether it has no data by
    nature; problem: why it could not be drawn."""

    title: str
    kind: str
    html: str
    points: int
    words: bool = False
    problem: str | None = None
    place: Mapping[str, int] = field(default_factory=dict)


def drawn(session: Session, widget: Mapping[str, Any], now: datetime, span: timedelta) -> Drawn:
    """The widget; what a service refused of it is said in its place, so that the others are still seen."""
    from botocore.exceptions import ClientError

    kind, properties = str(widget["type"]), widget.get("properties", {})
    place = {name: int(widget.get(name, default)) for name, default in (("x", 0), ("width", 6))}
    title = str(properties.get("title", ""))
    if kind == "text":
        return Drawn(title="", kind=kind, html=_text(properties), points=0, words=True, place=place)
    draw = _KINDS.get(kind)
    if draw is None:
        return _failed(title, kind, f"widgets of type {kind} are not drawn here", place)
    try:
        html, points = draw(session, properties, now, span)
    except ClientError as error:
        return _failed(title, kind, str(of_service(error)), place)
    except CliError as fault:
        if fault.exit_code == _WRONG_USAGE:
            raise
        return _failed(title, kind, str(fault), place)
    return Drawn(title=title, kind=kind, html=html, points=points, place=place)


_WRONG_USAGE: Final = 2


def _failed(title: str, kind: str, why: str, place: Mapping[str, int]) -> Drawn:
    html = f'<h3>{text(title)}</h3><p class="bad">{text(why)}</p>'
    return Drawn(title=title, kind=kind, html=html, points=0, problem=why, place=place)


def _text(properties: Mapping[str, Any]) -> str:
    markdown = str(properties.get("markdown", ""))
    return html_of(markdown) if is_heading(markdown) else f'<div class="card">{html_of(markdown)}</div>'


# --- metrics ------------------------------------------------------------------------------------------------


def _metric(session: Session, properties: Mapping[str, Any], now: datetime, span: timedelta) -> tuple[str, int]:
    times = grid(properties, now, span)
    found = lines(session, properties, times)
    view = "stacked" if properties.get("stacked") else str(properties.get("view", "timeSeries"))
    return _VIEWS.get(view, _time_series)(properties, found, times), sum(each.points for each in found)


def _time_series(properties: Mapping[str, Any], found: Sequence[GraphLine], times: Grid) -> str:
    limits = [
        Limit(str(each.get("label", "limit")), float(each["value"]))
        for each in properties.get("annotations", {}).get("horizontal", ())
        if isinstance(each, dict) and "value" in each
    ]
    return charts.lines(_title(properties, found), times.labels(), _series(found), compact, NO_DATA, limits)


def _stacked(properties: Mapping[str, Any], found: Sequence[GraphLine], times: Grid) -> str:
    return charts.stacked(_title(properties, found), times.labels(), _series(found), compact, NO_DATA)


def _title(properties: Mapping[str, Any], found: Sequence[GraphLine]) -> str:
    more = f" ({_DRAWN} of {len(found)})" if len(found) > _DRAWN else ""
    return f"{properties.get('title', '')}{more}"


def _series(found: Sequence[GraphLine]) -> list[ChartSeries]:
    """The largest, each in a colour of its own."""
    kept = sorted(found, key=lambda each: -sum(value or 0 for value in each.values))[:_DRAWN]
    shown = [each for each in found if each in kept and each.points]
    return [
        ChartSeries(each.label, each.values, str(place + 1), compact(_last(each) or 0))
        for place, each in enumerate(shown)
    ]


def _last(line: GraphLine) -> float | None:
    return next((value for value in reversed(line.values) if value is not None), None)


def _single(properties: Mapping[str, Any], found: Sequence[GraphLine], _: Grid) -> str:
    cells = "".join(
        f"<div><b>{'–' if (value := _last(each)) is None else compact(value)}</b><span>{text(each.label)}</span></div>"
        for each in found
    )
    return f'<h3>{text(properties.get("title", ""))}</h3><div class="tiles">{cells}</div>' + (
        "" if cells else empty(NO_DATA)
    )


def _bars(properties: Mapping[str, Any], found: Sequence[GraphLine], _: Grid) -> str:
    values = {each.label: value for each in found if (value := _last(each)) is not None}
    head = f"<h3>{text(properties.get('title', ''))}</h3>"
    if not values:
        return head + empty(NO_DATA)
    most = max(values.values()) or 1
    limits = properties.get("yAxis", {}).get("left", {})
    whole = float(limits.get("max", most)) if properties.get("view") == "gauge" else most
    rows = [(barred(name, value, whole), compact(value)) for name, value in values.items()]
    return head + table(("", "latest"), rows, 1, "tops")


_VIEWS: Final[dict[str, Callable[[Mapping[str, Any], Sequence[GraphLine], Grid], str]]] = {
    "stacked": _stacked,
    "singleValue": _single,
    "bar": _bars,
    "pie": _bars,
    "gauge": _bars,
}


# --- logs and alarms ------------------------------------------------------------------------------------------


def _log(session: Session, properties: Mapping[str, Any], now: datetime, span: timedelta) -> tuple[str, int]:
    query, groups = str(properties["query"]), []
    while (source := _SOURCE.match(query)) is not None:
        groups.append(source[1] or source[2])
        query = query[source.end() :]
    rows, _ = ask(session, query.strip(), groups, now - span, now + timedelta(minutes=1), 1_000)
    head = f"<h3>{text(properties.get('title', ''))}</h3>"
    if not rows:
        return head + empty(NO_DATA), 0
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "@ptr"]
    numbers = next((place for place in range(len(columns)) if _all_numbers(rows, columns[place:])), len(columns))
    made = table(columns, ([row.get(name, "") for name in columns] for row in rows[:_ROWS]), len(columns) - numbers)
    more = f'<p class="soft">{len(rows) - _ROWS:,} more rows</p>' if len(rows) > _ROWS else ""
    return f'{head}<div class="scroll">{made}</div>{more}', len(rows)


def _all_numbers(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> bool:
    return all(re.fullmatch(r"-?[0-9.]+(e[-+]?[0-9]+)?|", row.get(name, ""), re.I) for row in rows for name in columns)


def _alarm(session: Session, properties: Mapping[str, Any], _: datetime, __: timedelta) -> tuple[str, int]:
    names = [str(arn).rpartition(":alarm:")[2] for arn in properties["alarms"]]
    found: dict[str, Any] = {}
    for start in range(0, len(names), _ALARMS_AT_ONCE):
        answer = session.cloudwatch.describe_alarms(
            AlarmNames=names[start : start + _ALARMS_AT_ONCE], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        for each in (*answer["MetricAlarms"], *answer["CompositeAlarms"]):
            found[str(each["AlarmName"])] = each
    ranked = sorted(names, key=lambda name: (_STATES.index(_state(found.get(name))), name))
    cells = "".join(_alarm_cell(name, found.get(name)) for name in ranked)
    return f'<h3>{text(properties.get("title", ""))}</h3><div class="alarms">{cells}</div>', len(found)


_STATES: Final = ("ALARM", "missing", "INSUFFICIENT_DATA", "OK")
_SAID: Final = {"ALARM": ("bad", "in alarm"), "missing": ("warn", "not there"), "OK": ("good", "ok")}


def _state(alarm: Mapping[str, Any] | None) -> str:
    return "missing" if alarm is None else str(alarm["StateValue"])


def _alarm_cell(name: str, alarm: Mapping[str, Any] | None) -> str:
    kind, words = _SAID.get(_state(alarm), ("soft", "no data"))
    reason = text("" if alarm is None else alarm.get("StateReason", ""))
    more = "" if alarm is None or kind != "bad" else f" {_ringing(alarm)}"
    return f'<div class="{kind}" title="{reason}"><b>{Raw(words)}</b> <span>{text(name)}</span>{more}</div>'


def _ringing(alarm: Mapping[str, Any]) -> Raw:
    """Since when, what it means and what to do: nobody should have to look that up."""
    since = alarm["StateUpdatedTimestamp"].astimezone(UTC)
    return Raw(f"<small>since {since:%-d %B, %H:%M} UTC. {text(alarm.get('AlarmDescription', ''))}</small>")


_KINDS: Final[dict[str, Callable[[Any, Mapping[str, Any], datetime, timedelta], tuple[str, int]]]] = {
    "metric": _metric,
    "log": _log,
    "alarm": _alarm,
}
