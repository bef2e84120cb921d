"""What a record of the table's stream says about one usage row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lambda_src.contract import CORRECTION, PK, SK, USAGE, rollup_sk
from lambda_src.core.booking import Booking, day_number, sequence
from lambda_src.core.usage_record import TOKEN_FIELDS, UsageRecord, record_from_row

_DAY_MS = 86_400_000
HELD = "held"
UNRESERVED = "unreserved"
"""Attribute of a row whose request reserved nothing: it was rejected before, is free of charge by its route, or was
replayed into a table that had lost it."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """A change of a usage row.

    sequence: number of the stream record. slot: of the row's partition. rollups: what the change adds, by sort key.
    """

    consumer: str
    day: str
    slot: int
    sequence: bytes
    booking: Booking
    rollups: Mapping[str, Mapping[str, int]]


def row_change(
    keys: Mapping[str, Any], old: Mapping[str, Any] | None, new: Mapping[str, Any], number: str
) -> RowChange | None:
    """The change of a row from `old` to `new`, in plain values; None if the item is no usage row, or if its request has
    not ended. ValueError or KeyError if the row is malformed."""
    pk, sk = keys[PK], keys[SK]
    if not pk.startswith(USAGE):
        return None
    _, consumer, day, slot = pk.split("#")
    if new.get("kind") == CORRECTION:
        if old is not None:  # booked when it was put
            return None
        cost = int(new["cost_nano_usd"])
        booking = Booking(at_ms=_checked(int(new["at_ms"]), day), ended=None, spent=cost)
        rollup = {"corrections": 1, "cost_nano_usd": cost, "corrected_nano_usd": cost}
        rollup |= {name: int(new[name]) for name in TOKEN_FIELDS if name in new}
        rollup |= {f"fees_{kind}": int(amount) for kind, amount in (new.get("fees") or {}).items()}
        sk = rollup_sk(day, new["model"], new["key_id"])
        return RowChange(consumer, day, int(slot), sequence(number), booking, {sk: rollup})
    if new["settlement"] == HELD:
        return None
    after = record_from_row(pk, sk, new)
    before = record_from_row(pk, sk, old) if old is not None else None
    ended = before is not None and before.settlement != HELD
    booking = Booking(
        at_ms=_checked(after.at_ms, day),
        ended=None if ended or new.get(UNRESERVED) else after.held_nano_usd,
        spent=after.cost_nano_usd - (before.cost_nano_usd if before is not None and ended else 0),
        tokens=0 if before is None else after.tokens.total - before.tokens.total,
    )
    rollups: dict[str, Counter[str]] = {}
    for record, sign in ((before if ended else None, -1), (after, 1)):
        for name, value in _rollup(record):
            rollups.setdefault(name[0], Counter())[name[1]] += sign * value
    return RowChange(consumer, day, int(slot), sequence(number), booking, rollups)


def _checked(at_ms: int, day: str) -> int:
    """`at_ms`, which must be on `day`, so that each row of a partition has the same windows."""
    if at_ms // _DAY_MS != day_number(day):
        raise ValueError(f"a row of {day} has the time {at_ms}")
    return at_ms


def _rollup(record: UsageRecord | None) -> Iterator[tuple[tuple[str, str], int]]:
    """What a row adds to its rollup, by sort key and attribute."""
    if record is not None:
        sk = rollup_sk(record.day, record.model, record.key_id)
        for name, value in record.rollup().items():
            yield (sk, name), value
