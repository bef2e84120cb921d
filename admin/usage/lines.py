"""`tollgate usage tail` and `usage show`: follow requests, and show one in full."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from admin import completion
from admin.formatting import milliseconds
from admin.keys.ledger import keys_of
from admin.keys.view import short_arn
from admin.logs.replay import NOBODY
from admin.output import json_output, json_text, printable, table
from admin.report.period import Period
from admin.report.rollups import select_consumers
from admin.session import Session, session_of
from admin.times import DURATION_FORMAT, duration
from admin.usage.corrections.documents import CorrectionShown, correction_shown
from admin.usage.find import LATE, ItsConsumer, ItsDay, LogsSince, RequestId, find_request
from admin.usage.names import check_model
from admin.usage.requests import RequestDetails, request
from lambda_src.core.pricing import usd
from lambda_src.core.windows import utc_datetime
from lambda_src.resource_names import log_group

POLL_SECONDS: Final = 2.0
_FAILED: Final = 400


@json_output(RequestDetails, many=True)
def tail(
    context: typer.Context,
    consumer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this consumer.", autocompletion=completion.consumers)
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this model.", autocompletion=completion.models)
    ] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only requests that failed or were rejected (status 400 and up).")
    ] = False,
    since: Annotated[str, typer.Option(metavar="DURATION", help=f"Start this long ago: {DURATION_FORMAT}.")] = "1m",
) -> None:
    """Follow the usage log: one line per request as it arrives, until Ctrl-C. With --output json, one object per line.

    A line ends with the cost, the time to the first byte of a stream, the time to the end of the response, the outcome
    and the request id.
    Includes requests that never ended and that the sweeper books.

    Examples:
      tollgate usage tail --consumer search
      tollgate usage tail --errors --since 1h
      tollgate --output json usage tail | jq .usd
    """
    session = session_of(context)
    first = session.now() - duration(since, "--since")
    whose = None if consumer == NOBODY else consumer
    if whose is not None:
        select_consumers(session, whose)
    check_model(session, model, whose, Period(first.date(), session.now().date()))
    session.output.say(f"following {log_group(session.environment, 'usage')}; press Ctrl-C to stop")
    for details in _followed(session, first):
        filtered_out = (
            consumer not in (None, details.consumer),
            model not in (None, details.model),
            errors and details.status < _FAILED,
        )
        if not any(filtered_out):
            _print(session, details)


def _followed(session: Session, since: datetime) -> Iterator[RequestDetails]:
    """Every request logged from `since` on, once each, without end."""
    seen: dict[tuple[str, str], int] = {}
    while True:
        polled_at = session.now()
        for group, event in _events(session, since):
            if (group, event["eventId"]) not in seen:
                seen[group, event["eventId"]] = event["timestamp"]
                if (line := _usage_line(event["message"])) is not None:
                    yield request(session.ledger.names.shown(line))
        since = max(since, polled_at - LATE)  # late lines seen before are recognized by their event id
        seen = {name: at for name, at in seen.items() if at >= since.timestamp() * 1000}
        time.sleep(POLL_SECONDS)


def _events(session: Session, since: datetime) -> Iterator[tuple[str, Any]]:
    """Events with the name of their log group."""
    start = int(since.timestamp() * 1000)
    for group in (log_group(session.environment, "usage"), log_group(session.environment, "sweeper")):
        pages = session.logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start)
        yield from ((group, event) for page in pages for event in page["events"])


def _usage_line(message: str) -> dict[str, Any] | None:
    try:
        line = json.loads(message)
    except ValueError:
        return None  # lines that Lambda itself writes
    return line if isinstance(line, dict) and line.get("kind") == "usage" else None


def _print(session: Session, details: RequestDetails) -> None:
    if session.output.form == "json":
        print(json_text(asdict(details)))
    else:
        from rich.text import Text

        style = "red" if details.status >= 500 else "yellow" if details.status >= _FAILED else ""
        line, console = _line(details), session.output.stdout
        if console.is_terminal and console.width < len(line):  # the terminal would break it within a number
            line = " ".join(line.split())
        console.print(Text(line, style=style), soft_wrap=True)
    sys.stdout.flush()


def _line(details: RequestDetails) -> str:
    """One terminal line about a request."""
    tokens = f"{details.tokens_in:,}→{details.tokens_out:,}"
    model, outcome = details.model or details.model_asked or "-", details.error_code or details.settlement or ""
    first_byte, complete = milliseconds(details.first_byte_ms), milliseconds(details.latency_ms)
    return printable(
        f"{details.time[11:23]} {details.status:>3} {details.consumer:<16} {model:<22} {tokens:>14} "
        f"{details.usd:>12} USD {first_byte:>8} {complete:>8}  {outcome:<10} {details.request_id}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestShown:
    """One request in full.

    request: the request from its usage row, or from the usage log if it has no row, as it was booked.
    corrections: corrections of its cost and tokens.
    corrected_usd: its cost with all corrections, as an exact decimal in dollars.
    corrected_nano_usd: the same as an integer of 10⁻⁹ dollars.
    key_name: CONSUMER/LABEL of its key; null if the ledger does not know the key.
    booked: whether the ledger has a row of it.
    access: API Gateway's access log line of the request; null if it has expired or has not arrived yet.
    """

    request: RequestDetails
    corrections: list[CorrectionShown]
    corrected_usd: str
    corrected_nano_usd: int
    key_name: str | None
    booked: bool
    access: dict[str, Any] | None


@json_output(RequestShown)
def show(
    context: typer.Context,
    request_id: RequestId,
    since: LogsSince = "7d",
    consumer: ItsConsumer = None,
    day: ItsDay = None,
) -> None:
    """Show one request: its usage row, its corrections and its access log line.

    The consumer and the day come from the logs. The ledger keeps rows longer than the logs: pass --consumer and --day
    for a request whose log lines have expired.

    Examples:
      tollgate usage show JKJaXmPLvHcESHA=
      tollgate usage show JKJaXmPLvHcESHA= --consumer search --day 2026-03-01
    """
    session = session_of(context)
    found = find_request(session, request_id, since, consumer, day)
    line = found.line or {}
    logged_only = {name: line.get(name) for name in ("error_message", "trace_id", "w3c_trace_id")}
    details = request(line if found.row is None else {**found.row.item, **logged_only})
    cost = details.nano_usd if found.row is None else found.row.cost
    shown = RequestShown(
        request=details,
        corrections=[] if found.row is None else [correction_shown(item) for item in found.row.corrections],
        corrected_usd=usd(cost),
        corrected_nano_usd=cost,
        key_name=next((key.name for key in keys_of(session, [details.key_id])), None),
        booked=found.row is not None,
        access=found.access,
    )
    session.output.show(shown, render=lambda: _table(shown))


def _table(shown: RequestShown) -> Any:
    rows = [(name, value) for name, value in asdict(shown.request).items() if value not in (None, 0, {}, "")]
    rows.append(("key_name", shown.key_name or "not in the ledger"))
    rows.append(("booked", "yes" if shown.booked else "no: replay it with `tollgate logs replay`"))
    for item in shown.corrections:
        tokens = "".join(f", {name} {count:+,} tokens" for name, count in item.tokens.items())
        words = f"{item.usd} USD{tokens}: {item.reason} ({short_arn(item.by)}, {item.at})"
        rows.append((f"correction {item.number}", words))
    if shown.corrections:
        rows.append(("corrected_usd", shown.corrected_usd))
    access = {name: _readable(name, value) for name, value in (shown.access or {}).items()}
    rows += [(f"access {name}", value) for name, value in access.items() if value not in (None, "-")]
    cells = ((name, json.dumps(value) if isinstance(value, dict) else value) for name, value in rows)
    return table(f"request {shown.request.request_id}", ("field", "value"), cells)


def _readable(name: str, value: object) -> object:
    """A member of an access log line, with its time in ISO 8601."""
    if name == "time" and str(value).isdecimal():
        return utc_datetime(int(str(value))).isoformat(timespec="milliseconds")
    return value
