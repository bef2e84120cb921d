"""`tollgate budgets`: where they stand, where they are going, and a temporary raise."""

from __future__ import annotations

from typing import Annotated

import typer

from admin.budgets.forecast import Forecast, daily_spend, forecasts, forecasts_table
from admin.budgets.raises import amount_of, clear, raise_by, window_of
from admin.budgets.status import chosen, standing
from admin.budgets.view import BudgetShown, budgets_table, shown_budgets
from admin.errors import UsageError
from admin.output import shows
from admin.session import Session, session_of
from admin.times import later
from lambda_src.contract import Window

app = typer.Typer(help="Where budgets stand, and raising one for a while.", no_args_is_help=True)

Consumer = Annotated[str | None, typer.Argument(metavar="CONSUMER", help="Only this one's. Default: all.")]


@app.command("show")
@shows(BudgetShown, many=True)
def show_budgets(context: typer.Context, consumer: Consumer = None) -> None:
    """Budgets with what is spent, held for requests in flight and left, and when they are whole again.

    Examples:

      tollgate budgets show

      tollgate budgets show search --output json
    """
    _show(session_of(context), consumer)


def _show(session: Session, consumer: str | None) -> None:
    now = session.now()
    found = chosen(session, consumer)
    told = [budget for each in found for budget in shown_budgets(each, now)]
    session.output.show(told, lambda: budgets_table([(each, one) for each in found for one in each.budgets(now)], now))


@app.command("raise")
@shows(BudgetShown, many=True)
def raise_budget(
    context: typer.Context,
    consumer: Annotated[str, typer.Argument(metavar="CONSUMER", help="Whose budget.")],
    usd: Annotated[
        str | None, typer.Option("--usd", metavar="AMOUNT", help="Dollars to add, exact: 20 or 0.25.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="When it ends: 7d, 2026-12-31 (its first moment, UTC) or a time.")
    ] = None,
    per: Annotated[
        Window | None, typer.Option(help="Which budget, by its window. Needed where the consumer has several.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--clear", help="End the consumer's raises now (with --per: of that budget alone).")
    ] = False,
) -> None:
    """Add dollars to a consumer's budget for a while; the gateway knows within a minute. Terraform's policy stays.

    Raises of one budget add up. Where one outlasts the window, it holds in the next one too.

    Examples:

      tollgate budgets raise support --usd 20 --until 7d

      tollgate budgets raise search --usd 5 --until 2026-12-01 --per day

      tollgate budgets raise search --clear
    """
    session = session_of(context)
    if remove:
        if usd is not None or until is not None:
            raise UsageError("--clear ends raises; give no --usd and --until beside it.")
        clear(session, standing(session, consumer), per)
    elif usd is None or until is None:
        raise UsageError("give --usd AMOUNT and --until WHEN, or --clear.")
    else:
        found = standing(session, consumer)
        amount, ends = amount_of(usd), later(until, "--until", session.now())
        raise_by(session, found, amount, window_of(found, per), ends)
    if not session.output.dry_run:
        _show(session, consumer)


@app.command("forecast")
@shows(Forecast, many=True)
def forecast_budgets(
    context: typer.Context,
    consumer: Consumer = None,
    fail: Annotated[bool, typer.Option("--fail", help="End with exit code 1 if a budget will be exceeded.")] = False,
) -> None:
    """What will be spent when each budget's window ends, at the pace of this window and of the last seven days.

    The pace of a window counts once a tenth of it is over. A budget will be exceeded if either pace says so.

    Examples:

      tollgate budgets forecast

      tollgate budgets forecast search --fail
    """
    session = session_of(context)
    now = session.now()
    told = [
        each
        for found in chosen(session, consumer)
        for each in forecasts(found, daily_spend(session, found.consumer, now), now)
    ]
    session.output.show(told, lambda: forecasts_table(told, now))
    if fail and any(each.exceeds for each in told):
        raise typer.Exit(1)
