"""Compares rollups and an account with what the usage rows say. Pure: items and sums in, differences out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from admin.ledger.rows import Sums
from lambda_src.contract import PK, SK
from lambda_src.core.account import (
    BUCKET_MS,
    CLOSED,
    MARKER,
    Account,
    in_every_window,
    is_over,
    tallied,
)
from lambda_src.core.windows import labels, utc_datetime

SLACK_MS: Final = 300_000
"""After the last deadline of a bucket, when the sweeper closes it (lambda_src/sweeper.py)."""
SWEPT_MS: Final = 900_000
"""After the last deadline of a bucket, when the sweeper must have ended its requests: three runs."""


@dataclass(frozen=True, slots=True)
class RollupDifference:
    """A rollup that differs from its rows. stored: the item. changes: stored minus rows, by attribute. missing: there
    is no item."""

    consumer: str
    sk: str
    stored: Mapping[str, Any]
    changes: Mapping[str, int]
    missing: bool


def rollup_differences(
    consumer: str, stored: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Mapping[str, int]]
) -> Iterator[RollupDifference]:
    """The rollups that differ from `rows`. Both are by sort key."""
    for sk in sorted({*stored, *rows}):
        item, expected = stored.get(sk, {}), rows.get(sk, {})
        counts = {name: value for name, value in item.items() if _is_count(name, value)}
        changes = {name: counts.get(name, 0) - expected.get(name, 0) for name in {*counts, *expected}}
        changes = {name: change for name, change in sorted(changes.items()) if change}
        if changes:
            yield RollupDifference(consumer, sk, item, changes, sk not in stored)


def _is_count(name: str, value: object) -> bool:
    return name not in (PK, SK) and not name.startswith(MARKER) and isinstance(value, int)


@dataclass(frozen=True, slots=True)
class AccountTruth:
    """What an account must be.

    values: its counters and tallies by name, as far as the rows tell. closed: the last bucket that is closed; None if
    the account's own value is right.
    """

    consumer: str
    account: Account
    values: Mapping[str, int]
    closed: int | None = None

    @property
    def changes(self) -> dict[str, int]:
        """Stored minus rows, by name."""
        stored = self.account.item
        pairs = {name: int(stored.get(name, 0)) - value for name, value in self.values.items()}
        return {name: change for name, change in pairs.items() if change}


@dataclass(frozen=True, slots=True)
class Basis:
    """What an account is compared with. since: first day of `sums`. before: nano-USD by day before it, from rollups;
    None: unknown, so that only windows that begin on `since` or later are compared.

    lapse_ms: how long a request holds its amount.
    """

    since: str
    sums: Sums
    before: Mapping[str, int] | None
    lapse_ms: int


def account_truth(consumer: str, account: Account, basis: Basis, now_ms: int) -> AccountTruth:
    """What the account must be at `now_ms`.

    Requests that have reserved an amount and have no row yet are known from the account alone. So is `R` of a bucket in
    which requests may still be in progress, unless its rows reserve more.
    """
    buckets = _Buckets(account, basis, now_ms)
    values = dict(buckets.values)
    committed: Counter[str] = Counter()
    for number, amount in buckets.open_amounts.items():
        committed.update(in_every_window("", number * BUCKET_MS, amount))
    spent = _spent_by_window(basis)
    present = {f"|{name[2:]}" for name in account.item if name[:2] in ("c|", "s|")}
    for window in sorted({*spent, *committed, *present}):
        if _is_known(window, basis) and not is_over(f"s{window}", utc_datetime(now_ms)):
            values[f"s{window}"] = spent[window]
            values[f"c{window}"] = spent[window] + committed[window]
    return AccountTruth(consumer, account, values, buckets.closed)


def _spent_by_window(basis: Basis) -> Counter[str]:
    spent: Counter[str] = Counter()
    for days in (basis.before or {}, basis.sums.spent):
        for day, amount in days.items():
            for window, label in labels(_midnight(day)).items():
                spent[f"|{window}|{label}"] += amount
    return spent


def _is_known(window: str, basis: Basis) -> bool:
    """Whether the rows and `before` tell the spend of a window."""
    if basis.before is not None:
        return True
    _, name, label = window.split("|")
    return name != "total" and first_day(name, label) >= basis.since


def first_day(window: str, label: str) -> str:
    """First day of a window: `2026-11-23`, `2026-W48` or `2026-11`."""
    if window == "week":
        year, _, week = label.partition("-W")
        return datetime.fromisocalendar(int(year), int(week), 1).date().isoformat()
    return f"{label}-01" if window == "month" else label


@dataclass(slots=True)
class _Buckets:
    """Tallies of buckets, and the amounts that are open in them."""

    account: Account
    basis: Basis
    now_ms: int
    values: dict[str, int] = field(default_factory=dict)
    open_amounts: dict[int, int] = field(default_factory=dict)
    closed: int | None = None

    def __post_init__(self) -> None:
        account, sums = self.account, self.basis.sums
        first = int(_midnight(self.basis.since).timestamp() * 1000) // BUCKET_MS
        stored_closed = int(account.item.get(CLOSED, -1))
        lost, closable = [], True
        for number in sorted({*account.open_buckets(), *sums.reserved, *sums.ended}):
            reserved, ended = account.reserved(number), account.ended(number)
            if number <= stored_closed:
                self._set(number, 0, 0)
                continue
            if number < first:
                closable = closable and reserved == ended
                self.open_amounts[number] = tallied(reserved - ended)[0]
                continue
            in_rows, ended_rows = sums.reserved[number], sums.ended[number]
            if not (reserved or ended or in_rows):
                continue
            closable = closable and self._is_past(number, SLACK_MS) and in_rows == ended_rows
            if closable and not reserved and not ended:
                lost.append(number)  # it was closed, as a number that the account has lost has told
            elif reserved < in_rows or self._is_past(number, SWEPT_MS):
                self._set(number, in_rows, ended_rows)
            else:
                self._set(number, reserved, ended_rows)
        if lost:
            self.closed = lost[-1]
            for number in [number for number in self.open_amounts if number <= lost[-1]]:
                self._set(number, 0, 0)

    def _set(self, number: int, reserved: int, ended: int) -> None:
        names = (f"R|{number}", f"E|{number}")
        for name, value in zip(names, (reserved, ended), strict=True):
            if value or name in self.account.item:
                self.values[name] = value
            else:
                self.values.pop(name, None)
        self.open_amounts[number] = tallied(reserved - ended)[0]

    def _is_past(self, number: int, slack_ms: int) -> bool:
        return (number + 1) * BUCKET_MS + self.basis.lapse_ms + slack_ms <= self.now_ms


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
