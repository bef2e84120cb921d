"""A consumer's account: one DynamoDB item, and the conditional updates that change it.

Attributes of the item, in nano-USD unless stated otherwise:

    c|day|2026-11-23   committed in that window: spent + reserved (also for week, month and total)
    s|day|2026-11-23   spent in that window
    t|29401234         tokens in that UTC minute                  r|29401234   requests in that UTC minute
    R|5984789          requests that reserved in that bucket      E|5984789    those of them that have ended (`tally`)
    z                  number of the last closed bucket           l            request id of the last reserve
    m|0ab3f5130        marker of a partition of usage rows: the last stream record that was booked

A reserve adds its amount to `c` and `R` in one conditional update. What the request really cost is in its usage row.
`core/booking.py` books it here from the table's stream: `c` changes by the cost minus the reserved amount, `s` by the
cost, and `E` by the reserved amount. A bucket of five minutes whose `R` and `E` are equal has no request in flight. So
nothing here grows with the requests in flight, and no index of open holds is needed.

DynamoDB conditions cannot add two attributes, which is why `c` exists beside `s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lambda_src.contract import ACCOUNTS_INDEX_KEY, Window
from lambda_src.core.policy import Policy
from lambda_src.core.windows import labels, minute, utc_datetime

BUCKET_MS = 300_000
CLOSED = "z"
LAST_REQUEST = "l"
_KEPT_AFTER_END = timedelta(hours=2)
"""How long the counters of a window are kept after its end: longer than a request and its booking take."""
MARKER = "m|"
_MARKER_HOURS = 26
"""A stream keeps its records for 24 hours, so that no older one can arrive again."""
SEQUENCE_BYTES = 17
"""A marker is a sequence number in this many bytes, and the hour when it was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money reserved for a request in flight.

    amount: nano-USD. deadline: epoch seconds when it lapses. at_ms: when API Gateway received the request, which
    determines its windows and its bucket. tokens: the estimate that counts against tokens per minute.
    """

    request_id: str
    amount: int
    deadline: int
    at_ms: int
    tokens: int

    @property
    def bucket(self) -> int:
        return bucket(self.at_ms)


_TALLY_BASE = 10**9
"""More requests than a bucket can have. DynamoDB's numbers have 38 digits, enough for this factor."""


def tally(amount: int, requests: int = 1) -> int:
    """An amount of nano-USD and a number of requests in one number, so that requests that reserve 0 count as well."""
    return amount * _TALLY_BASE + requests


def tallied(total: int) -> tuple[int, int]:
    """Amount and number of requests in a sum of tallies. Both are negative if it is."""
    amount, count = divmod(abs(total), _TALLY_BASE)
    return (amount, count) if total >= 0 else (-amount, -count)


