"""`tollgate usage`: who used what, what it cost, and every single request."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from admin.errors import UsageError
from admin.output import shows
from admin.report import files, rollups, rows, terminal
from admin.report.labels import key_labels
from admin.report.period import SINCE_HELP, UNTIL_HELP, Period, period
from admin.report.rows import UsageReport, UsageRow
from admin.session import Session, session_of
from admin.usage.export import export
from admin.usage.lines import show, tail
from admin.usage.names import known_model

app = typer.Typer(help="Who used what, what it cost, and every single request.", no_args_is_help=True)

ReportFormat = Literal["table", "json", "csv", "html", "md"]
Since = Annotated[str, typer.Option(metavar="DAY", help=SINCE_HELP)]
Until = Annotated[str | None, typer.Option(metavar="DAY", help=UNTIL_HELP)]
Consumer = Annotated[str | None, typer.Option(metavar="NAME", help="This consumer alone.")]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="This model alone.")]
_ENDINGS: Final[dict[str, ReportFormat]] = {".json": "json", ".csv": "csv", ".html": "html", ".md": "md"}


@app.command()
@shows(UsageReport)
def report(
    context: typer.Context,
    by: Annotated[
        str, typer.Option(metavar="NAMES", help="What to tell apart: any of consumer,model,day,key,status.")
    ] = "consumer",
    since: Since = "30d",
    until: Until = None,
    consumer: Consumer = None,
    model: Model = None,
    form: Annotated[
        ReportFormat | None,
        typer.Option("--format", help="Default: what the name of --to ends with, else a table. html is a whole page."),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file, not to stdout.")] = None,
) -> None:
    """Add up what was used, from the ledger's daily rollups: exact costs, tokens, errors, latencies.

    Costs are exact. Latencies come from a histogram and are interpolated within its buckets. A report reads one item
    per consumer, day, model and key, so it costs the same however many requests there were.

    Examples:

      tollgate usage report --by consumer,model --since 30d

      tollgate usage report --by day --consumer search --since 2026-10 --until 2026-10 --format csv

      tollgate usage report --since 90d --to usage.html
    """
    session = session_of(context)
    form = form or _ENDINGS.get("" if to is None else to.suffix.lower(), session.output.form)
    if form == "table" and to is not None:
        raise UsageError(
            "a table is for terminals; accepted with --to: json, csv, html and md, by --format or by ending."
        )
    days = period(since, until, session.now().date())
    by_names = rows.dimensions(by)
    known_model(session, model, consumer, days)
    if form == "html":
        _html(session, days, consumer, model, to)
        return
    found = _report(session, days, by_names, consumer, model)
    if form == "table":
        session.output.show(found, render=lambda: terminal.rendered(found, _labels(session, found.rows)))
        return
    write(session, {"json": files.as_json, "csv": files.as_csv, "md": files.as_markdown}[form](found), to)


def _report(
    session: Session, days: Period, by: tuple[str, ...], consumer: str | None, model: str | None
) -> UsageReport:
    names = rollups.chosen(session, consumer)
    found = rollups.add_up(session.table, names, days, rows.views(by), model)
    at = session.now().isoformat(timespec="seconds")
    return rows.report(session.environment, at, days, by, found)


def _labels(session: Session, found: Sequence[UsageRow]) -> dict[str, str]:
    return key_labels(session, (row.key for row in found if row.key is not None))


def _html(session: Session, days: Period, consumer: str | None, model: str | None, to: Path | None) -> None:
    from admin.report.page.page import page

    if to is None and sys.stdout.isatty():
        raise UsageError("a page is no reading for a terminal; give --to FILE.")
    write(session, page(session, days, consumer, model), to)


def write(session: Session, text: str, to: Path | None) -> None:
    """Put `text` into the file `to`, whole or not at all, or onto stdout."""
    if to is None:
        sys.stdout.write(text)
        return
    with files.whole(to) as passing:
        passing.write_text(text, encoding="utf-8", newline="")
    session.output.say(str(to))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """Who spends.

    place: 1 spends most.
    name: of the consumer, model or key; of several with a slash between them.
    share_percent: of all spend in the period, with one decimal.
    usage: what it used.
    """

    place: int
    name: str
    share_percent: str
    usage: UsageRow


@app.command()
@shows(Spender, many=True)
def top(
    context: typer.Context,
    by: Annotated[str, typer.Option(metavar="NAMES", help="Whom to rank: consumer, model, key, or several.")] = (
        "consumer"
    ),
    since: Since = "30d",
    until: Until = None,
    consumer: Consumer = None,
    model: Model = None,
    count: Annotated[int, typer.Option(min=1, help="How many to list.")] = 10,
) -> None:
    """List who spends most.

    Examples:

      tollgate usage top

      tollgate usage top --by consumer,key --since 7d --count 20
    """
    session = session_of(context)
    named = rows.dimensions(by)
    if not set(named) <= {"consumer", "model", "key"}:
        raise UsageError(f"--by is {by!r}; accepted: any of consumer, model, key, separated by commas.")
    days = period(since, until, session.now().date())
    known_model(session, model, consumer, days)
    found = _report(session, days, named, consumer, model)
    total = found.total.nano_usd or 0
    first = found.rows[:count]
    spenders = [
        Spender(place=place, name=_name(named, row, {}), share_percent=_share(row.nano_usd or 0, total), usage=row)
        for place, row in enumerate(first, start=1)
    ]
    title = f"{session.environment}: who spends most, {days} (UTC)"

    def drawn() -> Any:
        labels = _labels(session, first)
        return terminal.top(title, [(_name(named, row, labels), row) for row in first], total)

    session.output.show(spenders, drawn)


def _name(by: Sequence[str], row: UsageRow, labels: Mapping[str, str]) -> str:
    return "/".join(map(str, terminal.named(by, row, labels)))


def _share(part: int, whole: int) -> str:
    thousandths = (2000 * part + whole) // (2 * whole) if whole else 0
    return f"{thousandths // 10}.{thousandths % 10}"


app.command("show")(show)
app.command("tail")(tail)
app.command("export")(export)
