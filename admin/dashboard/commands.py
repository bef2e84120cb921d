"""`tollgate dashboard`: the deployed dashboard as a page of one's own, with the data of now."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from admin.dashboard.body import body, choices, widgets
from admin.dashboard.widgets import Drawn, drawn
from admin.errors import UsageError
from admin.output import shows, table
from admin.page import page, text
from admin.report.files import whole
from admin.session import Session, session_of
from admin.times import SPAN_WORDS, span, written

_AT_ONCE: Final = 8
_SHORTEST: Final = timedelta(minutes=1)
"""CloudWatch's finest period of what is drawn."""
_COLUMNS: Final = 24


@dataclass(frozen=True, slots=True)
class DashboardShown:
    """One widget with data.

    title: as the dashboard has it.
    type: metric, log or alarm.
    points: how many data points, rows or alarms it shows; 0: it is empty.
    problem: why it could not be drawn; null where it could.
    """

    title: str
    type: str
    points: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """What was drawn.

    file: where the page is.
    since, until: the time it shows, ISO 8601 in UTC.
    variables: what stands for each of the dashboard's variables.
    widgets: those that show data, in their order; texts are left out.
    """

    file: str
    since: str
    until: str
    variables: dict[str, str]
    widgets: list[DashboardShown]


@shows(Page)
def dashboard(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it. Default: tollgate-ENV-dashboard.html here.")
    ] = None,
    since: Annotated[str, typer.Option(metavar="SPAN", help=f"How far back to look: {SPAN_WORDS}.")] = "3h",
    variable: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What to choose at the top of the page, as consumer=search."),
    ] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    fail_empty: Annotated[bool, typer.Option("--fail-empty", help="End with 1 where a widget shows nothing.")] = False,
) -> None:
    """Draw the deployed CloudWatch dashboard into one page that needs no network: to look at, or to attach.

    Its widgets are read from CloudWatch, as are their data: metrics, Logs Insights queries (which AWS charges for what
    they scan) and the states of alarms.

    Examples:

      tollgate --env prod dashboard --open

      tollgate --env prod dashboard --since 24h --variable consumer=search --to search.html

      tollgate --env prod --output json dashboard --fail-empty
    """
    session = session_of(context)
    now, back = session.now(), span(since, "--since")
    if back < _SHORTEST:
        raise UsageError(f"--since {since}: accepted is a minute or more, 1m.")
    file = to or Path(f"tollgate-{session.environment}-dashboard.html")
    found = body(session)
    chosen = choices(found, variable or [])
    _clients(session)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = list(pool.map(lambda each: drawn(session, each, now, back), widgets(found, chosen)))
    with whole(file) as passing:
        passing.write_text(_page(session, made, now, since, chosen), encoding="utf-8")
    shown = [DashboardShown(each.title, each.kind, each.points, each.problem) for each in made if not each.words]
    document = Page(str(file), written(now - back), written(now), chosen, shown)
    session.output.show(document, render=lambda: _table(document))
    if browser:
        _open(file)
    if fail_empty and not all(each.points for each in shown):
        raise typer.Exit(1)


def _clients(session: Session) -> tuple[object, ...]:
    """Made before the threads are: boto3 makes clients in one thread at a time
    (boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html)."""
    return session.cloudwatch, session.logs


def _page(session: Session, made: Sequence[Drawn], now: datetime, since: str, chosen: dict[str, str]) -> str:
    empty = sum(not each.words and not each.points for each in made)
    said = [
        f"the last {since} up to {now:%-d %B %Y, %H:%M} UTC",
        *(f"{name}: {value}" for name, value in chosen.items()),
    ]
    if empty:
        said.append(f"{empty} of {sum(not each.words for each in made)} widgets show nothing")
    title = f"{session.environment}: dashboard"
    board = f'<div class="board">{"".join(map(_cell, made))}</div>'
    where = f"{text(session.environment)} in {text(session.region)}"
    foot = f"<p>Generated {written(now)} from the CloudWatch dashboard of {where}; times in UTC.</p>"
    return page(
        title, f'<p class="soft">{text(" · ".join(said))}</p>', [("widgets", "", board)], foot, kind="wide-page"
    )


def _cell(each: Drawn) -> str:
    kind = ("words" if each.words else "card") + " whole" * (each.place["width"] == _COLUMNS)
    place = f"grid-column:{each.place['x'] + 1}/span {each.place['width']}"
    return f'<div class="{kind}" style="{place}">{each.html}</div>'


def _table(document: Page) -> Any:
    rows = (
        (each.title, each.type, f"{each.points:,}", each.problem or ("" if each.points else "empty"))
        for each in document.widgets
    )
    return table(document.file, ("widget", "type", "points", ""), rows, right=("points",))


def _open(file: Path) -> None:
    import webbrowser

    webbrowser.open(file.resolve().as_uri())
