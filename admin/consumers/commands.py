"""`tollgate consumers`: who there is, what they spend, and a switch for each."""

from __future__ import annotations

from typing import Annotated

import typer

from admin.budgets.status import ConsumerBudgets, all_consumer_budgets, consumer_budgets, state_change
from admin.consumers.view import ConsumerDetails, ConsumerShown, consumers_table, details, details_view, shown
from admin.errors import UsageError
from admin.keys.ledger import all_keys
from admin.operator_ledger import Audit
from admin.output import shows
from admin.session import Session, session_of

app = typer.Typer(help="Show consumers with their budgets and keys; pause and resume them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A consumer of the environment file.")]


@app.command("list")
@shows(ConsumerShown, many=True)
def list_consumers(context: typer.Context) -> None:
    """Consumers with their plan, what they spent this month, and how full their fullest budget is.

    Examples:

      tollgate consumers list

      tollgate consumers list --output json
    """
    session = session_of(context)
    now = session.now()
    keys = all_keys(session)
    rows = [
        shown(each, [key for key in keys if key.consumer == each.consumer], now)
        for each in all_consumer_budgets(session)
    ]
    session.output.show(rows, lambda: consumers_table(rows))


@app.command("show")
@shows(ConsumerDetails)
def show_consumer(context: typer.Context, name: Name) -> None:
    """One consumer: policy, limits, budgets with what is spent and held, raises, keys, last use.

    Examples:

      tollgate consumers show search
    """
    session = session_of(context)
    found = consumer_budgets(session, name)
    keys = all_keys(session, name)
    told = details(session, found, keys)
    session.output.show(told, lambda: details_view(found, told, keys, session.now()))


@app.command("pause")
@shows(ConsumerShown)
def pause_consumer(
    context: typer.Context,
    name: Name,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Kept with it, for colleagues; at most 200 characters.")
    ] = None,
) -> None:
    """Refuse every request of a consumer within a minute. Its keys stay as they are.

    For one key at once: `tollgate keys disable`.

    Examples:

      tollgate consumers pause search --reason "key seen in a public repository" --yes
    """
    session = session_of(context)
    if reason is not None and not (0 < len(reason) <= 200 and reason.isprintable()):
        raise UsageError(
            f"--reason of {len(reason)} characters: accepted are 1 to 200, on one line, without control characters."
        )
    found = consumer_budgets(session, name)
    if found.paused:
        session.output.say(f"{name} is paused already, since {found.state.get('at')}")
    elif not session.output.confirm(f"pause {name}: all its requests are refused within a minute"):
        return
    else:
        _switch(session, found, "paused", reason)
        session.output.say(f"{name} is paused; it holds within 60 s. Its API keys stay enabled.")
    _show(session, name)


@app.command("resume")
@shows(ConsumerShown)
def resume_consumer(context: typer.Context, name: Name) -> None:
    """Let a paused consumer call again, within a minute.

    Examples:

      tollgate consumers resume search
    """
    session = session_of(context)
    found = consumer_budgets(session, name)
    if not found.paused:
        session.output.say(f"{name} is not paused")
    elif session.output.dry_run:
        session.output.say(f"dry run, nothing done: resume {name}")
        return
    else:
        _switch(session, found, "active", None)
        session.output.say(f"{name} may call again; it holds within 60 s.")
    _show(session, name)


def _switch(session: Session, found: ConsumerBudgets, status: str, reason: str | None) -> None:
    before = {"status": found.state.get("status", "active"), "reason": found.state.get("reason")}
    after = {"status": status, "reason": reason}
    action = "consumers.pause" if status == "paused" else "consumers.resume"
    session.table.change([state_change(session, found, after)], Audit(action, found.consumer, before, after))


def _show(session: Session, name: str) -> None:
    row = shown(consumer_budgets(session, name), all_keys(session, name), session.now())
    session.output.show(row, lambda: consumers_table([row]))
