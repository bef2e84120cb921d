"""Verifies the ledger: reads usage rows, recomputes rollups and accounts from them, and compares.

Requests may run meanwhile. A row that changes while its consumer is verified counts in the state that the compared item
contains, which the stream and the item's marker tell exactly. What ended before must be booked within the freshness
bound.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from admin.errors import RefusedError
from admin.ledger.compare import (
    SWEPT_MS,
    AccountTruth,
    Basis,
    RollupDifference,
    account_truth,
    rollup_differences,
)
from admin.ledger.documents import COST, LedgerDifference, of_account, of_lapsed, of_rollup, of_unreadable
from admin.ledger.rows import ConsumerRows, HeldRow, Key, RowRecord, RowState
from admin.ledger.stream import RowStream
from lambda_src.contract import ACCOUNT_SK, SK, USAGE_SLOTS, account_pk, rollup_parts, rollup_pk, usage_pk, usage_pks
from lambda_src.core.account import SEQUENCE_BYTES, Account
from lambda_src.core.booking import marker_name

if TYPE_CHECKING:
    from admin.operator_ledger import OperatorLedger

FRESHNESS_SECONDS: Final = 10.0
"""Within this time, what has ended is booked. The aggregator takes 2 seconds (p99)."""
READERS: Final = 8
_CLOCKS_MS: Final = 60_000
"""By how much clocks may differ."""
_CATCH_UP_SECONDS: Final = 3.0
_PULL_SECONDS: Final = 0.2
_ATTEMPTS: Final = 3
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to verify.

    since: first day. hold_seconds: how long a request holds its amount. everything: also windows that began before
    `since`, whose earlier days are taken from the rollups.
    """

    since: date
    hold_seconds: int
    everything: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A consumer's differences. before: nano-USD by day before the period, from rollups."""

    consumer: str
    rows: int
    rollups: list[RollupDifference]
    account: AccountTruth
    stored_rollups: Mapping[str, Mapping[str, Any]]
    lapsed: list[HeldRow]
    held: list[HeldRow]
    unreadable: list[Key]
    unbooked: int
    before: Mapping[str, int]

    @property
    def differences(self) -> list[LedgerDifference]:
        """All of them as documents."""
        return [
            *map(of_rollup, self.rollups),
            *of_account(self.account),
            *(of_lapsed(self.consumer, row) for row in self.lapsed),
            *(of_unreadable(self.consumer, key) for key in self.unreadable),
        ]

    @property
    def is_clean(self) -> bool:
        return not (self.rollups or self.account.changes or self.lapsed or self.unreadable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A consumer's rows.

    markers: as they were before the rows were read. started: when that was, by the monotonic clock.
    """

    rows: ConsumerRows
    markers: Mapping[Key, bytes]
    started: float


class Verifier:
    """Verifies consumers of a table. now: the time in UTC."""

    def __init__(self, table: OperatorLedger, stream: RowStream, scope: Scope, now: Callable[[], datetime]) -> None:
        self.stream = stream
        self._table = table
        self._scope = scope
        self._since = scope.since.isoformat()
        self._now = now

    def verify(self, consumers: Sequence[str], freshness: float = FRESHNESS_SECONDS) -> list[Found]:
        """What each consumer's rows say. Consumers with differences are compared again after `freshness` seconds."""
        with ThreadPoolExecutor(READERS) as pool:
            pairs = list(pool.map(self.read_and_compare, consumers))
        pending = [reading for reading, found in pairs if not found.is_clean]
        self._wait(max((reading.started + freshness for reading in pending), default=0.0))
        again = {reading.rows.consumer: self.compare_again(reading) for reading in pending}
        return [again.get(found.consumer, found) for _, found in pairs]

    def read(self, consumer: str) -> Reading:
        """A consumer's rows. The stream watches their changes from now on."""
        self.stream.watch(consumer)
        started, recent_ms = time.monotonic(), self._now_ms() - self._scope.hold_seconds * 1000 - _CLOCKS_MS
        markers = self._markers(consumer, self._account(consumer), self._rollups(consumer))
        rows = ConsumerRows(consumer, self._since, recent_ms)
        for pk in self._partitions(consumer):
            for row in self._table.query(pk, consistent=True):
                rows.add(row)
                if rows.count % 1_000 == 0:
                    self.stream.keep_up()
        return Reading(rows=rows, markers=markers, started=started)

    def compare(self, reading: Reading) -> Found | None:
        """What differs at this moment. None if rows of earlier requests were put while they were read."""
        rows, consumer = reading.rows, reading.rows.consumer
        before = self._before(consumer)
        account = self._account(consumer)
        stored = self._rollups(consumer)
        self._catch_up(reading, self._markers(consumer, account, stored))
        records = self.stream.records(consumer)
        if rows.is_disturbed(records):
            return None

        def booked_in_account(state: RowState) -> bytes:
            return _booked(account.item, marker_name(self.stream.id, state.slot, state.day))

        def booked_in_rollup(state: RowState) -> bytes:
            return _booked(stored.get(state.sk, {}), marker_name(self.stream.id, state.slot))

        now_ms = self._now_ms()
        basis = Basis(
            since=self._since,
            sums=rows.account_sums(records, booked_in_account),
            before=before if self._scope.everything else None,
            lapse_ms=self._scope.hold_seconds * 1000,
        )
        lapsed = [row for row in rows.held if row.lapses_at * 1000 + SWEPT_MS < now_ms and _is_held(row, records)]
        return Found(
            consumer=consumer,
            rows=rows.count,
            rollups=list(rollup_differences(consumer, stored, rows.rollup_sums(records, booked_in_rollup))),
            account=account_truth(consumer, account, basis, now_ms),
            stored_rollups=stored,
            lapsed=lapsed,
            held=rows.held,
            unreadable=rows.unreadable,
            unbooked=rows.unbooked(records, booked_in_account),
            before=before,
        )

    def read_and_compare(self, consumer: str) -> tuple[Reading, Found]:
        """A consumer's rows and what differs. The stream stops watching a consumer without differences."""
        for _ in range(_ATTEMPTS):
            reading = self.read(consumer)
            found = self.compare(reading)
            if found is not None:
                if found.is_clean:
                    self.stream.forget(consumer)
                return reading, found
        raise RefusedError(
            f"usage lines of {consumer} are being replayed, so that its rows cannot be compared. Run the command again "
            "after the replay."
        )

    def compare_again(self, reading: Reading) -> Found:
        """What differs at this moment; if need be, the rows are read again."""
        return self.compare(reading) or self.read_and_compare(reading.rows.consumer)[1]

    def _wait(self, until: float) -> None:
        while (seconds := until - time.monotonic()) > 0:
            time.sleep(min(seconds, 1.0))
            self.stream.keep_up()

    def _partitions(self, consumer: str) -> Iterator[str]:
        """Partitions of the days from `since` on. Clocks may already be in tomorrow."""
        day, last = self._scope.since, self._now().date() + _DAY
        while day <= last:
            yield from usage_pks(consumer, day.isoformat())
            day += _DAY

    def _before(self, consumer: str) -> dict[str, int]:
        """Nano-USD by day before the period, from rollups."""
        spent: Counter[str] = Counter()
        if self._scope.everything:
            for item in self._table.query(rollup_pk(consumer), between=("0", self._since), consistent=True):
                spent[rollup_parts(item[SK])[0]] += int(item.get(COST, 0))
        return spent

    def _account(self, consumer: str) -> Account:
        return Account(self._table.get(account_pk(consumer), ACCOUNT_SK))

    def _rollups(self, consumer: str) -> dict[str, dict[str, Any]]:
        """The rollups of the period by sort key."""
        items = self._table.query(rollup_pk(consumer), between=(self._since, "9"), consistent=True)
        return {item[SK]: item for item in items}

    def _catch_up(self, reading: Reading, markers: Mapping[Key, bytes]) -> None:
        """Pull until the stream shows what the items contain: the aggregator may be ahead of this reader."""
        self.stream.pull()
        until = time.monotonic() + _CATCH_UP_SECONDS
        changed = [(pk, value) for (pk, sk), value in markers.items() if value > reading.markers.get((pk, sk), b"")]
        while time.monotonic() < until and any(value > self.stream.newest(pk) for pk, value in changed):
            time.sleep(_PULL_SECONDS)
            self.stream.pull()

    def _markers(self, consumer: str, account: Account, rollups: Mapping[str, Mapping[str, Any]]) -> dict[Key, bytes]:
        """What the items contain: a sequence number by partition and by sort key of the item."""
        items: list[tuple[str, Mapping[str, Any], str, str | None]] = [
            (sk, item, sk[:10], None) for sk, item in rollups.items()
        ]
        items += [(ACCOUNT_SK, account.item, day, day) for day in {day for _, _, day, _ in items}]
        return {
            (usage_pk(consumer, day, slot), sk): value
            for sk, item, day, marker_day in items
            for slot in range(USAGE_SLOTS)
            if (value := _booked(item, marker_name(self.stream.id, slot, marker_day)))
        }

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)


def _booked(item: Mapping[str, Any], marker: str) -> bytes:
    """The sequence number of the last record that an item contains."""
    return bytes(item.get(marker, b"")[:SEQUENCE_BYTES])


def _is_held(row: HeldRow, records: Mapping[Key, list[RowRecord]]) -> bool:
    """Whether a request that was in progress still is."""
    changes = records.get((row.pk, row.sk), [])
    return not changes or changes[-1].new is None or not changes[-1].new.ended
