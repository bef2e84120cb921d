"""Repairs what a verification found: adds to rollups and accounts the difference to their usage rows.

The aggregator books on meanwhile. A repair only adds differences, which commute with its bookings, and never touches
its markers. Before that, it makes sure that everything that had ended is booked or lost for good: it writes an
attribute to one row of each partition that may have unbooked changes, and waits until the account's marker covers that
change, which books nothing. So nothing is booked by both.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from secrets import token_bytes, token_hex
from typing import TYPE_CHECKING, Final

from admin.aws_client import gateway_client
from admin.errors import RefusedError, ServiceError
from admin.ledger.compare import AccountTruth, RollupDifference
from admin.ledger.stream import RowStream
from admin.ledger.verify import Found, Reading, Scope, Verifier
from admin.operator_ledger import Audit
from lambda_src.contract import ACCOUNT_SK, ACCOUNTS_INDEX_KEY, SK, account_pk, rollup_pk
from lambda_src.core.account import CLOSED, MARKER, SEQUENCE_BYTES, Update
from lambda_src.core.booking import marker, marker_name

if TYPE_CHECKING:
    from admin.session import Session
    from lambda_src.edges.ledger import Ledger

REPAIR_MARKER: Final = f"{MARKER}repair"
"""Attribute of a repaired item, which makes each repair count once. It expires like other markers."""
VERIFIED: Final = "verified"
"""Attribute of a usage row: random text of a repair that waited until this change of the row was booked."""
BOOKED_SECONDS: Final = 60.0
_SECONDS_PER_CALL: Final = 20.0
_POLL_SECONDS: Final = 0.2
_ROUNDS: Final = 30
_MOST_CHANGED: Final = 60
"""Attributes that one update changes: its expression has at most 4 KB."""
_MOST_NAMED: Final = 20
"""Differences that the audit row names."""


@dataclass(slots=True)
class Repaired:
    """Numbers of repaired rollups, accounts and lapsed requests."""

    rollups: int = 0
    accounts: int = 0
    lapsed: int = 0

    @property
    def total(self) -> int:
        return self.rollups + self.accounts + self.lapsed


class Repair:
    """Repairs consumers of an environment.

    stream: of the table, from now on. complete: the first day of which no row has expired; None if rows never expire.
    """

    def __init__(self, session: Session, scope: Scope, stream: RowStream, complete: date | None) -> None:
        from lambda_src.edges.ledger import Ledger

        config = session.config
        self.done = Repaired()
        self._session = session
        self._stream = stream
        self._complete = "" if complete is None else complete.isoformat()
        self._verifier = Verifier(session.stored_ledger, stream, scope, session.now)
        self._windows_verifier = Verifier(session.stored_ledger, stream, replace(scope, everything=False), session.now)
        self._ledger: Ledger = Ledger(
            gateway_client(session),
            config.table,
            config.environment,
            config.retention_days,
            lambda: session.now().timestamp(),
        )

    def run(self, found: Sequence[Found]) -> None:
        """Repair the consumers with differences, and write the audit row. RefusedError if the aggregator does not book,
        ServiceError if DynamoDB fails: the consumers before are repaired."""
        from lambda_src.edges.aws import AwsError

        failure = ""
        try:
            for consumer in found:
                if not consumer.is_clean:
                    self._repair(consumer)
        except AwsError as error:
            failure = f"{error}\nRun the same command again: what is repaired is no difference any more."
        finally:  # after Ctrl-C, too
            self._audit(found)
        if failure:
            raise ServiceError(failure)

    def _repair(self, found: Found) -> None:
        for held in found.lapsed:
            row = self._ledger.get(held.pk, held.sk, _deadline())
            self.done.lapsed += self._ledger.lapse(row, _deadline()) is not None
        # Rollups of earlier days whose rows were not read may be wrong themselves.
        rests_on_rollups = any(day >= self._complete for day in found.before)
        verifier = self._windows_verifier if rests_on_rollups else self._verifier
        reading = verifier.read(found.consumer)
        self._wait_until_booked(reading, {difference.sk[:10] for difference in found.rollups})
        repaired: set[str] = set()
        for _ in range(_ROUNDS):
            current = verifier.compare_again(reading)
            if not (current.rollups or current.account.changes):
                break
            for difference in current.rollups:
                repaired |= {difference.sk} if self._repair_rollup(difference) else set()
            if current.account.changes and self._repair_account(current.account):
                repaired.add(ACCOUNT_SK)
        self.done.accounts += ACCOUNT_SK in repaired
        self.done.rollups += len(repaired - {ACCOUNT_SK})
        self._stream.forget(found.consumer)

    def _wait_until_booked(self, reading: Reading, days: set[str]) -> None:
        """Wait until everything is booked that had ended when the rows were read: what changed in these days' rows, and
        in rows of the days that the stream still has records of.

        The aggregator books a batch's rollups before its accounts. So a day whose rollups equal its rows has nothing
        unbooked, and the account's marker tells of the rollups too.
        """
        now = self._session.now()
        days = {*days, *((now - timedelta(days=back)).date().isoformat() for back in (0, 1))}
        anchors = [(pk, sk) for pk, sk in reading.rows.anchors.items() if pk.split("#")[2] in days]
        for pk, sk in anchors:
            touch = Update(sets={VERIFIED: token_hex(4)}, equal={SK: sk})
            self._ledger.update(pk, sk, touch, _deadline())
        consumer, until = reading.rows.consumer, time.monotonic() + BOOKED_SECONDS
        while missing := self._unbooked(consumer, anchors):
            if time.monotonic() > until:
                raise RefusedError(
                    f"the aggregator has not booked {missing} of {len(anchors)} partitions of {consumer} within "
                    f"{BOOKED_SECONDS:g} seconds, so a repair could book them twice. Its rollups and account were not "
                    "changed. Look at the alarms of the aggregator (docs/monitoring.md), and run the command again."
                )
            time.sleep(_POLL_SECONDS)

    def _unbooked(self, consumer: str, anchors: Sequence[tuple[str, str]]) -> int:
        """Number of partitions whose touched row is not booked yet."""
        self._stream.pull()
        records = self._stream.records(consumer)
        account = self._ledger.account(consumer, _deadline())
        count = 0
        for pk, sk in anchors:
            _, _, day, slot = pk.split("#")
            booked = account.item.get(marker_name(self._stream.id, int(slot), day), b"")[:SEQUENCE_BYTES]
            touched = [record.sequence for record in records.get((pk, sk), [])]
            count += not touched or booked < touched[-1]
        return count

    def _repair_rollup(self, difference: RollupDifference) -> bool:
        update = Update(
            sets={REPAIR_MARKER: self._new_marker()},
            adds={name: -change for name, change in difference.changes.items()},
            equal={REPAIR_MARKER: difference.stored.get(REPAIR_MARKER)},
        )
        return self._update(rollup_pk(difference.consumer), difference.sk, update)

    def _repair_account(self, truth: AccountTruth) -> bool:
        item, changes = truth.account.item, dict(list(truth.changes.items())[:_MOST_CHANGED])
        closed = max(int(item.get(CLOSED, -1)), -1 if truth.closed is None else truth.closed)
        removes = tuple(name for name in changes if name[:2] in ("R|", "E|") and int(name[2:]) <= closed)
        update = Update(
            sets={
                REPAIR_MARKER: self._new_marker(),
                ACCOUNTS_INDEX_KEY: ACCOUNTS_INDEX_KEY,
                **({} if truth.closed is None else {CLOSED: truth.closed}),
            },
            adds={name: -change for name, change in changes.items() if name not in removes},
            removes=removes,
            # Closing a bucket changes `c` by what this repair corrects as well.
            equal={name: item.get(name) for name in (REPAIR_MARKER, CLOSED, *removes)},
        )
        return self._update(account_pk(truth.consumer), ACCOUNT_SK, update)

    def _update(self, pk: str, sk: str, update: Update) -> bool:
        """Whether the item was updated. If it was repaired or closed meanwhile, the next round sees what is left."""
        from lambda_src.edges.dynamodb_table import ConditionError

        try:
            self._ledger.update(pk, sk, update, _deadline())
        except ConditionError as failure:
            return bool(failure.item.get(REPAIR_MARKER) == update.sets[REPAIR_MARKER])  # its response was lost
        return True

    def _new_marker(self) -> bytes:
        return marker(token_bytes(SEQUENCE_BYTES), int(self._session.now().timestamp() * 1000))

    def _audit(self, found: Sequence[Found]) -> None:
        if not self.done.total:
            return
        differences = [difference for consumer in found for difference in consumer.differences]
        named = {f"{each.consumer} {each.kind} {each.item}": each.difference_usd for each in differences[:_MOST_NAMED]}
        if len(differences) > _MOST_NAMED:
            named["more"] = str(len(differences) - _MOST_NAMED)
        after = {"rollups": self.done.rollups, "accounts": self.done.accounts, "lapsed": self.done.lapsed}
        self._session.ledger.change([], Audit("ledger.repair", self._session.environment, before=named, after=after))


def _deadline() -> float:
    return time.monotonic() + _SECONDS_PER_CALL
