"""`tollgate usage`: reports, top consumers, single requests and corrections."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from admin import completion
from admin.errors import UsageError
from admin.output import json_output, printable_lines
from admin.report import files, rollups, rows, terminal
from admin.report.documents import UsageReport, UsageRow
from admin.report.labels import key_labels
from admin.report.period import SINCE_HELP, UNTIL_HELP, Period, parse_period
from admin.report.scope import Scope
from admin.session import Session, session_of
from admin.usage.corrections.correct import correct
from admin.usage.corrections.reprice import reprice
from admin.usage.export import export
from admin.usage.lines import show, tail
from admin.usage.names import check_model

app = typer.Typer(help="Report usage and cost, look at single requests, and correct them.", no_args_is_help=True)

ReportFormat = Literal["table", "json", "csv", "html", "md"]
Since = Annotated[str, typer.Option(metavar="DAY", help=SINCE_HELP)]
Until = Annotated[str | None, typer.Option(metavar="DAY", help=UNTIL_HELP)]
Consumer = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only this consumer.", autocompletion=completion.consumers)
]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="Only this model.", autocompletion=completion.models)]
_ENDINGS: Final[dict[str, ReportFormat]] = {".json": "json", ".csv": "csv", ".html": "html", ".md": "md"}


@app.command()
@json_output(UsageReport)
def report(
    context: typer.Context,
    by: Annotated[
        str, typer.Option(metavar="NAMES", help="Group by any of consumer,model,day,key,status,owner,tag:NAME.")
    ] = "consumer",
    since: Since = "30d",
    until: Until = None,
    consumer: Consumer = None,
    model: Model = None,
    form: Annotated[
        ReportFormat | None,
        typer.Option("--format", help="Default: by the file extension of --to, else table. html writes a page."),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of stdout.")] = None,
) -> None:
    """Report usage from the ledger's daily rollups: costs, tokens, errors, latencies.

    Costs are compared with the previous period: for whole months the months before, for a month up to today the same
    days of the month before, otherwise (as for 30d) as many days immediately before. A report that includes today and
    the month so far forecasts the month: spend so far / days elapsed * days of the month. Owners and tags are those in
    the environment file. The page shows the budgets of the period, if that is past, with today's limits.

    Tables, Markdown and the page round amounts: to the cent from $1, otherwise to three significant digits. JSON and
    CSV are exact: `usd` in dollars, `nano_usd` in 10⁻⁹ dollars. Latencies are interpolated within the buckets of a
    histogram. A report reads one item per consumer, day, model and key of the period and the previous one, so its cost
    does not depend on the number of requests.

    Examples:
      tollgate usage report --by consumer,model --since 30d
      tollgate usage report --by tag:team --since 2026-10 --until 2026-10
      tollgate usage report --by day --consumer search --since 2026-10 --until 2026-10 --format csv
      tollgate usage report --since 90d --to usage.html
    """
    session = session_of(context)
    form = form or _ENDINGS.get("" if to is None else to.suffix.lower(), session.output.form)
    if form == "table" and to is not None:
        raise UsageError(
            "a table cannot be written to a file; accepted with --to: json, csv, html or md, by --format or by the "
            "file extension."
        )
    days = parse_period(since, until, session.now().date())
    by_names = rows.dimensions(by)
    check_model(session, model, consumer, days)
    if form == "html":
        _html(session, days, consumer, model, to)
        return
    usage = _report(session, days, by_names, consumer, model, days.previous(session.now().date()))
    if form == "table":
        session.output.show(usage, render=lambda: terminal.report_table(usage, _labels(session, usage.rows)))
        return
    write(session, {"json": files.as_json, "csv": files.as_csv, "md": files.as_markdown}[form](usage), to)


def _report(
    session: Session,
    days: Period,
    by: tuple[str, ...],
    consumer: str | None,
    model: str | None,
    previous: Period | None = None,
) -> UsageReport:
    names = rollups.select_consumers(session, consumer)
    rows.check_tags(by, session.policies)
    scope = Scope(period=days, previous=previous, now=session.now(), model=model, policies=session.policies)
    totals = rollups.read_totals(session.ledger, names, scope.periods, rows.groupings(by, scope))
    return rows.build_report(session.environment, by, scope, totals)


def _labels(session: Session, used: Sequence[UsageRow]) -> dict[str, str]:
    return key_labels(session, (row.key for row in used if row.key is not None))


def _html(session: Session, days: Period, consumer: str | None, model: str | None, to: Path | None) -> None:
    from admin.report.page.page import report_page

    if to is None and sys.stdout.isatty():
        raise UsageError("an HTML page cannot be read in a terminal; pass --to FILE.")
    write(session, report_page(session, days, consumer, model), to)


def write(session: Session, text: str, to: Path | None) -> None:
    """Write `text` to the file `to`, completely or not at all, or to stdout."""
    if to is None:
        sys.stdout.write(printable_lines(text.replace("\r\n", "\n")) if sys.stdout.isatty() else text)
        return
    with files.replacing(to) as passing:
        passing.write_text(text, encoding="utf-8", newline="")
    session.output.say(str(to))


@dataclass(frozen=True, slots=True, kw_only=True)
class TopSpender:
    """A consumer, model or key, or a combination, by its spend.

    place: rank by spend, from 1.
    name: name of the consumer, model or key; several are joined by slashes.
    share_percent: share of all spend in the period, with one decimal.
    usage: its usage.
    """

    place: int
    name: str
    share_percent: str
    usage: UsageRow


@app.command()
@json_output(TopSpender, many=True)
def top(
    context: typer.Context,
    by: Annotated[str, typer.Option(metavar="NAMES", help="Rank by any of consumer,model,key.")] = ("consumer"),
    since: Since = "30d",
    until: Until = None,
    consumer: Consumer = None,
    model: Model = None,
    count: Annotated[int, typer.Option(min=1, help="Number of rows.")] = 10,
) -> None:
    """List the consumers, models or keys with the highest spend.

    Examples:
      tollgate usage top
      tollgate usage top --by consumer,key --since 7d --count 20
    """
    session = session_of(context)
    named = rows.dimensions(by)
    if not set(named) <= {"consumer", "model", "key"}:
        raise UsageError(f"invalid --by {by!r}; accepted: any of consumer, model, key, separated by commas.")
    days = parse_period(since, until, session.now().date())
    check_model(session, model, consumer, days)
    usage = _report(session, days, named, consumer, model)
    total = usage.total.nano_usd or 0
    first = usage.rows[:count]
    spenders = [
        TopSpender(place=place, name=_name(named, row, {}), share_percent=_share(row.nano_usd or 0, total), usage=row)
        for place, row in enumerate(first, start=1)
    ]
    title = f"{session.environment}: top spend, {days} (UTC)"

    def drawn() -> Any:
        labels = _labels(session, first)
        return terminal.top_table(title, [(_name(named, row, labels), row) for row in first], total)

    session.output.show(spenders, drawn)


def _name(by: Sequence[str], row: UsageRow, labels: Mapping[str, str]) -> str:
    return "/".join(map(str, terminal.row_names(by, row, labels)))


def _share(part: int, whole: int) -> str:
    thousandths = (2000 * part + whole) // (2 * whole) if whole else 0
    return f"{thousandths // 10}.{thousandths % 10}"


app.command("show")(show)
app.command("tail")(tail)
app.command("export")(export)
app.command("correct")(correct)
app.command("reprice")(reprice)
