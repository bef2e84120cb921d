"""One run of a verification: its period, its consumers, and its document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from admin.ledger.documents import LedgerVerification, UnverifiedAmount, unverified
from admin.ledger.repair import Repair
from admin.ledger.stream import RowStream, stream_arn
from admin.ledger.verify import FRESHNESS_SECONDS, Found, Scope, Verifier
from admin.session import Session
from lambda_src.core.pricing import usd

_DAY = timedelta(days=1)


def window_start(today: date) -> date:
    """The first day of today's month or week, whichever is earlier."""
    return min(today.replace(day=1), today - timedelta(days=today.weekday()))


def first_complete_day(now: datetime, retention_days: int) -> date | None:
    """The first day none of whose usage rows have expired; None if they never do."""
    return (now - timedelta(days=retention_days)).date() + _DAY if retention_days else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A verification of `consumers`, by id, from the day `since` on.

    complete: the first day of which no row has expired; None if rows never expire. everything: as in `Scope`.
    """

    session: Session
    consumers: Sequence[str]
    since: date
    complete: date | None
    everything: bool = True

    @classmethod
    def of(cls, session: Session, consumers: Sequence[str], since: date, *, everything: bool = True) -> Run:
        """The run for `consumers`, by name, without days whose rows have expired."""
        complete = first_complete_day(session.now(), session.config.retention_days)
        first = since if complete is None else max(since, complete)
        ids = [session.ledger.names.id_of(consumer) for consumer in consumers]
        return cls(session=session, consumers=ids, since=first, complete=complete, everything=everything)

    def verify(self, wait: float = FRESHNESS_SECONDS) -> list[Found]:
        """What each consumer's rows say."""
        session = self.session
        return Verifier(session.stored_ledger, self._stream(), self._scope, session.now).verify(self.consumers, wait)

    def repair(self, found: Sequence[Found], wait: float = FRESHNESS_SECONDS) -> tuple[list[Found], int]:
        """Repair what was found. Returns what differs after it, and the number of repaired items and requests."""
        repair = Repair(self.session, self._scope, self._stream(), self.complete)
        repair.run(found)
        after = replace(self, consumers=[each.consumer for each in found if not each.is_clean]).verify(wait)
        again = {each.consumer: each for each in after}
        return [again.get(each.consumer, each) for each in found], repair.done.total

    def document(self, found: Sequence[Found], repaired: int = 0) -> LedgerVerification:
        """The JSON document of what was found."""
        name = self.session.ledger.names.consumer
        in_flight = [row.amount for each in found for row in each.held if row not in each.lapsed]
        return LedgerVerification(
            environment=self.session.environment,
            since=self.since.isoformat(),
            until=self.session.now().date().isoformat(),
            consumers=len(found),
            rows=sum(each.rows for each in found),
            in_flight=len(in_flight),
            in_flight_usd=usd(sum(in_flight)),
            in_flight_nano_usd=sum(in_flight),
            unbooked=sum(each.unbooked for each in found),
            differences=[
                replace(difference, consumer=name(difference.consumer))
                for each in found
                for difference in each.differences
            ],
            unverified=[
                replace(amount, consumer=name(amount.consumer)) for each in found for amount in self._unverified(each)
            ],
            repaired=repaired,
        )

    @property
    def _scope(self) -> Scope:
        return Scope(since=self.since, hold_seconds=self.session.config.hold_seconds, everything=self.everything)

    def _stream(self) -> RowStream:
        session = self.session
        return RowStream(session.streams, stream_arn(session.dynamodb, session.config.table))

    def _unverified(self, found: Found) -> list[UnverifiedAmount]:
        complete = "" if self.complete is None else self.complete.isoformat()
        expired = {day: amount for day, amount in found.before.items() if day < complete}
        earlier = {day: amount for day, amount in found.before.items() if day not in expired}
        amounts = (unverified(found.consumer, "expired", expired), unverified(found.consumer, "earlier", earlier))
        return [amount for amount in amounts if amount is not None]
