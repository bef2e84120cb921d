"""Finds a single request: its usage row and corrections in the ledger, and its lines in the logs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from admin import completion
from admin.errors import RefusedError, UsageError
from admin.session import Session
from admin.times import DURATION_FORMAT, duration
from admin.usage.corrections.rows import CorrectedRow, corrected_rows
from lambda_src.contract import ROUTES, SWEEP_MINUTES, usage_pk, usage_sk, usage_slot
from lambda_src.core.windows import label, utc_datetime
from lambda_src.resource_names import log_group

LATE: Final = timedelta(seconds=30)
"""How late a log line may arrive after its time."""
_ID: Final = re.compile(r"[A-Za-z0-9_=+/-]{6,128}")
_GATEWAY_PATHS: Final = frozenset(path for route in ROUTES for path in route.paths)

RequestId = Annotated[str, typer.Argument(metavar="REQUEST_ID", help="x-tollgate-request-id of the response.")]
LogsSince = Annotated[
    str, typer.Option("--since", metavar="DURATION", help=f"How far back to search the logs: {DURATION_FORMAT}.")
]
ItsConsumer = Annotated[
    str | None,
    typer.Option(
        "--consumer",
        metavar="NAME",
        help="Its consumer, if the logs have expired.",
        autocompletion=completion.consumers,
    ),
]
ItsDay = Annotated[
    str | None, typer.Option("--day", metavar="DAY", help="Its UTC day, such as 2026-11-23; with --consumer.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRequest:
    """A request. row: None if the ledger has none. line, access: its usage line and API Gateway's access log line; None
    if they were not searched or not found. At least one of row and line is there."""

    row: CorrectedRow | None
    line: dict[str, Any] | None
    access: dict[str, Any] | None


def find_request(session: Session, request_id: str, since: str, consumer: str | None, day: str | None) -> FoundRequest:
    """The request, from the partition of --consumer and --day, or by way of the logs. RefusedError if it is in
    neither; UsageError for invalid options."""
    if not _ID.fullmatch(request_id):
        raise UsageError(
            f"invalid request id {request_id!r}; accepted: the x-tollgate-request-id header of a response."
        )
    if (consumer is None) != (day is None):
        raise UsageError("--consumer and --day name one partition of the ledger; pass both or neither.")
    if consumer is not None and day is not None:
        _check_day(day)
        return _in_partition(session, request_id, consumer, day)
    return _in_logs(session, request_id, session.now() - duration(since, "--since"))


def _check_day(day: str) -> None:
    """Raise UsageError unless `day` is spelled as in the ledger."""
    try:
        valid = date.fromisoformat(day).isoformat() == day
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"invalid --day {day!r}; accepted: a UTC day such as 2026-11-23.")


def _in_partition(session: Session, request_id: str, consumer: str, day: str) -> FoundRequest:
    """The request from the rows of that day, without the logs."""
    session.policy(consumer)
    items = session.ledger.query(usage_pk(consumer, day, usage_slot(request_id)))
    for row in corrected_rows(items, session.now()):
        if row.request_id == request_id:
            return FoundRequest(row=row, line=None, access=None)
    raise RefusedError(f"{consumer} has no request {request_id} on {day} (UTC). Check the day and the consumer.")


def _in_logs(session: Session, request_id: str, since: datetime) -> FoundRequest:
    from admin.logs.insights import run_query

    # request_id is an indexed field of the first two groups, so the query reads, and is billed for, few lines.
    groups = [log_group(session.environment, log) for log in ("usage", "access", "sweeper")]
    until = session.now() + LATE
    rows, _ = run_query(session, f'fields @message | filter request_id = "{request_id}"', groups, since, until, 20)
    lines = [json.loads(row["@message"]) for row in rows]
    access = next((line for line in lines if "kind" not in line), None)
    usage = _definitive([line for line in lines if line.get("kind") == "usage"])
    if usage is None:
        raise RefusedError(_not_found(session, request_id, access))
    at_ms = int(usage["at_ms"])
    pk = usage_pk(usage["consumer"], label("day", utc_datetime(at_ms)), usage_slot(request_id))
    sk = usage_sk(at_ms, request_id)
    found = corrected_rows(session.ledger.query(pk, begins=sk), session.now())
    row = next((row for row in found if row.sk == sk), None)
    return FoundRequest(row=row, line=session.ledger.names.shown(usage), access=access)


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
            f"sweeper books it within {session.config.hold_seconds // 60 + 3 * SWEEP_MINUTES} minutes; try again then."
        )
    if reason != "-":
        return f"{answered} ({reason}) before any function saw it; {who}."
    if access.get("path") in _GATEWAY_PATHS:
        return f"{answered} from the gateway, whose usage line takes a few seconds to appear; {who}. Try again."
    return f"{answered} from a function of your own, whose requests have no usage lines; {who}."
