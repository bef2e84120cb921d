"""`tollgate dashboard`: the deployed dashboard as an HTML page with current data."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from admin.dashboard.body import deployed_dashboard, variable_values, widgets_of
from admin.dashboard.widgets import NO_DATA, WidgetData, read_widget
from admin.errors import UsageError
from admin.html.rendering import render
from admin.output import json_output, table
from admin.report.files import replacing
from admin.session import Session, session_of
from admin.times import DURATION_FORMAT, duration, iso_time

_THREADS: Final = 8
_SHORTEST: Final = timedelta(minutes=1)
"""The shortest metric period that CloudWatch dashboards draw."""


@dataclass(frozen=True, slots=True)
class WidgetSummary:
    """One widget with data.

    title: from the dashboard.
    type: metric, log or alarm.
    points: number of data points, rows or alarms; 0 if the widget is empty.
    problem: why the widget could not be drawn, or null.
    """

    title: str
    type: str
    points: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """The page that was written.

    file: its path.
    since, until: its time range, ISO 8601 in UTC.
    variables: selected value of each dashboard variable.
    widgets: those with data, in order; text widgets are left out.
    """

    file: str
    since: str
    until: str
    variables: dict[str, str]
    widgets: list[WidgetSummary]


@json_output(DashboardPage)
def dashboard(
    context: typer.Context,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to write. Default: tollgate-ENV-dashboard.html in this folder."),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="DURATION", help=f"Length of the time range: {DURATION_FORMAT}.")
    ] = "3h",
    variable: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Value of a dashboard variable, such as consumer=search."),
    ] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    fail_empty: Annotated[bool, typer.Option("--fail-empty", help="Exit 1 if a widget has no data.")] = False,
) -> None:
    """Write the deployed CloudWatch dashboard as one HTML page that opens without a network.

    The widgets and their data come from CloudWatch: metrics, alarm states and Logs Insights queries. AWS charges for
    the log data that the queries scan.

    Examples:
      tollgate --env prod dashboard --open
      tollgate --env prod dashboard --since 24h --variable consumer=search --to search.html
      tollgate --env prod --output json dashboard --fail-empty
    """
    session = session_of(context)
    now, length = session.now(), duration(since, "--since")
    if length < _SHORTEST:
        raise UsageError(f"--since {since} is too short; accepted: a minute or more, such as 1m.")
    file = to or Path(f"tollgate-{session.environment}-dashboard.html")
    deployed = deployed_dashboard(session)
    values = variable_values(deployed, variable or [])
    # Creating boto3 clients is not thread-safe (boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html).
    _ = session.cloudwatch, session.logs
    with ThreadPoolExecutor(_THREADS) as pool:
        read = list(pool.map(lambda widget: read_widget(session, widget, now, length), widgets_of(deployed, values)))
    with replacing(file) as temporary:
        temporary.write_text(render_page(session, read, now, since, values), encoding="utf-8")
    document = DashboardPage(
        file=str(file),
        since=iso_time(now - length),
        until=iso_time(now),
        variables=values,
        widgets=[
            WidgetSummary(widget.title, widget.type, widget.content.points, widget.problem)
            for widget in read
            if widget.type != "text"
        ],
    )
    session.output.show(document, render=lambda: _table(document))
    if browser:
        webbrowser.open(file.resolve().as_uri())
    if fail_empty and not all(widget.points for widget in document.widgets):
        raise typer.Exit(1)


def render_page(
    session: Session, read: Sequence[WidgetData], now: datetime, since: str, values: Mapping[str, str]
) -> str:
    """The HTML file."""
    points = [widget.content.points for widget in read if widget.type != "text"]
    facts = [
        f"the last {since} up to {now:%-d %B %Y, %H:%M} UTC",
        *(f"{name}: {value}" for name, value in values.items()),
        *([f"widgets without data: {points.count(0)} of {len(points)}"] if 0 in points else []),
    ]
    return render(
        "dashboard/dashboard.html.j2",
        title=f"Dashboard: {session.environment}",
        subtitle=" · ".join(facts),
        widgets=read,
        no_data=NO_DATA,
        generated_at=iso_time(now),
        environment=session.environment,
        region=session.region,
    )


def _table(document: DashboardPage) -> Any:
    rows = (
        (widget.title, widget.type, f"{widget.points:,}", widget.problem or ("" if widget.points else "empty"))
        for widget in document.widgets
    )
    return table(document.file, ("widget", "type", "points", ""), rows, right=("points",))
