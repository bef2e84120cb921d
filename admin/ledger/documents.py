"""JSON documents of a verification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from admin.ledger.compare import AccountTruth, RollupDifference
from admin.ledger.rows import HeldRow
from lambda_src.contract import rollup_parts
from lambda_src.core.account import BUCKET_MS, tallied
from lambda_src.core.pricing import usd
from lambda_src.core.windows import utc_datetime

Kind = Literal["rollup", "spent", "committed", "reserved", "ended", "lapsed", "unreadable"]
COST: Final = "cost_nano_usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDifference:
    """One difference between what the ledger has stored and what its usage rows say.

    kind: rollup (a rollup and its rows), spent or committed (an account's counter of a budget window), reserved or
        ended (an account's amounts of five minutes), lapsed (a request still reserves its amount long after its
        deadline) or unreadable (a usage row that the gateway's code cannot read, so that its cost is unknown).
    consumer: its name.
    item: the rollup (day, model, key), window, five minutes, or usage row.
    missing: whether the rollup does not exist at all.
    stored_usd: what is stored, as an exact decimal in dollars.
    stored_nano_usd: the same as an integer of 10⁻⁹ dollars.
    rows_usd: what the rows say, as an exact decimal in dollars.
    rows_nano_usd: the same as an integer of 10⁻⁹ dollars.
    difference_usd: stored minus rows, as an exact decimal in dollars.
    difference_nano_usd: the same as an integer of 10⁻⁹ dollars.
    counts: differences of everything else, such as requests and tokens, by name: stored minus rows.
    """

    kind: Kind
    consumer: str
    item: str
    missing: bool
    stored_usd: str
    stored_nano_usd: int
    rows_usd: str
    rows_nano_usd: int
    difference_usd: str
    difference_nano_usd: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedAmount:
    """An amount of a consumer's spend that this run compared with rollups only.

    consumer: its name.
    until: last day of the amount, in UTC.
    reason: expired (the usage rows were deleted at the end of their retention) or earlier (they are before --since).
    usd: the amount, as an exact decimal in dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    """

    consumer: str
    until: str
    reason: Literal["expired", "earlier"]
    usd: str
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerVerification:
    """A verification of the ledger.

    environment: its name.
    since, until: first and last day whose usage rows were read, in UTC.
    consumers: number of consumers.
    rows: number of usage rows and corrections that were read.
    in_flight: number of requests in progress, whose amounts are reserved. They are no difference.
    in_flight_usd: these amounts, as an exact decimal in dollars.
    in_flight_nano_usd: the same as an integer of 10⁻⁹ dollars.
    unbooked: number of requests that ended while their consumer was verified and were not booked yet. They are no
        difference.
    differences: all differences; empty if there are none. With --repair, those that remain.
    unverified: amounts that were compared with rollups only.
    repaired: number of rollups, accounts and lapsed requests that were repaired.
    """

    environment: str
    since: str
    until: str
    consumers: int
    rows: int
    in_flight: int
    in_flight_usd: str
    in_flight_nano_usd: int
    unbooked: int
    differences: list[LedgerDifference]
    unverified: list[UnverifiedAmount]
    repaired: int


def difference(
    kind: Kind,
    consumer: str,
    item: str,
    stored: int,
    rows: int,
    counts: dict[str, int] | None = None,
    *,
    missing: bool = False,
) -> LedgerDifference:
    """The document of a difference between two amounts in nano-USD."""
    return LedgerDifference(
        kind=kind,
        consumer=consumer,
        item=item,
        missing=missing,
        stored_usd=usd(stored),
        stored_nano_usd=stored,
        rows_usd=usd(rows),
        rows_nano_usd=rows,
        difference_usd=usd(stored - rows),
        difference_nano_usd=stored - rows,
        counts=counts or {},
    )


def of_rollup(found: RollupDifference) -> LedgerDifference:
    """The document of a rollup's difference."""
    stored = int(found.stored.get(COST, 0))
    counts = {name: change for name, change in found.changes.items() if name != COST}
    item = " ".join(rollup_parts(found.sk))
    return difference(
        "rollup", found.consumer, item, stored, stored - found.changes.get(COST, 0), counts, missing=found.missing
    )


_KINDS: Final[dict[str, Kind]] = {"s": "spent", "c": "committed", "R": "reserved", "E": "ended"}


def of_account(truth: AccountTruth) -> Iterator[LedgerDifference]:
    """The documents of an account's differences."""
    for name, change in truth.changes.items():
        kind, _, window = name.partition("|")
        stored = int(truth.account.item.get(name, 0))
        if kind in "sc":
            yield difference(_KINDS[kind], truth.consumer, window.replace("|", " "), stored, stored - change)
            continue
        start = utc_datetime(int(window) * BUCKET_MS).isoformat(timespec="minutes")
        (before, requests), (after, in_rows) = tallied(stored), tallied(stored - change)
        counts = {"requests": requests - in_rows} if requests != in_rows else {}
        yield difference(_KINDS[kind], truth.consumer, f"five minutes from {start}", before, after, counts)


def of_lapsed(consumer: str, row: HeldRow) -> LedgerDifference:
    """The document of a request that still reserves its amount long after its deadline."""
    return difference("lapsed", consumer, f"request {row.sk.partition('#')[2]}", row.amount, 0)


def of_unreadable(consumer: str, key: tuple[str, str]) -> LedgerDifference:
    """The document of a usage row that cannot be read."""
    return difference("unreadable", consumer, "row " + " ".join(key), 0, 0)


def unverified(
    consumer: str, reason: Literal["expired", "earlier"], days: Mapping[str, int]
) -> UnverifiedAmount | None:
    """The document of nano-USD by day that were compared with rollups only; None if there are none."""
    total = sum(days.values())
    if not total:
        return None
    return UnverifiedAmount(consumer=consumer, until=max(days), reason=reason, usd=usd(total), nano_usd=total)
