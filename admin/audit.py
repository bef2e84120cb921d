"""`tollgate audit`: the changes that operators made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import typer

from admin.budgets.status import dollars
from admin.keys.view import short_arn
from admin.output import json_output, table
from admin.session import Session, session_of
from admin.times import time_option
from lambda_src.contract import AUDIT_MONTH, audit_pk

_NONE_BEFORE: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""No ledger is older, so earlier months need no query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A change that an operator made with this command.

    at: time of the change (ISO 8601, UTC).
    by: ARN of the operator.
    action: action, such as keys.issue, keys.revoke, consumers.pause, budgets.raise.
    target: changed object: CONSUMER, CONSUMER/LABEL and the key's id, or the name of a provider.
    before: changed values before; null if there were none.
    after: changed values after; null if there are none.
    """

    at: str
    by: str
    action: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@json_output(AuditEntry, many=True)
def audit(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="TIME", help="Start: a duration ago such as 30d, or a date.")] = "30d",
    by: Annotated[str | None, typer.Option(metavar="TEXT", help="Only changes by ARNs that contain this text.")] = None,
    action: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only matching actions, such as keys.* or budgets.raise.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only changes of targets that contain this text.")
    ] = None,
) -> None:
    """List the changes that operators made, newest first.

    Examples:
      tollgate audit --since 7d
      tollgate audit --action "keys.*" --target search --output json
    """
    session = session_of(context)
    start = max(time_option(since, "--since", session.now(), ago=True), _NONE_BEFORE)
    rows = [
        row
        for row in _rows(session, start)
        if (by is None or by in row.by)
        and (action is None or fnmatchcase(row.action, action))
        and (target is None or target in row.target)
    ]
    cells = [
        (
            row.at[:19].replace("T", " "),
            short_arn(row.by),
            row.action,
            row.target,
            _words(row.before),
            _words(row.after),
        )
        for row in rows
    ]
    session.output.show(rows, lambda: table("", ("when (UTC)", "who", "action", "target", "before", "after"), cells))


def _rows(session: Session, start: datetime) -> Iterator[AuditEntry]:
    """Rows since `start`, month by month, newest first."""
    first = f"{int(start.timestamp() * 1000):013d}"
    month = session.now()
    while month.strftime(AUDIT_MONTH) >= start.strftime(AUDIT_MONTH):
        for row in session.ledger.query(
            audit_pk(month.strftime(AUDIT_MONTH)), between=(first, "9" * 14), newest_first=True
        ):
            yield AuditEntry(
                at=row["at"],
                by=row["by"],
                action=row["action"],
                target=row["target"],
                before=_parsed(row.get("before")),
                after=_parsed(row.get("after")),
            )
        month = month.replace(day=1) - timedelta(days=1)


def _parsed(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def _words(values: dict[str, Any] | None) -> str:
    """Values for people, without those that are not set."""
    present = {name: value for name, value in (values or {}).items() if value not in (None, [])}
    return ", ".join(
        f"{name}={_raises(value) if name == 'raises' else _word(value)}" for name, value in present.items()
    )


def _word(value: object) -> str:
    return str(value) if isinstance(value, str | int) else json.dumps(value)


def _raises(raises: list[dict[str, Any]]) -> str:
    """Raises in words. JSON output has who made each, and when, too."""
    return " and ".join(f"{dollars(item['usd_nano'])} per {item['per']} until {item['until']}" for item in raises)
