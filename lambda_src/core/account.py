"""A consumer's account: one DynamoDB item, and the conditional updates that keep it right. Pure.

Attributes of the item, all numbers in nano-USD unless said otherwise:

    c|day|2026-11-23   committed in that window: spent + held     (so for week, month and total)
    s|day|2026-11-23   spent in that window
    t|29401234         tokens in that UTC minute                  r|29401234   requests in it
    h|REQUEST_ID       one open hold, as `Hold.text` writes it

DynamoDB conditions cannot add two attributes, hence `committed`: a reserve tests `committed <= limit - amount` for
every budget at once and adds `amount` in the same atomic update.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambda_src.contract import ACCOUNTS_INDEX_KEY, WINDOWS, Window
from lambda_src.core.policy import Policy
from lambda_src.core.windows import labels, minute, previous, utc_datetime

HOLD = "h|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money reserved for one request in flight, with what a usage row needs if no settle ever comes.

    amount: nano-USD. deadline: epoch seconds after which it counts as lost. at_ms: when API Gateway took the request
    in, which decides its windows. tokens: estimate counted against tokens per minute.
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
        """Compact, because every open hold makes each update of the account dearer."""
        fields = (self.amount, self.deadline, self.at_ms, self.tokens, self.key_id)
        return json.dumps([*fields, self.route, self.provider, self.model, self.price_version], separators=(",", ":"))

    @classmethod
    def from_text(cls, request_id: str, text: str) -> Hold:
        """The hold that `text` says."""
        amount, deadline, at_ms, tokens, key_id, route, provider, model, price_version = json.loads(text)
        return cls(
            request_id=request_id,
            amount=amount,
            deadline=deadline,
            at_ms=at_ms,
            tokens=tokens,
            key_id=key_id,
            route=route,
            provider=provider,
            model=model,
            price_version=price_version,
        )


@dataclass(frozen=True, slots=True)
class Update:
    """The parts of a DynamoDB update: SET and ADD values by attribute, names to REMOVE, and its condition's terms."""

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
        """Spent and held in the window that holds `at`."""
        return int(self.item.get(committed_name(window, at), 0))

    def spent(self, window: Window, at: datetime) -> int:
        """Spent in the window that holds `at`."""
        return int(self.item.get(spent_name(window, at), 0))

    def tokens(self, at_ms: int) -> int:
        """Tokens counted in the minute of `at_ms`."""
        return int(self.item.get(f"t|{minute(at_ms)}", 0))

    def requests(self, at_ms: int) -> int:
        """Requests counted in the minute of `at_ms`."""
        return int(self.item.get(f"r|{minute(at_ms)}", 0))

    def hold(self, request_id: str) -> Hold | None:
        """The open hold of a request."""
        text = self.item.get(HOLD + request_id)
        return None if text is None else Hold.from_text(request_id, text)

    def holds(self) -> list[Hold]:
        """All open holds."""
        return [Hold.from_text(name[len(HOLD) :], text) for name, text in self.item.items() if name.startswith(HOLD)]

    def expired_holds(self, now: float) -> list[Hold]:
        """Holds whose deadline is past."""
        return [hold for hold in self.holds() if hold.deadline < now]

    def stale_attributes(self, now_ms: int) -> tuple[str, ...]:
        """Attributes of windows that nothing can touch again: neither current, nor the one before, nor a hold's."""
        kept = _recent(now_ms) | {name for hold in self.holds() for name in _names(utc_datetime(hold.at_ms))}
        oldest = minute(now_ms) - 1
        return tuple(
            name
            for name in self.item
            if (name[:2] in ("c|", "s|") and name not in kept) or (name[:2] in ("t|", "r|") and int(name[2:]) < oldest)
        )


def committed_name(window: Window, at: datetime) -> str:
    """Attribute that counts what is committed in the window that holds `at`."""
    return _pair(window, at)[0]


def spent_name(window: Window, at: datetime) -> str:
    """Attribute that counts what is spent in the window that holds `at`."""
    return _pair(window, at)[1]


def _pair(window: Window, at: datetime) -> tuple[str, str]:
    tail = f"{window}|{labels(at)[window]}"
    return f"c|{tail}", f"s|{tail}"


def _names(at: datetime) -> list[str]:
    return [f"{kind}|{window}|{label}" for window, label in labels(at).items() for kind in "cs"]


def _recent(now_ms: int) -> set[str]:
    """Attributes of the current windows and of those before them."""
    at = utc_datetime(now_ms)
    return {*_names(at), *(name for window in WINDOWS for name in _pair(window, previous(window, at)))}


def _in_every_window(kind: str, at_ms: int, amount: int) -> dict[str, int]:
    return {f"{kind}|{window}|{label}": amount for window, label in labels(utc_datetime(at_ms)).items()}


def reserve(hold: Hold, policy: Policy) -> Update:
    """Place `hold` if every limit of `policy` leaves room for it."""
    at, now = utc_datetime(hold.at_ms), minute(hold.at_ms)
    at_most: dict[str, int] = {}
    for budget in policy.budgets:
        name = committed_name(budget.per, at)
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


def settle(hold: Hold, cost: int, tokens: int, now_ms: int, stale: Iterable[str] = ()) -> Update:
    """End `hold` with what the request really cost and used."""
    adds = {
        **_in_every_window("c", hold.at_ms, cost - hold.amount),
        **_in_every_window("s", hold.at_ms, cost),
    }
    if minute(now_ms) == minute(hold.at_ms):  # a minute that is over limits nothing any more
        adds[f"t|{minute(now_ms)}"] = tokens - hold.tokens
    name = HOLD + hold.request_id
    # DynamoDB refuses to add to and remove one attribute in the same update; a clock set back could ask for it.
    dropped = (each for each in stale if each not in adds)
    return Update(sets={}, adds=adds, removes=(name, *dropped), exists=(name,))


def release(hold: Hold) -> Update:
    """End a hold whose request is already accounted for."""
    name = HOLD + hold.request_id
    return Update(sets={}, adds=_in_every_window("c", hold.at_ms, -hold.amount), removes=(name,), exists=(name,))


def charge(at_ms: int, amount: int, present: Account, now_ms: int) -> Update:
    """Book `amount` (which may be negative: a correction) without a hold.

    A window that is long over and that the account dropped must not begin again with this amount alone.
    """
    adds = {**_in_every_window("c", at_ms, amount), **_in_every_window("s", at_ms, amount)}
    counted = _recent(now_ms) | set(present.item)
    return Update(sets={}, adds={name: value for name, value in adds.items() if name in counted})
