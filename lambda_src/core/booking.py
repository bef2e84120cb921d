"""Books what requests cost in accounts and rollups, exactly once, from the stream of usage rows.

Each item that is booked to carries a marker for each partition of usage rows: the sequence number of the last stream
record that it contains. The marker is tested and set in the same update, so that a batch that arrives again, or in
other parts, changes nothing. DynamoDB's streams keep the order of a partition key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import islice

from lambda_src.core.account import (
    BUCKET_MS,
    CLOSED,
    MARKER,
    SEQUENCE_BYTES,
    Account,
    Update,
    bucket,
    hour,
    in_every_window,
    is_over,
    tallied,
    tally,
)
from lambda_src.core.windows import minute, utc_datetime

_EPOCH = date(1970, 1, 1)
_MOST_REMOVED = 40
"""Attributes removed by one update, whose expression may have at most 4 KB."""


def marker_name(stream: str, slot: int, day: str | None = None) -> str:
    """Name of the marker of one partition of usage rows. stream: `stream_id`. day: omitted in a rollup, which is of one
    day."""
    return f"{MARKER}{slot}{stream}{'' if day is None else f'{day_number(day):x}'}"


def day_number(day: str) -> int:
    """Days since 1970 of an ISO 8601 date."""
    return (date.fromisoformat(day) - _EPOCH).days


def stream_id(arn: str) -> str:
    """A short name for the stream of a stream's ARN: a restored table has a new stream, whose numbers start again."""
    return sha256(arn.encode()).hexdigest()[:4]


def sequence(number: str) -> bytes:
    """A stream's sequence number, of up to 40 digits, in a form that DynamoDB can compare: its numbers have 38."""
    return int(number).to_bytes(SEQUENCE_BYTES, "big")


def marker(number: bytes, now_ms: int) -> bytes:
    """The marker after the record `number` was booked. It ends with the hour, so that it can be removed some day."""
    return number + hour(now_ms).to_bytes(3, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What a stream record of a usage row changes in an account.

    at_ms: the request's. ended: the amount that had been reserved, if the request ended with this record, else None.
    spent: change of its cost. tokens: change of its tokens.
    """

    at_ms: int
    ended: int | None
    spent: int
    tokens: int = 0


def book(
    bookings: Iterable[Booking], account: Account, now_ms: int, markers: Mapping[str, tuple[bytes, bytes]]
) -> Update:
    """The update that books `bookings`, once. markers: sequence numbers of the first and the last record by marker.

    account: as far as it is known; it may be out of date. The update's condition fails if a record is booked already,
    or if a bucket was closed since, whose reserved amount is no longer in `c`.
    """
    adds: Counter[str] = Counter()
    closed = int(account.item.get(CLOSED, -1))
    open_bucket: int | None = None
    for booking in bookings:
        number = bucket(booking.at_ms)
        committed = booking.spent
        if booking.ended is not None and number > closed:
            open_bucket = number if open_bucket is None else min(open_bucket, number)
            committed -= booking.ended
            adds[f"E|{number}"] += tally(booking.ended)
        for name, amount in (
            *in_every_window("c", booking.at_ms, committed).items(),
            *in_every_window("s", booking.at_ms, booking.spent).items(),
        ):
            if amount and not is_over(name, utc_datetime(now_ms)):
                adds[name] += amount
        if booking.tokens and minute(booking.at_ms) >= minute(now_ms):  # a past minute no longer limits anything
            adds[f"t|{minute(booking.at_ms)}"] += booking.tokens
    removed = (name for name in account.stale_counters(now_ms) if name not in adds)
    return Update(
        sets={name: marker(last, now_ms) for name, (_, last) in markers.items()},
        adds={name: amount for name, amount in adds.items() if amount},
        removes=tuple(islice(removed, _MOST_REMOVED)),
        below={
            **{name: first for name, (first, _) in markers.items()},
            **({} if open_bucket is None else {CLOSED: open_bucket}),
        },
    )


def close(account: Account, number: int) -> Update:
    """The update that closes bucket `number`, and frees what was reserved in it in vain: by requests whose reserve was
    executed although its response was lost, so that the provider was never called.

    All rows of the bucket must have ended and be booked, and all earlier buckets be closed.
    """
    vain, _ = tallied(account.reserved(number) - account.ended(number))
    names = (f"R|{number}", f"E|{number}")
    freed = {name: -vain for name in in_every_window("c", number * BUCKET_MS, vain) if vain and name in account.item}
    return Update(
        sets={CLOSED: number},
        adds=freed,
        removes=names,
        below={CLOSED: number},
        equal={name: account.item.get(name) for name in names},
    )


def prune(account: Account, now_ms: int) -> Update | None:
    """The update that removes attributes that nothing needs any more; None if there are none."""
    markers = dict(islice(account.stale_markers(now_ms).items(), _MOST_REMOVED))
    removed = (*markers, *account.stale_counters(now_ms))[:_MOST_REMOVED]
    return Update(removes=removed, equal=markers) if removed else None


def book_rollup(
    rollups: Iterable[Mapping[str, int]], now_ms: int, markers: Mapping[str, tuple[bytes, bytes]]
) -> Update:
    """The update that adds `rollups` to a rollup item, once. markers: as for `book`."""
    adds: Counter[str] = Counter()
    for rollup in rollups:
        adds.update(rollup)
    return Update(
        sets={name: marker(last, now_ms) for name, (_, last) in markers.items()},
        adds={name: amount for name, amount in adds.items() if amount},
        below={name: first for name, (first, _) in markers.items()},
    )
