"""A consumer's account: one DynamoDB item, and the conditional updates that change it.

Attributes of the item, in nano-USD unless stated otherwise:

    c|day|2026-11-23   committed in that window: spent + held     (also for week, month and total)
    s|day|2026-11-23   spent in that window
    t|29401234         tokens in that UTC minute                  r|29401234   requests in that UTC minute
    h|REQUEST_ID       an open hold, encoded by `Hold.text`

DynamoDB conditions cannot add two attributes, which is why `committed` exists: a reserve tests
`committed <= limit - amount` for every budget and adds `amount` in the same atomic update.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from lambda_src.contract import ACCOUNTS_INDEX_KEY, WINDOWS, Window
from lambda_src.core.policy import Policy
from lambda_src.core.windows import labels, minute, previous, utc_datetime

HOLD = "h|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money reserved for a request in flight, with the fields of the usage row to write if it is never settled.

    amount: nano-USD. deadline: epoch seconds when it expires. at_ms: when API Gateway received the request, which
    determines its windows. tokens: the estimate that counts against tokens per minute.
    """

    request_id: str
    amount: int
    deadline: int
    at_ms: int
    tokens: int
    key_id: str
    route: str
    provider: str
    model: str
    price_version: str

    @property
    def text(self) -> str:
        """The hold as JSON, compact because its size adds to the cost of every account update."""
        return json.dumps([getattr(self, name) for name in _HOLD_FIELDS], separators=(",", ":"))

    @classmethod
    def from_text(cls, request_id: str, text: str) -> Hold:
        """The hold that `text` encodes."""
        return cls(request_id=request_id, **dict(zip(_HOLD_FIELDS, json.loads(text), strict=True)))


_HOLD_FIELDS = tuple(field.name for field in fields(Hold) if field.name != "request_id")


@dataclass(frozen=True, slots=True)
class Update:
    """A DynamoDB update by attribute name: values to SET and ADD, names to REMOVE, and the condition: attributes that
    exist, that are absent, and that are absent or at most a number."""

    sets: Mapping[str, object]
    adds: Mapping[str, int]
    removes: tuple[str, ...] = ()
    exists: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    at_most: Mapping[str, int] | None = None


