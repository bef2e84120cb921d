"""What usage rows say: sums of a consumer's rows, in which rows that are changing are kept one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from typing import Any

from lambda_src.contract import CORRECTION, PK, SK
from lambda_src.core.account import bucket, tally
from lambda_src.core.row_change import UNRESERVED, row_change
from lambda_src.edges.ledger import LAPSES_AT

Key = tuple[str, str]
Marker = Callable[["RowState"], bytes]
"""The sequence number of the last record of a row's partition that an item contains; empty if none is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowState:
    """What a usage row or a correction adds to its rollup and account.

    ended: False while the request is in progress. final: the row never changes again. reserved: tally of the amount
    reserved for it; None if nothing was. spent: nano-USD. rollup: attributes of the rollup `sk`. newest_ms: when
    the row was last written, at the earliest.
    """

    pk: str
    at_ms: int
    newest_ms: int
    ended: bool
    final: bool
    reserved: int | None
    spent: int = 0
    sk: str = ""
    rollup: tuple[tuple[str, int], ...] = ()

    @property
    def day(self) -> str:
        return self.pk.split("#")[2]

    @property
    def slot(self) -> int:
        return int(self.pk.split("#")[3])


@dataclass(frozen=True, slots=True)
class HeldRow:
    """The row of a request in progress. amount: nano-USD reserved. lapses_at: epoch seconds of its deadline."""

    pk: str
    sk: str
    amount: int
    lapses_at: int


@dataclass(frozen=True, slots=True)
class RowRecord:
    """A record of the stream: one change of a usage row or a correction. old, new: None if there was none before, or
    if it is unreadable."""

    sequence: bytes
    old: RowState | None
    new: RowState | None


def row_state(row: Mapping[str, Any]) -> RowState | None:
    """The state of an item in a partition of usage rows; None if it is unreadable, so that the aggregator skips it."""
    try:
        return _state(row)
    except (KeyError, ValueError, TypeError):
        return None


def _state(row: Mapping[str, Any]) -> RowState:
    change = row_change(row, None, row, "0")
    pk = intern(row[PK])
    if change is None:
        held = None if row.get(UNRESERVED) else tally(int(row["held_nano_usd"]))
        at_ms = int(row["at_ms"])
        return RowState(pk=pk, at_ms=at_ms, newest_ms=at_ms, ended=False, final=False, reserved=held)
    booking, correction = change.booking, row.get("kind") == CORRECTION
    ((sk, rollup),) = change.rollups.items()
    return RowState(
        pk=pk,
        at_ms=booking.at_ms,
        newest_ms=_milliseconds(row["at"]) if correction else booking.at_ms,
        ended=True,
        final=correction or row["settlement"] != "unsettled",
        reserved=None if booking.ended is None else tally(booking.ended),
        spent=booking.spent,
        sk=sk,
        rollup=tuple((intern(name), value) for name, value in rollup.items()),
    )


@dataclass(slots=True)
class Sums:
    """Sums of rows: nano-USD by day, tallies by bucket, attributes by sort key of the rollup."""

    spent: Counter[str] = field(default_factory=Counter)
    reserved: Counter[int] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    rollups: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, state: RowState, sign: int = 1) -> None:
        """Add what a row says, or subtract it."""
        self.reserve(state, sign)
        self.account(state, sign)
        self.rollup(state, sign)

    def reserve(self, state: RowState, sign: int = 1) -> None:
        if state.reserved is not None:
            self.reserved[bucket(state.at_ms)] += sign * state.reserved

    def account(self, state: RowState, sign: int = 1) -> None:
        if state.ended:
            self.spent[state.day] += sign * state.spent
            if state.reserved is not None:
                self.ended[bucket(state.at_ms)] += sign * state.reserved

    def rollup(self, state: RowState, sign: int = 1) -> None:
        if state.ended:
            counts = self.rollups.setdefault(state.sk, Counter())
            for name, value in state.rollup:
                counts[name] += sign * value


class ConsumerRows:
    """A consumer's rows of the days from `since` on, while requests run.

    Rows that never change again are only summed. The others are kept one by one, and the stream tells which of their
    changes an item contains. recent_ms: rows that were written since then are kept as well.
    """

    def __init__(self, consumer: str, since: str, recent_ms: int) -> None:
        self.consumer = consumer
        self.since = since
        self.count = 0
        self.anchors: dict[str, str] = {}
        """The sort key of one row that has ended, by partition key."""
        self.unreadable: list[Key] = []
        self.held: list[HeldRow] = []
        self._sums = Sums()
        self._kept: dict[Key, RowState] = {}
        self._recent_ms = recent_ms

    def add(self, row: dict[str, Any]) -> None:
        """Count a row that was read."""
        self.count += 1
        state, key = row_state(row), (str(row[PK]), str(row[SK]))
        if state is None:
            self.unreadable.append(key)
            return
        if not state.ended:
            self.held.append(HeldRow(*key, int(row["held_nano_usd"]), int(row.get(LAPSES_AT, 0))))
        elif "kind" not in row:
            self.anchors.setdefault(key[0], key[1])
        self._sums.reserve(state)
        if state.final and state.newest_ms < self._recent_ms:
            self._sums.account(state)
            self._sums.rollup(state)
        else:
            self._kept[key] = state

    def account_sums(self, records: Mapping[Key, list[RowRecord]], marker: Marker) -> Sums:
        """What the account must be, if it contains the records up to `marker`."""
        sums = Sums(self._sums.spent.copy(), self._sums.reserved, self._sums.ended.copy())
        for state, sign in self._changing(records, marker):
            sums.account(state, sign)
        return sums

    def rollup_sums(self, records: Mapping[Key, list[RowRecord]], marker: Marker) -> dict[str, Counter[str]]:
        """What the rollups must be, by sort key, if each contains the records up to its `marker`."""
        sums = Sums(rollups={sk: counts.copy() for sk, counts in self._sums.rollups.items()})
        for state, sign in self._changing(records, marker):
            sums.rollup(state, sign)
        return sums.rollups

    def is_disturbed(self, records: Mapping[Key, list[RowRecord]]) -> bool:
        """Whether a row of an earlier request was put meanwhile, by a replay, so that it is unknown whether it was
        read."""
        return any(
            key not in self._kept
            and first.old is None
            and first.new is not None
            and first.new.day >= self.since
            and first.new.newest_ms < self._recent_ms
            for key, (first, *_) in records.items()
        )

    def unbooked(self, records: Mapping[Key, list[RowRecord]], marker: Marker) -> int:
        """Number of requests that have ended and are not booked yet."""
        states = ((record.sequence, record.new) for changes in records.values() for record in changes[-1:])
        return sum(state is not None and state.ended and number > marker(state) for number, state in states)

    def _changing(self, records: Mapping[Key, list[RowRecord]], marker: Marker) -> Iterable[tuple[RowState, int]]:
        """The states of kept and of changed rows, and the sign with which to add them."""
        for key, state in self._kept.items():
            if key not in records:
                yield state, 1
        for key, changes in records.items():
            newest = changes[-1].new
            if newest is None or newest.day < self.since:
                continue
            first = changes[0].old
            if key not in self._kept and first is not None:
                if first.final:
                    continue  # summed when it was read
                yield newest, -1  # it was read after it had ended
            contained = [record.new for record in changes if record.sequence <= marker(newest)]
            current = contained[-1] if contained else first
            if current is not None:
                yield current, 1


def _milliseconds(at: str) -> int:
    """Epoch milliseconds of a time in ISO 8601."""
    return int(datetime.fromisoformat(at).timestamp() * 1000)
