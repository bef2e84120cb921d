"""`tollgate reconcile`: the ledger compared with a provider's own export."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation, localcontext
from pathlib import Path
from typing import Annotated, Final

import typer

from admin import completion
from admin.errors import UsageError, unknown
from admin.output import json_output
from admin.reconcile import documents
from admin.reconcile.documents import Reconciliation
from admin.reconcile.pairs import READ, pair
from admin.reconcile.reading import DIGITS, read
from admin.reconcile.reasons import Judge, level_models
from admin.reconcile.theirs import Theirs
from admin.report import files, rollups
from admin.report.period import UNTIL_HELP, Period, parse_period
from admin.session import Session, session_of
from lambda_src.contract import MODELS_PK, SK

_SINCE_HELP: Final = "First day: 2026-11-01 or 2026-11. Default: the export's first day."


@json_output(Reconciliation)
def reconcile(
    context: typer.Context,
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="The provider.", autocompletion=completion.providers)
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The provider's export.")],
    since: Annotated[str | None, typer.Option(metavar="DAY", help=_SINCE_HELP)] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DAY", help=UNTIL_HELP.replace("today (UTC)", "the export's last day")),
    ] = None,
    tolerance: Annotated[
        str, typer.Option(metavar="PERCENT", help="Accepted difference, in percent of the larger side.")
    ] = "0.5",
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the rows to this CSV file too.")] = None,
) -> None:
    """Compare the ledger with a provider's own export, per day and model, and name likely reasons of differences.

    Accepts OpenAI's Costs and Usage API answers and the dashboard's CSV exports, Anthropic's cost and usage reports and
    the Console's CSV exports, and AWS's Cost and Usage Report for Bedrock (legacy or CUR 2.0, as CSV, gzip or Parquet).
    The content of the file says which it is. Costs, tokens or both are compared, as the export states them.

    All snapshots of a model are one model. Rollups have no provider, so usage of a model that has left the
    configuration counts only if the export names it. Only rollups are read. The command ends with exit code 1 if a row
    differs by more than the tolerance. How to get the exports: docs/accounting.md.

    Examples:
      tollgate --env prod reconcile openai costs.json
      tollgate --env prod reconcile anthropic claude_api_cost_2026_11.csv --tolerance 1
      tollgate --env prod reconcile bedrock cur-00001.snappy.parquet --since 2026-11 --to differences.csv
    """
    session = session_of(context)
    share = _tolerance(tolerance)
    providers = session.config.providers
    if provider not in providers:
        raise unknown("provider", provider, providers, list_command="tollgate providers list")
    form, theirs = read(file)
    if form.kind != providers[provider].kind:
        raise UsageError(
            f"{file} has the format {form.name}, for providers of kind {form.kind}; {provider} has the kind "
            f"{providers[provider].kind}. Pass another provider or file."
        )
    days = _period(file, theirs, since, until, session.now().date())
    with localcontext(prec=DIGITS):
        result = compare(session, provider, theirs, days, share, (str(file), form.name))
    session.output.show(result, lambda: documents.drawn(result))
    if to is not None:
        with files.replacing(to) as passing:
            passing.write_text(documents.as_csv(result), encoding="utf-8", newline="")
        session.output.say(str(to))
    if not result.agrees:
        raise typer.Exit(1)


def compare(
    session: Session, provider: str, theirs: Theirs, days: Period, tolerance: Decimal, source: tuple[str, str]
) -> Reconciliation:
    """The comparison. tolerance: in percent. source: path and format of the export."""
    models = {str(item[SK]): (str(item["provider"]), str(item["upstream"])) for item in session.ledger.query(MODELS_PK)}
    (ours,) = rollups.read_totals(
        session.ledger,
        rollups.select_consumers(session, None),
        [days],
        [rollups.group_by(lambda key: (key.day, key.model), READ)],
    )
    paired = pair(theirs, ours, models, provider, days)
    judge = Judge(theirs=theirs, tolerance=tolerance / 100, today=session.now().date())
    judge = replace(judge, level=level_models(paired.pairs, judge))
    rows = [documents.row_of(each, judge) for each in paired.pairs]
    return Reconciliation(
        environment=session.environment,
        provider=provider,
        file=source[0],
        format=source[1],
        since=days.first.isoformat(),
        until=days.last.isoformat(),
        tolerance_percent=documents.plain(tolerance),
        agrees=all(row.agrees for row in rows),
        rows=rows,
        total=documents.total_of(paired.pairs, rows, judge),
        notes=paired.notes,
    )


def _tolerance(text: str) -> Decimal:
    try:
        percent = Decimal(text)
        if percent.is_finite() and 0 <= percent <= 100:
            return percent
    except InvalidOperation:
        pass
    raise UsageError(f"--tolerance is {text!r}; accepted: a percentage from 0 to 100, such as 0.5.")


def _period(file: Path, theirs: Theirs, since: str | None, until: str | None, today: date) -> Period:
    first, last = theirs.days
    if not first and (since is None or until is None):
        raise UsageError(f"{file} has no rows, so its period is unknown; pass --since and --until.")
    return parse_period(since or first, until or last, today)
