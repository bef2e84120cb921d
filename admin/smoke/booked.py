"""What the ledger has of the smoke test's requests: usage rows, and the rollups that they are booked in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from admin.session import Session
from admin.smoke.calls import Answer
from lambda_src.contract import SK, rollup_pk, rollup_sk, usage_pk, usage_slot
from lambda_src.core.row_change import HELD
from lambda_src.core.windows import label, utc_datetime

Row = Mapping[str, Any]

_ROW_SECONDS: Final = 5.0
"""A row is complete before the response is; longer only if the gateway had to repeat the write."""
_SKEW: Final = timedelta(minutes=10)
"""Most that this machine's clock may differ from API Gateway's."""


def settled_row(session: Session, consumer: str, answer: Answer, began: datetime) -> Row | None:
    """The settled usage row of a request, which may take some seconds; None if there is none. began: before it."""
    until = time.monotonic() + _ROW_SECONDS
    while True:
        row = None if answer.request_id is None else _row(session, consumer, answer.request_id, began)
        if (row is not None and row.get("settlement") != HELD) or time.monotonic() > until:
            return row
        time.sleep(0.5)


def _row(session: Session, consumer: str, request_id: str, began: datetime) -> Row | None:
    first = began - _SKEW
    days = {label("day", at) for at in (first, session.now() + _SKEW)}
    for day in days:
        pk = usage_pk(consumer, day, usage_slot(request_id))
        since = f"{int(first.timestamp() * 1000):013d}"
        for row in session.ledger.query(pk, between=(since, "~"), consistent=True):
            if str(row[SK]).partition("#")[2] == request_id:
                return {**row, "day": label("day", utc_datetime(int(row["at_ms"])))}
    return None


def booked(session: Session, consumer: str, rows: Sequence[Row]) -> tuple[int, int]:
    """Number and cost in nano-USD of the requests in the rollups of `rows`, whose key has no other requests."""
    keys = {(rollup_pk(consumer), rollup_sk(row["day"], row["model"], row["key_id"])) for row in rows}
    items = session.ledger.get_many(sorted(keys)).values()
    return sum(int(item["requests"]) for item in items), sum(int(item["cost_nano_usd"]) for item in items)
