"""`tollgate usage tail` and `usage show`: follow requests, and show one in full."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from admin import completion
from admin.errors import RefusedError, UsageError
from admin.formatting import milliseconds
from admin.keys.ledger import keys_of
from admin.logs.replay import NOBODY
from admin.output import json_output, json_text, printable, table
from admin.report.period import Period
from admin.report.rollups import select_consumers
from admin.session import Session, session_of
from admin.times import DURATION_FORMAT, duration
from admin.usage.names import check_model
from admin.usage.requests import RequestDetails, request
from lambda_src.contract import (
    ROUTES,
    SK,
    SWEEP_MINUTES,
    log_group,
    usage_pk,
    usage_sk,
)
from lambda_src.core.windows import utc_datetime

POLL_SECONDS: Final = 2.0
_LATE: Final = timedelta(seconds=30)
"""How late a line may arrive after its time; lines seen before are recognized by their event id."""
_ID: Final = re.compile(r"[A-Za-z0-9_=+/-]{6,128}")
_FAILED: Final = 400
_GATEWAY_PATHS: Final = frozenset(path for route in ROUTES for path in route.paths)


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
                    yield request(line)
        since = max(since, polled_at - _LATE)
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
    return printable(
        f"{details.time[11:23]} {details.status:>3} {details.consumer:<16} {model:<22} {tokens:>14} "
        f"{details.usd:>12} USD {milliseconds(details.latency_ms):>8}  {outcome:<10} {details.request_id}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestShown:
    """One request in full.

    request: the request from its usage row, or from the usage log if it has no row.
    key_name: CONSUMER/LABEL of its key; null if the ledger does not know the key.
    booked: whether the ledger has a row of it.
    access: API Gateway's access log line of the request; null if it has expired or has not arrived yet.
    """

    request: RequestDetails
    key_name: str | None
    booked: bool
    access: dict[str, Any] | None


@json_output(RequestShown)
def show(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="x-tollgate-request-id of the response.")],
    since: Annotated[
        str, typer.Option(metavar="DURATION", help=f"How far back to search the logs: {DURATION_FORMAT}.")
    ] = "7d",
    consumer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Its consumer, if the logs have expired.", autocompletion=completion.consumers
        ),
    ] = None,
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="Its UTC day, such as 2026-11-23; with --consumer.")
    ] = None,
) -> None:
    """Show one request: its usage row and its access log line.

    The consumer and the day come from the logs. The ledger keeps rows longer than the logs: pass --consumer and --day
    for a request whose log lines have expired.

    Examples:
      tollgate usage show JKJaXmPLvHcESHA=
      tollgate usage show JKJaXmPLvHcESHA= --consumer search --day 2026-03-01
    """
    session = session_of(context)
    if not _ID.fullmatch(request_id):
        raise UsageError(
            f"invalid request id {request_id!r}; accepted: the x-tollgate-request-id header of a response."
        )
    if (consumer is None) != (day is None):
        raise UsageError("--consumer and --day name one partition of the ledger; pass both or neither.")
    if consumer is not None and day is not None:
        _check_day(day)
        shown = _in_partition(session, request_id, consumer, day)
    else:
        shown = _in_logs(session, request_id, session.now() - duration(since, "--since"))
    session.output.show(shown, render=lambda: _table(shown))


def _check_day(day: str) -> None:
    """Raise UsageError unless `day` is spelled as in the ledger."""
    try:
        valid = date.fromisoformat(day).isoformat() == day
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"invalid --day {day!r}; accepted: a UTC day such as 2026-11-23.")


def _in_partition(session: Session, request_id: str, consumer: str, day: str) -> RequestShown:
    """The request from the rows of that day, without the logs."""
    session.policy(consumer)
    for row in session.ledger.query(usage_pk(consumer, day)):
        if str(row[SK]).endswith(f"#{request_id}"):
            return _shown(session, request(row), booked=True, access=None)
    raise RefusedError(f"{consumer} has no request {request_id} on {day} (UTC). Check the day and the consumer.")


def _in_logs(session: Session, request_id: str, since: datetime) -> RequestShown:
    from admin.logs.insights import run_query

    # request_id is an indexed field of the first two groups, so the query reads, and is billed for, few lines.
    groups = [log_group(session.environment, log) for log in ("usage", "access", "sweeper")]
    until = session.now() + _LATE
    rows, _ = run_query(session, f'fields @message | filter request_id = "{request_id}"', groups, since, until, 20)
    lines = [json.loads(row["@message"]) for row in rows]
    access = next((line for line in lines if "kind" not in line), None)
    usage = _definitive([line for line in lines if line.get("kind") == "usage"])
    if usage is None:
        raise RefusedError(_not_found(session, request_id, access))
    logged = request(usage)
    row = session.ledger.get(usage_pk(logged.consumer, logged.time[:10]), usage_sk(int(usage["at_ms"]), request_id))
    logged_only = {name: usage.get(name) for name in ("error_message", "trace_id", "w3c_trace_id")}
    return _shown(session, request({**row, **logged_only}) if row else logged, booked=bool(row), access=access)


def _shown(session: Session, details: RequestDetails, booked: bool, access: dict[str, Any] | None) -> RequestShown:
    name = next((key.name for key in keys_of(session, [details.key_id])), None)
    return RequestShown(request=details, key_name=name, booked=booked, access=access)


def _definitive(lines: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The gateway's line, if there is one, else the sweeper's."""
    return min(lines, key=lambda line: line.get("settlement") == "unsettled", default=None)


def _not_found(session: Session, request_id: str, access: dict[str, Any] | None) -> str:
    if access is None:
        return (
            f"no request {request_id} in the logs of {session.environment} (a new one takes a few seconds to appear). "
            "Search further back with --since 30d, or pass --consumer and --day."
        )
    who = f"key {access.get('key_id')}, {access.get('method')} {access.get('path')}"
    reason = str(access.get("error_type") or "-")
    answered = f"request {request_id} has no usage line: API Gateway answered {access.get('status')}"
    if reason.startswith("INTEGRATION_"):
        return (
            f"{answered} ({reason}) because its function failed or timed out; {who}. If money was held for it, the "
            f"sweeper books it within {session.config.hold_seconds // 60 + SWEEP_MINUTES + 1} minutes; try again then."
        )
    if reason != "-":
        return f"{answered} ({reason}) before any function saw it; {who}."
    if access.get("path") in _GATEWAY_PATHS:
        return f"{answered} from the gateway, whose usage line takes a few seconds to appear; {who}. Try again."
    return f"{answered} from a function of your own, whose requests have no usage lines; {who}."


def _table(shown: RequestShown) -> Any:
    rows = [(name, value) for name, value in asdict(shown.request).items() if value not in (None, 0, {}, "")]
    rows.append(("key_name", shown.key_name or "not in the ledger"))
    rows.append(("booked", "yes" if shown.booked else "no: replay it with `tollgate logs replay`"))
    access = {name: _readable(name, value) for name, value in (shown.access or {}).items()}
    rows += [(f"access {name}", value) for name, value in access.items() if value not in (None, "-")]
    cells = ((name, json.dumps(value) if isinstance(value, dict) else value) for name, value in rows)
    return table(f"request {shown.request.request_id}", ("field", "value"), cells)


def _readable(name: str, value: object) -> object:
    """A member of an access log line, with its time in ISO 8601."""
    if name == "time" and str(value).isdecimal():
        return utc_datetime(int(str(value))).isoformat(timespec="milliseconds")
    return value
