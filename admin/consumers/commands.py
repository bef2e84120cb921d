"""`tollgate consumers`: list, show, pause and resume."""

from __future__ import annotations

from typing import Annotated

import typer

from admin import completion
from admin.budgets.status import ConsumerBudgets, all_consumer_budgets, consumer_budgets, state_change
from admin.consumers.view import ConsumerDetails, ConsumerShown, consumers_table, details, details_view, shown
from admin.errors import UsageError
from admin.keys.ledger import all_keys
from admin.operator_ledger import Audit
from admin.output import json_output
from admin.session import Session, session_of

app = typer.Typer(help="Show consumers with their budgets and keys; pause and resume them.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of a consumer in the environment file.", autocompletion=completion.consumers
    ),
]


@app.command("list")
@json_output(ConsumerShown, many=True)
def list_consumers(context: typer.Context) -> None:
    """List consumers with their plan, spend this month, and the budget with the highest share spent.

    Examples:
      tollgate consumers list
      tollgate consumers list --output json
    """
    session = session_of(context)
    now = session.now()
    keys = all_keys(session)
    rows = [
        shown(budgets, [key for key in keys if key.consumer == budgets.consumer], now)
        for budgets in all_consumer_budgets(session)
    ]
    session.output.show(rows, lambda: consumers_table(rows))


@app.command("show")
@json_output(ConsumerDetails)
def show_consumer(context: typer.Context, name: Name) -> None:
    """Show one consumer: policy, limits, budgets, raises, keys, last use.

    Examples:
      tollgate consumers show search
    """
    session = session_of(context)
    budgets = consumer_budgets(session, name)
    keys = all_keys(session, name)
    shown_details = details(session, budgets, keys)
    session.output.show(shown_details, lambda: details_view(budgets, shown_details, keys, session.now()))


@app.command("pause")
@json_output(ConsumerShown)
def pause_consumer(
    context: typer.Context,
    name: Name,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Reason, stored with the status; at most 200 characters.")
    ] = None,
) -> None:
    """Reject all requests of a consumer, within a minute. Its keys do not change.

    To stop one key, use `tollgate keys disable`.

    Examples:
      tollgate consumers pause search --reason "key seen in a public repository" --yes
    """
    session = session_of(context)
    if reason is not None and not (0 < len(reason) <= 200 and reason.isprintable()):
        raise UsageError(
            f"invalid --reason of {len(reason)} characters; accepted: 1 to 200 on one line, without control characters."
        )
    budgets = consumer_budgets(session, name)
    if budgets.paused:
        session.output.say(f"{name} is paused already, since {budgets.state.get('at')}")
    elif not session.output.confirm(f"pause {name}: reject all its requests within a minute"):
        return
    else:
        _switch(session, budgets, "paused", reason)
        session.output.say(f"{name} is paused. The gateway applies it within 60 s. Its API keys stay enabled.")
    _show(session, name)


@app.command("resume")
@json_output(ConsumerShown)
def resume_consumer(context: typer.Context, name: Name) -> None:
    """Accept requests of a paused consumer again, within a minute.

    Examples:
      tollgate consumers resume search
    """
    session = session_of(context)
    budgets = consumer_budgets(session, name)
    if not budgets.paused:
        session.output.say(f"{name} is not paused")
    elif session.output.dry_run:
        session.output.say(f"dry run, nothing done: resume {name}")
        return
    else:
        _switch(session, budgets, "active", None)
        session.output.say(f"{name} is active. The gateway applies it within 60 s.")
    _show(session, name)


def _switch(session: Session, budgets: ConsumerBudgets, status: str, reason: str | None) -> None:
    before = {"status": budgets.state.get("status", "active"), "reason": budgets.state.get("reason")}
    after = {"status": status, "reason": reason}
    action = "consumers.pause" if status == "paused" else "consumers.resume"
    session.ledger.change([state_change(session, budgets, after)], Audit(action, budgets.consumer, before, after))


def _show(session: Session, name: str) -> None:
    row = shown(consumer_budgets(session, name), all_keys(session, name), session.now())
    session.output.show(row, lambda: consumers_table([row]))
