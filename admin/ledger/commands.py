"""`tollgate ledger`: verifies rollups and accounts against the usage rows, and repairs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from admin import completion
from admin.formatting import counted
from admin.ledger.documents import LedgerDifference, LedgerVerification, UnverifiedAmount
from admin.output import json_output, table
from admin.report import rollups
from admin.report.period import parse_period
from admin.session import Session, session_of

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(help="Verify rollups and accounts against the usage rows; repair them.", no_args_is_help=True)

_SINCE_HELP: Final = (
    "First day: 2026-11-01, 2026-11, or a number of days or weeks: 30d, 4w. Default: the first day of this month or of "
    "this week, whichever is earlier."
)


@app.callback()
def ledger() -> None:
    """Verify rollups and accounts against the usage rows; repair them."""


@app.command()
@json_output(LedgerVerification)
def verify(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(metavar="DAY", help=_SINCE_HELP)] = None,
    consumer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this consumer.", autocompletion=completion.consumers)
    ] = None,
    wait: Annotated[
        int,
        typer.Option(
            min=0, max=3_600, metavar="SECONDS", help="Time within which a request that ended must be booked."
        ),
    ] = 10,
    repair: Annotated[bool, typer.Option("--repair", help="Bring rollups and accounts to what the rows say.")] = False,
) -> None:
    """Verify that rollups and accounts are what the usage rows say.

    Recomputes both from the usage rows (held, ended, corrections) and prints each difference, in dollars. The command
    ends with exit code 1 if there is one. Requests may run meanwhile: requests in progress, and those that ended less
    than --wait seconds ago and are not booked yet, are no differences. Each usage row of the period is read once, about
    four for one read unit. The stack's viewer policy suffices. Tokens and requests per minute are not verified.

    Budget windows that began before --since are compared with the rollups of the earlier days. The same holds for rows
    that have expired (`metering.usage_retention_days`): no run can verify these amounts, and the command names them.

    --repair adds the differences to rollups and accounts, with one conditional update per item and an audit row, and
    ends requests that still reserve an amount long after their deadline. It asks first, and works while requests run.
    Windows that began before --since are repaired only if all earlier rows have expired. The operator policy does not
    allow writing costs: use the credentials that deploy the stack. Without --repair, nothing is changed.

    Examples:
      tollgate --env prod ledger verify
      tollgate --env prod ledger verify --since 400d --output json | jq '.differences[]'
      tollgate --env prod ledger verify --since 7d --repair
    """
    from admin.ledger.run import Run, window_start

    session = session_of(context)
    today = session.now().date()
    first = window_start(today) if since is None else parse_period(since, None, today).first
    run = Run.of(session, rollups.select_consumers(session, consumer), first)
    found = run.verify(wait)
    document = run.document(found)
    if session.output.form == "table":
        _show(session, document)
    if repair and document.differences and session.output.confirm(_question(session, document)):
        document = run.document(*run.repair(found, wait))
        session.output.say(f"repaired {counted(document.repaired, 'rollup, account or request', _MANY)}")
        if session.output.form == "table":
            _show(session, document)
    if session.output.form == "json":
        session.output.show_json(document)
    if document.differences:
        raise typer.Exit(1)


_MANY: Final = "rollups, accounts and requests"


def _question(session: Session, document: LedgerVerification) -> str:
    consumers = len({difference.consumer for difference in document.differences})
    return (
        f"Bring the rollups and accounts of {counted(consumers, 'consumer')} in {session.environment} to what their "
        f"usage rows say ({counted(len(document.differences), 'difference')})?"
    )


def _show(session: Session, document: LedgerVerification) -> None:
    """The differences on stdout, and what they are about on stderr."""
    say = session.output.say
    if document.differences:
        session.output.show(document, lambda: _table(document.differences))
    for amount in document.unverified:
        say(_unverified(amount))
    if document.in_flight or document.unbooked:
        say(
            f"{counted(document.in_flight, 'request')} in progress (${document.in_flight_usd} reserved) and "
            f"{document.unbooked:,} just ended and not booked yet: no differences"
        )
    verified = (
        f"{counted(document.rows, 'usage row')} of {counted(document.consumers, 'consumer')} from {document.since} to "
        f"{document.until}"
    )
    if document.differences:
        say(f"{counted(len(document.differences), 'difference')} to {verified}", style="red")
    else:
        say(f"rollups and accounts are what the usage rows say: {verified}", style="green")


def _table(differences: Sequence[LedgerDifference]) -> RenderableType:
    cells = [
        (
            each.consumer,
            each.kind,
            each.item,
            "missing" if each.missing else each.stored_usd,
            each.rows_usd,
            each.difference_usd,
            ", ".join(f"{name} {change:+,}" for name, change in each.counts.items()),
        )
        for each in differences
    ]
    names = ("consumer", "kind", "item", "stored USD", "rows USD", "difference USD", "other differences")
    return table("", names, cells, right=names[3:6])


def _unverified(amount: UnverifiedAmount) -> str:
    why = "whose rows have expired" if amount.reason == "expired" else "before --since"
    return (
        f"not verified: ${amount.usd} of {amount.consumer} on days up to {amount.until} {why}; budget windows are "
        "compared with their rollups"
    )