def bucket(at_ms: int) -> int:
    """Number of the five minutes that contain `at_ms`. They lie within one window of every kind."""
    return at_ms // BUCKET_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A DynamoDB update by attribute name: values to SET and ADD, names to REMOVE, and its condition.

    at_most, below: attributes that are absent, or at most or below a value. equal: values that attributes must have;
    None: the attribute is absent. differs: values that they must not have.
    """

    sets: Mapping[str, object] = field(default_factory=dict)
    adds: Mapping[str, int] = field(default_factory=dict)
    removes: tuple[str, ...] = ()
    at_most: Mapping[str, int] = field(default_factory=dict)
    below: Mapping[str, object] = field(default_factory=dict)
    equal: Mapping[str, object] = field(default_factory=dict)
    differs: Mapping[str, str] = field(default_factory=dict)

    @property
    def operators(self) -> int:
        """At least the number of operators in its expressions, of which DynamoDB accepts 300, and 4 KB of text."""
        bounds = len(self.at_most) + len(self.below) + len(self.differs)
        return len(self.sets) + len(self.adds) + len(self.removes) + 4 * bounds + 2 * len(self.equal)


class Account:
    """An account item as DynamoDB returned it."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self.item = item

    def committed(self, window: Window, at: datetime) -> int:
        """Nano-USD spent and reserved in the window that contains `at`."""
        return int(self.item.get(_counter("c", window, at), 0))

    def spent(self, window: Window, at: datetime) -> int:
        """Nano-USD spent in the window that contains `at`."""
        return int(self.item.get(_counter("s", window, at), 0))

    def tokens(self, at_ms: int) -> int:
        """Tokens counted in the minute of `at_ms`."""
        return int(self.item.get(f"t|{minute(at_ms)}", 0))

    def requests(self, at_ms: int) -> int:
        """Requests counted in the minute of `at_ms`."""
        return int(self.item.get(f"r|{minute(at_ms)}", 0))

    def is_closed(self, number: int) -> bool:
        """Whether bucket `number` is closed: what had been reserved in it was booked or freed."""
        return int(self.item.get(CLOSED, -1)) >= number

    def open_buckets(self) -> list[int]:
        """Numbers of the buckets in which something was reserved, in order of time."""
        return sorted({int(name[2:]) for name in self.item if name[:2] in ("R|", "E|")})

    def reserved(self, number: int) -> int:
        """Tally of what was reserved in bucket `number`."""
        return int(self.item.get(f"R|{number}", 0))

    def ended(self, number: int) -> int:
        """The part of `reserved` whose requests have ended and are booked."""
        return int(self.item.get(f"E|{number}", 0))

    def applied(self, hold: Hold) -> bool:
        """Whether the last reserve was that of `hold`."""
        return self.item.get(LAST_REQUEST) == hold.request_id

    def stale_counters(self, now_ms: int) -> tuple[str, ...]:
        """Counters that no update needs any more, even if this account is out of date."""
        now, oldest_minute = utc_datetime(now_ms), minute(now_ms) - 1
        return tuple(
            name
            for name in self.item
            if (name[:2] in ("c|", "s|") and is_over(name, now))
            or (name[:2] in ("t|", "r|") and int(name[2:]) < oldest_minute)
        )

    def stale_markers(self, now_ms: int) -> dict[str, bytes]:
        """Markers that cover no record that the stream still has, unless they have changed since."""
        return {
            name: value
            for name, value in self.item.items()
            if name[:2] == MARKER and _marker_hour(value) < hour(now_ms) - _MARKER_HOURS
        }


def _counter(kind: str, window: Window, at: datetime) -> str:
    return f"{kind}|{window}|{labels(at)[window]}"


def is_over(counter: str, now: datetime) -> bool:
    """Whether the window of a counter ended more than `_KEPT_AFTER_END` ago. Labels sort by time."""
    _, window, label = counter.split("|")
    return any(window == name and label < current for name, current in labels(now - _KEPT_AFTER_END).items())


def in_every_window(kind: str, at_ms: int, amount: int) -> dict[str, int]:
    """`amount` for the counter of `kind` in every window that contains `at_ms`."""
    return {f"{kind}|{window}|{label}": amount for window, label in labels(utc_datetime(at_ms)).items()}


def hour(at_ms: int) -> int:
    """Number of the hour of `at_ms`."""
    return at_ms // 3_600_000


def _marker_hour(value: bytes) -> int:
    return int.from_bytes(value[SEQUENCE_BYTES:], "big")


def reserve(hold: Hold, policy: Policy) -> Update:
    """The update that reserves the amount of `hold`, on condition that it exceeds no limit of `policy`.

    The bucket must be open, so that a request that the network delivers late reserves nothing; and the last reserve
    must be another request's, so that a repeated attempt does not reserve twice.
    """
    at, now = utc_datetime(hold.at_ms), minute(hold.at_ms)
    at_most: dict[str, int] = {}
    for budget in policy.budgets:
        name = _counter("c", budget.per, at)
        at_most[name] = min(budget.limit - hold.amount, at_most.get(name, budget.limit))
    if policy.tokens_per_minute is not None:
        at_most[f"t|{now}"] = policy.tokens_per_minute - hold.tokens
    if policy.requests_per_minute is not None:
        at_most[f"r|{now}"] = policy.requests_per_minute - 1
    adds = {
        **in_every_window("c", hold.at_ms, hold.amount),
        f"R|{hold.bucket}": tally(hold.amount),
        f"t|{now}": hold.tokens,
        f"r|{now}": 1,
    }
    return Update(
        sets={LAST_REQUEST: hold.request_id, ACCOUNTS_INDEX_KEY: ACCOUNTS_INDEX_KEY},
        adds=adds,
        at_most=at_most,
        below={CLOSED: hold.bucket},
        differs={LAST_REQUEST: hold.request_id},
    )


def count_request(at_ms: int, limit: int) -> Update:
    """The update that counts a request without a hold, on condition that it does not exceed `limit` per minute."""
    name = f"r|{minute(at_ms)}"
    return Update(sets={ACCOUNTS_INDEX_KEY: ACCOUNTS_INDEX_KEY}, adds={name: 1}, at_most={name: limit - 1})
