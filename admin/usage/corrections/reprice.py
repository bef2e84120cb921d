"""`tollgate usage reprice`: brings requests of a model to other prices."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import typer

from admin import completion
from admin.aws_client import gateway_client
from admin.errors import RefusedError, ServiceError, UsageError, unknown
from admin.formatting import counted, signed_money
from admin.output import json_output, table
from admin.report import rollups
from admin.report.period import SINCE_HELP, UNTIL_HELP, Period, parse_period
from admin.session import Session, session_of
from admin.usage.corrections.documents import RepricedGroup, Repricing, repriced_group
from admin.usage.corrections.prices import PRICE_HELP, PriceList, models_of, price_options
from admin.usage.corrections.rows import CorrectedRow, Note, Target, corrected_rows
from admin.usage.names import check_model
from lambda_src.contract import STANDARD_TIER
from lambda_src.core.pricing import usd

REASON_LENGTH: Final = 500
_HELD: Final = "charged at the held amount, since their tokens are unknown: use `usage correct`"
_STATED: Final = "whose cost was stated with `usage correct --cost`"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Selection:
    """The requests to reprice, and their prices. days: by consumer."""

    model: str
    prices: PriceList
    provider: str | None
    days: dict[str, list[str]]

    def rows(self, session: Session) -> Iterator[CorrectedRow]:
        """The requests, by consumer and time."""
        for consumer, days in self.days.items():
            for day in days:
                for row in corrected_rows(session.ledger.usage_rows(consumer, day), session.now()):
                    if row.model == self.model and self.provider in (None, row.item.get("provider")):
                        yield row

    def target(self, row: CorrectedRow) -> Target | str:
        """The new cost of a request, or the reason why it is not repriced."""
        if row.stated_cost:
            return _STATED
        return _HELD if row.held_amount else self.prices.target(row, row.tokens, "prices")


@dataclass(slots=True)
class _Plan:
    """Old and new costs of the requests to correct, by consumer, day and key."""

    changes: dict[tuple[str, str, str], list[tuple[int, int]]] = field(default_factory=dict)
    unchanged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


@json_output(Repricing)
def reprice(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="DAY", help=SINCE_HELP)],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Requests for this model.", autocompletion=completion.models)
    ],
    until: Annotated[str | None, typer.Option(metavar="DAY", help=UNTIL_HELP)] = None,
    provider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only requests to this provider.", autocompletion=completion.providers),
    ] = None,
    consumer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this consumer.", autocompletion=completion.consumers)
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=USD", help=f"{PRICE_HELP} Default: all of the environment's prices."),
    ] = None,
    service_tier: Annotated[
        str, typer.Option(metavar="NAME", help="Service tier that --price is of; requests of other tiers are skipped.")
    ] = STANDARD_TIER,
    above: Annotated[
        int,
        typer.Option(
            min=0, metavar="TOKENS", help="Context step of the model's prices that --price is of; others are skipped."
        ),
    ] = 0,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why; stored in every correction. Default: the prices.")
    ] = None,
) -> None:
    """Correct the cost of a model's requests in a period, at other prices.

    Without --price, each request is repriced at the environment's prices at its own time, for example after a wrong
    price in the environment file was fixed and deployed. With --price, the named classes have the stated price.

    Prints requests, old cost, new cost and difference by consumer, day and key, and asks before it books anything; a
    dry run ends there. Each request is corrected by one transaction, and a request that costs the right amount is not
    corrected again: after an interruption, run the same command again. It skips requests whose tokens are unknown and
    those whose cost was stated with `usage correct --cost`.

    Corrections are differences beside the usage rows, which never change. They move the rollup of the request's day and
    the budget windows that the account still counts, and appear as corrections in reports and exports. The stack's
    operator policy does not allow writing costs: use the credentials that deploy the stack.

    Examples:
      tollgate --dry-run usage reprice --since 2026-11-01 --model gpt-5
      tollgate usage reprice --since 2026-11 --until 2026-11 --model gpt-5 --price input=1.25 --price output=10
      tollgate usage reprice --since 7d --model gpt-5 --consumer search --reason "price list of 20 November"
    """
    session = session_of(context)
    if reason is not None and not 0 < len(reason.strip()) <= REASON_LENGTH:
        raise UsageError(f"--reason has {len(reason)} characters; accepted: 1 to {REASON_LENGTH}.")
    days = parse_period(since, until, session.now().date())
    selection = _selection(session, days, model, provider, consumer, price or [], service_tier, above)
    plan = _plan(session, selection)
    document = _document(days, selection, plan)
    count, change = document.total.requests, document.total.difference_nano_usd
    if session.output.form == "table":
        session.output.show(document, lambda: _table(document))
    booked: list[int] = []
    if not count:
        session.output.say("nothing to correct")
    elif session.output.confirm(
        f"Correct {counted(count, 'request')} of {model} by {usd(change)} USD ({signed_money(change)})?"
    ):
        note = Note(
            reason=reason or f"repriced at {selection.prices.words}",
            by=session.identity,
            at=session.now(),
            run=secrets.token_hex(6),
        )
        _apply(session, selection, note, count, booked)
    if session.output.form == "json":
        total = sum(booked)
        session.output.show_json(replace(document, booked=len(booked), booked_usd=usd(total), booked_nano_usd=total))


def _selection(
    session: Session,
    days: Period,
    model: str,
    provider: str | None,
    consumer: str | None,
    price: Sequence[str],
    service_tier: str,
    above: int,
) -> _Selection:
    check_model(session, model, consumer, days)
    models = models_of(session)
    stated = price_options(price)
    if not stated and (above or service_tier != STANDARD_TIER):
        raise UsageError("--service-tier and --above say what --price is of; pass --price, or leave them out.")
    prices = PriceList(model=models.get(model), models=models.values(), stated=stated, tier=service_tier, above=above)
    if prices.model is None and not stated:
        raise RefusedError(f"the environment has no model {model!r} any more, so it has no prices. Pass --price.")
    if provider is not None and provider not in session.config.providers:
        raise unknown("provider", provider, session.config.providers, list_command="tollgate providers list")
    per_consumer = {}
    for name in rollups.select_consumers(session, consumer):
        by_model = rollups.group_by(lambda key: (key.day, key.model))
        (used,) = rollups.read_totals(session.ledger, [name], [days], [by_model])
        per_consumer[name] = sorted(day for day, used_model in used if used_model == model)
    return _Selection(model=model, prices=prices, provider=provider, days=per_consumer)


def _plan(session: Session, selection: _Selection) -> _Plan:
    plan = _Plan()
    for row in selection.rows(session):
        target = selection.target(row)
        if isinstance(target, str):
            plan.skipped[target] += 1
        elif target.reached(row):
            plan.unchanged += 1
        else:
            group = plan.changes.setdefault((str(row.item["consumer"]), row.day, row.key_id), [])
            group.append((row.cost, target.cost))
    return plan


def _document(days: Period, selection: _Selection, plan: _Plan) -> Repricing:
    return Repricing(
        model=selection.model,
        since=days.first.isoformat(),
        until=days.last.isoformat(),
        prices=selection.prices.words,
        rows=[
            repriced_group(changes, consumer=consumer, day=day, key=key)
            for (consumer, day, key), changes in sorted(plan.changes.items())
        ],
        total=repriced_group(pair for changes in plan.changes.values() for pair in changes),
        unchanged=plan.unchanged,
        skipped=dict(plan.skipped),
        booked=0,
        booked_usd="0",
        booked_nano_usd=0,
    )


def _table(document: Repricing) -> Any:
    from rich.console import Group

    def cells(group: RepricedGroup) -> list[str]:
        return [f"{group.requests:,}", group.old_usd, group.new_usd, group.difference_usd]

    numbers = ("requests", "old USD", "new USD", "difference USD")
    rows = [[group.consumer or "", group.day or "", group.key or "", *cells(group)] for group in document.rows]
    title = f"{document.model} at {document.prices}, {document.since} to {document.until} (UTC)"
    lines = [f"{counted(document.unchanged, 'request')} cost the same"] if document.unchanged else []
    lines += [f"not repriced: {counted(count, 'request')} {reason}" for reason, count in document.skipped.items()]
    total = ["total", "", "", *cells(document.total)]
    return Group(table(title, ("consumer", "day", "key", *numbers), rows, right=numbers, total=total), *lines)


def _apply(session: Session, selection: _Selection, note: Note, count: int, booked: list[int]) -> None:
    """Book the corrections, and append the difference of each to `booked`."""
    from admin.usage.corrections.ledger import CorrectionLedger
    from lambda_src.edges.aws import AwsError

    ledger = CorrectionLedger(gateway_client(session), session.config.table, session.now)
    try:
        for row in selection.rows(session):
            difference = ledger.bring_to(row, selection.target, note, "usage.reprice")
            if difference is not None:
                booked.append(difference)
                if len(booked) % 1_000 == 0:
                    session.output.say(f"{len(booked):,} of {count:,} requests corrected")
    except AwsError as error:
        raise ServiceError(
            f"{error}\n{_done(booked)} before it stopped. Run the same command again for the others."
        ) from None
    except KeyboardInterrupt:
        session.output.say(f"{_done(booked)} before Ctrl-C. Run the same command again for the others.")
        raise
    session.output.say(f"done: {_done(booked)}")


def _done(booked: Sequence[int]) -> str:
    return f"corrected {counted(len(booked), 'request')} by {usd(sum(booked))} USD"
