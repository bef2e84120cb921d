"""`tollgate usage tail` and `usage show`: requests as they come, and one of them in full."""

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

from admin.errors import RefusedError, UsageError
from admin.formatting import milliseconds
from admin.logs.replay import NOBODY
from admin.output import control_free, shows, table
from admin.report.period import Period
from admin.report.rollups import chosen
from admin.session import Session, session_of
from admin.times import SPAN_WORDS, span
from admin.usage.names import known_model
from admin.usage.requests import RequestDetails, request
from lambda_src.contract import (
    ROUTES,
    SK,
    SWEEP_MINUTES,
    access_log_group,
    gateway_log_group,
    sweeper_log_group,
    usage_pk,
    usage_sk,
)
from lambda_src.core.windows import moment

POLL_SECONDS: Final = 2.0
_LATE: Final = timedelta(seconds=30)
"""How long after its time a line may still come in; lines seen before are told apart by their event id."""
_ID: Final = re.compile(r"[A-Za-z0-9_=+/-]{6,128}")
_FAILED: Final = 400
_OURS: Final = frozenset(route.path for route in ROUTES)


@shows(RequestDetails, many=True)
def tail(
    context: typer.Context,
    consumer: Annotated[str | None, typer.Option(metavar="NAME", help="This consumer alone.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="This model alone.")] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="What failed or was refused alone (status 400 and up).")
    ] = False,
    since: Annotated[str, typer.Option(metavar="SPAN", help=f"Begin so long ago: {SPAN_WORDS}.")] = "1m",
) -> None:
    """Follow the usage log: a line per request as it comes, until Ctrl-C. With --output json one object per line.

    What the sweeper books of requests whose end nobody saw is among them.

    Examples:

      tollgate usage tail --consumer search

      tollgate usage tail --errors --since 1h

      tollgate --output json usage tail | jq .usd
    """
    session = session_of(context)
    first = session.now() - span(since, "--since")
    whose = None if consumer == NOBODY else consumer
    if whose is not None:
        chosen(session, whose)
    known_model(session, model, whose, Period(first.date(), session.now().date()))
    session.output.say(f"following {gateway_log_group(session.environment)}; Ctrl-C ends it")
    for found in _following(session, first):
        unwanted = (
            consumer not in (None, found.consumer),
            model not in (None, found.model),
            errors and found.status < _FAILED,
        )
        if not any(unwanted):
            _tell(session, found)


def _following(session: Session, since: datetime) -> Iterator[RequestDetails]:
    """Every usage line from then on, without end, each once."""
    seen: dict[tuple[str, str], int] = {}
    while True:
        asked = session.now()
        for group, event in _events(session, since):
            if (group, event["eventId"]) not in seen:
                seen[group, event["eventId"]] = event["timestamp"]
                if (line := _usage_line(event["message"])) is not None:
                    yield request(line)
        since = max(since, asked - _LATE)
        seen = {name: at for name, at in seen.items() if at >= since.timestamp() * 1000}
        time.sleep(POLL_SECONDS)


def _events(session: Session, since: datetime) -> Iterator[tuple[str, Any]]:
    """Log groups with their events."""
    start = int(since.timestamp() * 1000)
    for group in (gateway_log_group(session.environment), sweeper_log_group(session.environment)):
        pages = session.logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start)
        yield from ((group, event) for page in pages for event in page["events"])


def _usage_line(message: str) -> dict[str, Any] | None:
    try:
        line = json.loads(message)
    except ValueError:
        return None  # Lambda's own lines
    return line if isinstance(line, dict) and line.get("kind") == "usage" else None


def _tell(session: Session, found: RequestDetails) -> None:
    if session.output.form == "json":
        print(json.dumps(asdict(found), ensure_ascii=False))
    else:
        from rich.text import Text

        style = "red" if found.status >= 500 else "yellow" if found.status >= _FAILED else ""
        line, console = _line(found), session.output.stdout
        if console.is_terminal and console.width < len(line):  # it would be broken in the middle of a number
            line = " ".join(line.split())
        console.print(Text(line, style=style), soft_wrap=True)
    sys.stdout.flush()


