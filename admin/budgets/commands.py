"""`tollgate budgets`: status, forecast and temporary raises."""

from __future__ import annotations

from typing import Annotated

import typer

from admin import completion
from admin.amounts import nano_usd
from admin.budgets.forecast import Forecast, daily_spend, forecasts, forecasts_table
from admin.budgets.raises import clear, raise_by, window_of
from admin.budgets.status import consumer_budgets, selected_budgets
from admin.budgets.view import BudgetShown, budgets_table, shown_budgets
from admin.errors import UsageError
from admin.output import json_output
from admin.session import Session, session_of
from admin.times import future_time
from lambda_src.contract import Window

app = typer.Typer(help="Show and forecast budgets, or raise one temporarily.", no_args_is_help=True)

Consumer = Annotated[
    str | None,
    typer.Argument(
        metavar="CONSUMER",
        help="Only this consumer's budgets. Default: all consumers.",
        autocompletion=completion.consumers,
    ),
]


@app.command("show")
@json_output(BudgetShown, many=True)
def show_budgets(context: typer.Context, consumer: Consumer = None) -> None:
    """Show each budget: spent, held for requests in flight, left, and when its window resets.

    Examples:
      tollgate budgets show
      tollgate budgets show search --output json
    """
    _show(session_of(context), consumer)


def _show(session: Session, consumer: str | None) -> None:
    now = session.now()
    consumers = selected_budgets(session, consumer)
    rows = [row for budgets in consumers for row in shown_budgets(budgets, now)]
    pairs = [(budgets, budget) for budgets in consumers for budget in budgets.budgets(now)]
    session.output.show(rows, lambda: budgets_table(pairs, now))


@app.command("raise")
@json_output(BudgetShown, many=True)
def raise_budget(
    context: typer.Context,
    consumer: Annotated[
        str,
        typer.Argument(metavar="CONSUMER", help="Consumer whose budget to raise.", autocompletion=completion.consumers),
    ],
    usd: Annotated[
        str | None, typer.Option("--usd", metavar="AMOUNT", help="Dollars to add, such as 20 or 0.25.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="End of the raise: 7d, 2026-12-31 (00:00 UTC) or a time.")
    ] = None,
    per: Annotated[
        Window | None, typer.Option(help="Window of the budget. Required if the consumer has several.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--clear", help="End the consumer's raises now; with --per, only those of that budget.")
    ] = False,
) -> None:
    """Raise a consumer's budget temporarily. The gateway applies it within a minute; Terraform's policy stays as it is.

    Raises of one budget add up. A raise that outlasts the window applies in the next window, too.

    Examples:
      tollgate budgets raise support --usd 20 --until 7d
      tollgate budgets raise search --usd 5 --until 2026-12-01 --per day
      tollgate budgets raise search --clear
    """
    session = session_of(context)
    if remove:
        if usd is not None or until is not None:
            raise UsageError("--clear ends raises and takes neither --usd nor --until; remove them.")
        clear(session, consumer_budgets(session, consumer), per)
    elif usd is None or until is None:
        raise UsageError(
            "the amount or the end of the raise is missing; pass --usd AMOUNT and --until TIME, or --clear."
        )
    else:
        budgets = consumer_budgets(session, consumer)
        amount, ends = nano_usd(usd, "--usd"), future_time(until, "--until", session.now())
        raise_by(session, budgets, amount, window_of(budgets, per), ends)
    if not session.output.dry_run:
        _show(session, consumer)


@app.command("forecast")
@json_output(Forecast, many=True)
def forecast_budgets(
    context: typer.Context,
    consumer: Consumer = None,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with 1 if a budget will be exceeded.")] = False,
) -> None:
    """Forecast the spend at the end of each budget's window, at the rate of this window and of the last seven days.

    The rate of a window is used once a tenth of it has passed. A budget will be exceeded if either rate exceeds it.

    Examples:
      tollgate budgets forecast
      tollgate budgets forecast search --fail
    """
    session = session_of(context)
    now = session.now()
    rows = [
        forecast
        for budgets in selected_budgets(session, consumer)
        for forecast in forecasts(budgets, daily_spend(session, budgets.consumer, now), now)
    ]
    session.output.show(rows, lambda: forecasts_table(rows, now))
    if fail and any(forecast.exceeds for forecast in rows):
        raise typer.Exit(1)
