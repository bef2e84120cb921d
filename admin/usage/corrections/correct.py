"""`tollgate usage correct`: brings one request to the cost or the tokens that an operator states."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from admin.amounts import nano_usd
from admin.aws_client import gateway_client
from admin.errors import RefusedError, ServiceError, UsageError
from admin.output import json_output, table
from admin.session import Session, session_of
from admin.usage.corrections.documents import RequestCorrected
from admin.usage.corrections.prices import PRICE_HELP, PriceList, models_of, price_options, token_options
from admin.usage.corrections.reprice import REASON_LENGTH
from admin.usage.corrections.rows import CorrectedRow, Note, Target
from admin.usage.find import ItsConsumer, ItsDay, LogsSince, RequestId, find_request
from lambda_src.contract import ACCOUNT_SK, account_pk
from lambda_src.core.account import Account
from lambda_src.core.booking import Booking, book
from lambda_src.core.fees import within
from lambda_src.core.pricing import usd
from lambda_src.core.usage_record import TOKEN_FIELDS


@json_output(RequestCorrected)
def correct(
    context: typer.Context,
    request_id: RequestId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; stored in the correction and the audit log.")],
    cost: Annotated[
        str | None, typer.Option(metavar="USD", help="What the request costs, not a difference; 0 refunds it.")
    ] = None,
    tokens: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=COUNT",
            help="Tokens of a class, not a difference, such as output=900; repeat it for others. Classes that are not "
            "named stay. Without --cost, the request costs what these tokens cost.",
        ),
    ] = None,
    price: Annotated[list[str] | None, typer.Option(metavar="CLASS=USD", help=f"{PRICE_HELP} Not with --cost.")] = None,
    since: LogsSince = "7d",
    consumer: ItsConsumer = None,
    day: ItsDay = None,
) -> None:
    """Correct the cost or the tokens of one request.

    Pass the right cost with --cost, or the right tokens with --tokens, which are then priced for the request's own time
    and service tier. Both are absolute: running the same command twice books one correction. Asks before it books
    anything.

    The correction is a difference beside the usage row, which never changes. It moves the rollup of the request's day
    and the budget windows that the account still counts, within seconds. Tokens and requests per minute do not change.
    A refund does not repeat budget events of the window. A later replay keeps the corrected cost. The stack's operator
    policy does not allow writing costs: use the credentials that deploy the stack.

    Examples:
      tollgate usage correct JKJaXmPLvHcESHA= --cost 0 --reason "provider refunded the outage of 20 November"
      tollgate usage correct JKJaXmPLvHcESHA= --tokens input=1200 --tokens output=90 --reason "provider's usage page"
      tollgate usage correct JKJaXmPLvHcESHA= --consumer search --day 2026-03-01 --cost 0.42 --reason "invoice 1234"
    """
    session = session_of(context)
    if not 0 < len(reason.strip()) <= REASON_LENGTH:
        raise UsageError(f"--reason has {len(reason.strip())} characters; accepted: 1 to {REASON_LENGTH}.")
    stated = None if cost is None else nano_usd(cost, "--cost", zero=True)
    counts, prices = token_options(tokens or []), price_options(price or [])
    if stated is None and not counts and not prices:
        raise UsageError("nothing to correct: pass --cost, --tokens or --price.")
    if stated is not None and prices:
        raise UsageError("--cost and --price both give the cost; pass one of them.")
    row = find_request(session, request_id, since, consumer, day).row
    if row is None:
        raise RefusedError(f"request {request_id} is not in the ledger: book it with `tollgate logs replay` first.")
    target = _target(session, row, stated, counts, prices)
    document = _document(session, row, target)
    if session.output.form == "table":
        session.output.show(document, lambda: _table(document))
    if target.reached(row):
        session.output.say(f"request {request_id} already costs {document.new_usd} USD; nothing to correct")
    elif session.output.confirm(
        f"Correct {request_id} of {document.consumer} from {document.old_usd} to {document.new_usd} USD "
        f"(difference {document.difference_usd})?"
    ):
        _book(session, row, target, reason.strip())
        document = replace(document, booked=True)
        session.output.say(f"done: {request_id} costs {document.new_usd} USD")
    if session.output.form == "json":
        session.output.show_json(document)


def _target(
    session: Session, row: CorrectedRow, stated: int | None, counts: Mapping[str, int], prices: Mapping[str, int]
) -> Target:
    after = replace(row.tokens, **counts)
    if stated is not None:
        return Target(cost=stated, tokens=after, fees=within(row.fees, stated), method="cost")
    if row.held_amount and not counts:
        raise RefusedError(
            f"request {row.request_id} was charged its held amount, because its tokens are unknown. Pass --tokens or "
            "--cost."
        )
    models = models_of(session)
    price_list = PriceList(model=models.get(row.model), models=models.values(), stated=prices)
    target = price_list.target(row, after, "tokens" if counts else "prices")
    if isinstance(target, str):
        raise RefusedError(f"request {row.request_id} cannot be priced: it is {target}. Or pass --cost.")
    return target


def _document(session: Session, row: CorrectedRow, target: Target) -> RequestCorrected:
    account = Account(session.ledger.get(account_pk(str(row.item["consumer"])), ACCOUNT_SK))
    difference = target.cost - row.cost
    booking = Booking(at_ms=row.at_ms, ended=None, spent=difference)
    moved = book([booking], account, int(session.now().timestamp() * 1000), {}).adds
    return RequestCorrected(
        request_id=row.request_id,
        consumer=str(row.item["consumer"]),
        key_id=row.key_id,
        model=row.model,
        day=row.day,
        settlement=str(row.item.get("settlement", "-")),
        booked_usd=usd(row.booked),
        booked_nano_usd=row.booked,
        old_usd=usd(row.cost),
        old_nano_usd=row.cost,
        new_usd=usd(target.cost),
        new_nano_usd=target.cost,
        difference_usd=usd(difference),
        difference_nano_usd=difference,
        tokens={
            name: change
            for name in TOKEN_FIELDS.values()
            if (change := getattr(target.tokens, name) - getattr(row.tokens, name))
        },
        price_version=target.price_version,
        booked_price_version=row.item.get("price_version"),
        windows=[name[2:].replace("|", " ") for name in moved if name.startswith("s|")] if difference else [],
        booked=False,
    )


def _book(session: Session, row: CorrectedRow, target: Target, reason: str) -> None:
    from admin.usage.corrections.ledger import SECONDS_PER_CORRECTION, CorrectionLedger
    from lambda_src.edges.aws import AwsError

    ledger = CorrectionLedger(gateway_client(session), session.config.table, session.now)
    note = Note(reason=reason, by=session.identity, at=session.now(), run=secrets.token_hex(6))
    deadline = time.monotonic() + SECONDS_PER_CORRECTION
    try:
        if ledger.book(row, target, note, "usage.correct", deadline):
            return
        current = ledger.read(row, deadline)
    except AwsError as error:
        raise ServiceError(
            f"{error}\nThe correction may or may not be booked. Run the same command again: it books it at most once."
        ) from None
    if current is None or not target.reached(current):
        raise RefusedError(
            f"request {row.request_id} was changed at the same time, by another correction or a replay; nothing was "
            f"booked. Look at it with `tollgate usage show {row.request_id}`, and run the command again if you still "
            "need to."
        )


def _table(document: RequestCorrected) -> Any:
    shown = {
        "request": document.request_id,
        "consumer": document.consumer,
        "day": document.day,
        "model": document.model,
        "key": document.key_id,
        "settlement": document.settlement,
        "booked USD": document.booked_usd,
        "old USD": document.old_usd,
        "new USD": document.new_usd,
        "difference USD": document.difference_usd,
        **{f"{name} tokens": f"{change:+,}" for name, change in document.tokens.items()},
        "prices": _versions(document),
        "budget windows": ", ".join(document.windows) or "none",
    }
    return table("", ("field", "value"), list(shown.items()))


def _versions(document: RequestCorrected) -> str:
    old, new = document.booked_price_version or "unknown", document.price_version
    if new is None:
        return "none: the cost is stated"
    return new if new == old else f"{new} (the gateway charged at {old})"