def _line(found: RequestDetails) -> str:
    """Who, what and how on one line of a terminal."""
    tokens = f"{found.tokens_in:,}→{found.tokens_out:,}"
    model, what = found.model or found.model_asked or "-", found.error_code or found.settlement or ""
    words = (
        f"{found.time[11:23]} {found.status:>3} {found.consumer:<16} {model:<22} {tokens:>14} "
        f"{found.usd:>12} USD {milliseconds(found.latency_ms):>8}  {what:<10} {found.request_id}"
    )
    return control_free(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestShown:
    """One request in full.

    request: from its usage row, or from the usage log where there is no row.
    booked: whether the ledger has its row.
    access: API Gateway's line of the same request, as the access log has it; null where it is gone or not yet there.
    """

    request: RequestDetails
    booked: bool
    access: dict[str, Any] | None


@shows(RequestShown)
def show(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The answer's x-tollgate-request-id.")],
    since: Annotated[str, typer.Option(metavar="SPAN", help=f"How far back to look in the logs: {SPAN_WORDS}.")] = "7d",
    consumer: Annotated[str | None, typer.Option(metavar="NAME", help="Whose it is, for requests no log has.")] = None,
    day: Annotated[str | None, typer.Option(metavar="DAY", help="Its UTC day, 2026-11-23; with --consumer.")] = None,
) -> None:
    """Show one request: its usage row, and API Gateway's line of it.

    The logs tell whose it is and when it was. Where they keep it no longer, --consumer and --day find its row, which
    the ledger keeps longer.

    Examples:

      tollgate usage show JKJaXmPLvHcESHA=

      tollgate usage show JKJaXmPLvHcESHA= --consumer search --day 2026-03-01
    """
    session = session_of(context)
    if not _ID.fullmatch(request_id):
        raise UsageError(
            f"{request_id!r} is no request id; accepted: what the header x-tollgate-request-id of an answer says."
        )
    if (consumer is None) != (day is None):
        raise UsageError("--consumer and --day go together: they name the part of the ledger to look in.")
    if consumer is not None and day is not None:
        _check_day(day)
        found = _in_partition(session, request_id, consumer, day)
    else:
        found = _in_logs(session, request_id, session.now() - span(since, "--since"))
    session.output.show(found, render=lambda: _table(found))


def _check_day(day: str) -> None:
    """Usage for what is no day as the ledger spells it."""
    try:
        sound = date.fromisoformat(day).isoformat() == day
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(f"--day {day!r}; accepted is a UTC day such as 2026-11-23.")


def _in_partition(session: Session, request_id: str, consumer: str, day: str) -> RequestShown:
    """The row of that day, without the logs."""
    session.policy(consumer)
    for row in session.table.query(usage_pk(consumer, day)):
        if str(row[SK]).endswith(f"#{request_id}"):
            return RequestShown(request=request(row), booked=True, access=None)
    raise RefusedError(f"no request {request_id} of {consumer} on {day} (UTC). Is it another day, or another consumer?")


def _in_logs(session: Session, request_id: str, since: datetime) -> RequestShown:
    from admin.logs.insights import ask

    # request_id is an indexed field of the first two, so that only what holds it is read, and paid for; the sweeper
    # says little.
    groups = [group(session.environment) for group in (gateway_log_group, access_log_group, sweeper_log_group)]
    until = session.now() + _LATE
    rows, _ = ask(session, f'fields @message | filter request_id = "{request_id}"', groups, since, until, 20)
    lines = [json.loads(row["@message"]) for row in rows]
    access = next((line for line in lines if "kind" not in line), None)
    usage = _best([line for line in lines if line.get("kind") == "usage"])
    if usage is None:
        raise RefusedError(_not_there(session, request_id, access))
    found = request(usage)
    row = session.table.get(usage_pk(found.consumer, found.time[:10]), usage_sk(int(usage["at_ms"]), request_id))
    traces = {"trace_id": usage.get("trace_id"), "w3c_trace_id": usage.get("w3c_trace_id")}
    return RequestShown(request=request({**row, **traces}) if row else found, booked=bool(row), access=access)


def _best(lines: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """What happened, where a line says it; else what the sweeper assumed."""
    return min(lines, key=lambda line: line.get("settlement") == "unsettled", default=None)


def _not_there(session: Session, request_id: str, access: dict[str, Any] | None) -> str:
    if access is None:
        return (
            f"no request {request_id} in the logs of {session.environment} (a new one takes a few seconds to show). "
            "Look further back with --since 30d, or give --consumer and --day."
        )
    who = f"key {access.get('key_id')}, {access.get('method')} {access.get('path')}"
    reason = str(access.get("error_type") or "-")
    answered = f"request {request_id} has no usage line: API Gateway answered {access.get('status')}"
    if reason.startswith("INTEGRATION_"):
        return (
            f"{answered} ({reason}) as its function failed or took too long; {who}. If money was held for it, the "
            f"sweeper books that within {session.config.hold_seconds // 60 + SWEEP_MINUTES + 1} minutes, and it is "
            "here then."
        )
    if reason != "-":
        return f"{answered} ({reason}) before any function saw it; {who}."
    if access.get("path") in _OURS:
        return f"{answered}, from the gateway, whose own line takes a few seconds to show; {who}. Ask again then."
    return f"{answered}, from a route of your own function, which no ledger knows; {who}."


def _table(found: RequestShown) -> Any:
    rows = [(name, value) for name, value in asdict(found.request).items() if value not in (None, 0, {}, "")]
    rows.append(("booked", "yes" if found.booked else "no: replay it with `tollgate logs replay`"))
    access = {name: _written(name, value) for name, value in (found.access or {}).items()}
    rows += [(f"access {name}", value) for name, value in access.items() if value not in (None, "-")]
    shown = ((name, json.dumps(value) if isinstance(value, dict) else value) for name, value in rows)
    return table(f"request {found.request.request_id}", ("field", "value"), shown)


def _written(name: str, value: object) -> object:
    """A member of the access log's line, whose time is milliseconds since 1970, for people."""
    if name == "time" and str(value).isdecimal():
        return moment(int(str(value))).isoformat(timespec="milliseconds")
    return value