class Account:
    """An account item as DynamoDB returned it."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self.item = item

    def committed(self, window: Window, at: datetime) -> int:
        """Nano-USD spent and held in the window that contains `at`."""
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

    def hold(self, request_id: str) -> Hold | None:
        text = self.item.get(HOLD + request_id)
        return None if text is None else Hold.from_text(request_id, text)

    def holds(self) -> list[Hold]:
        return [Hold.from_text(name[len(HOLD) :], text) for name, text in self.item.items() if name.startswith(HOLD)]

    def expired_holds(self, now: float) -> list[Hold]:
        """Open holds past their deadline. now: epoch seconds."""
        return [hold for hold in self.holds() if hold.deadline < now]

    def stale_attributes(self, now_ms: int) -> tuple[str, ...]:
        """Counters of windows that no update can change any more: neither current nor previous, nor of an open hold."""
        kept = _recent(now_ms) | {name for hold in self.holds() for name in _counters(utc_datetime(hold.at_ms))}
        oldest = minute(now_ms) - 1
        return tuple(
            name
            for name in self.item
            if (name[:2] in ("c|", "s|") and name not in kept) or (name[:2] in ("t|", "r|") and int(name[2:]) < oldest)
        )

    def stale_minutes(self, now_ms: int) -> tuple[str, ...]:
        """Those of `stale_attributes` that count tokens and requests."""
        return tuple(name for name in self.stale_attributes(now_ms) if name[:2] in ("t|", "r|"))


def _counter(kind: str, window: Window, at: datetime) -> str:
    return f"{kind}|{window}|{labels(at)[window]}"


def _counters(at: datetime) -> set[str]:
    return {_counter(kind, window, at) for window in WINDOWS for kind in "cs"}


def _recent(now_ms: int) -> set[str]:
    """Attributes of the current and the previous windows."""
    at = utc_datetime(now_ms)
    return _counters(at) | {_counter(kind, window, previous(window, at)) for window in WINDOWS for kind in "cs"}


def _in_every_window(kind: str, at_ms: int, amount: int) -> dict[str, int]:
    return {f"{kind}|{window}|{label}": amount for window, label in labels(utc_datetime(at_ms)).items()}


def reserve(hold: Hold, policy: Policy) -> Update:
    """The update that places `hold`, on condition that it exceeds no limit of `policy`."""
    at, now = utc_datetime(hold.at_ms), minute(hold.at_ms)
    at_most: dict[str, int] = {}
    for budget in policy.budgets:
        name = _counter("c", budget.per, at)
        at_most[name] = min(budget.limit - hold.amount, at_most.get(name, budget.limit))
    if policy.tokens_per_minute is not None:
        at_most[f"t|{now}"] = policy.tokens_per_minute - hold.tokens
    if policy.requests_per_minute is not None:
        at_most[f"r|{now}"] = policy.requests_per_minute - 1
    name = HOLD + hold.request_id
    return Update(
        sets={name: hold.text, ACCOUNTS_INDEX_KEY: ACCOUNTS_INDEX_KEY},
        adds={**_in_every_window("c", hold.at_ms, hold.amount), f"t|{now}": hold.tokens, f"r|{now}": 1},
        absent=(name,),
        at_most=at_most,
    )


def count_request(at_ms: int, limit: int) -> Update:
    """The update that counts a request without a hold, on condition that it does not exceed `limit` per minute."""
    name = f"r|{minute(at_ms)}"
    return Update(sets={ACCOUNTS_INDEX_KEY: ACCOUNTS_INDEX_KEY}, adds={name: 1}, at_most={name: limit - 1})


def settle(hold: Hold, cost: int, tokens: int, now_ms: int, stale: Iterable[str] = ()) -> Update:
    """The update that replaces `hold` with the request's actual cost and tokens."""
    adds = {**_in_every_window("c", hold.at_ms, cost - hold.amount), **_in_every_window("s", hold.at_ms, cost)}
    if minute(now_ms) == minute(hold.at_ms):  # a past minute no longer limits anything
        adds[f"t|{minute(now_ms)}"] = tokens - hold.tokens
    name = HOLD + hold.request_id
    # DynamoDB rejects an update that adds to an attribute and removes it, which a clock set back could cause.
    removed = (attribute for attribute in stale if attribute not in adds)
    return Update(sets={}, adds=adds, removes=(name, *removed), exists=(name,))


def release(hold: Hold) -> Update:
    """The update that ends a hold whose request is already booked."""
    name = HOLD + hold.request_id
    return Update(sets={}, adds=_in_every_window("c", hold.at_ms, -hold.amount), removes=(name,), exists=(name,))


def charge(at_ms: int, amount: int, account: Account, now_ms: int) -> Update:
    """The update that books `amount` without a hold. A negative amount is a correction.

    It skips windows whose counters `account` has dropped: they would restart with this amount alone.
    """
    adds = {**_in_every_window("c", at_ms, amount), **_in_every_window("s", at_ms, amount)}
    counted = _recent(now_ms) | set(account.item)
    return Update(sets={}, adds={name: value for name, value in adds.items() if name in counted})


def correct(at_ms: int, amount: int, account: Account, now_ms: int) -> Update:
    """The update that books a correction of `amount`, on condition that the account still has each counter of a past
    window that the update changes.

    A refund skips a window that has counted less than the refund: that counter does not include the request, for
    example because the account was deleted, and would fall below 0.
    """
    adds = {
        name: value
        for name, value in charge(at_ms, amount, account, now_ms).adds.items()
        if account.item.get(f"s{name[1:]}", 0) + amount >= 0
    }
    recent = _recent(now_ms)
    return Update(sets={}, adds=adds, exists=tuple(name for name in adds if name not in recent))
