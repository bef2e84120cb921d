"""Reads rollups and adds them up: one range of days per consumer, several consumers at a time.

A report reads the rollups of days x consumers x models x keys, however many requests there were.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from admin.errors import unknown
from admin.names import Names
from admin.report.period import Period, joined
from admin.report.totals import UsageTotals
from lambda_src.contract import ACCOUNT_SK, LISTED_ACCOUNT, PK, SK, account_pk, rollup_parts, rollup_pk
from lambda_src.core.account import MARKER

if TYPE_CHECKING:
    from admin.operator_ledger import OperatorLedger
    from admin.session import Session

READERS: Final = 16
_AFTER_A_DAY: Final = "$"
"""The character after `#`: `2026-11-23$` sorts after every rollup of that day and before those of the next."""


class RollupKey(NamedTuple):
    """What one rollup counts."""

    consumer: str
    day: str
    model: str
    key: str


Attributes = Sequence[tuple[str, int]]
Grouping = Callable[[RollupKey, Attributes], Iterable[tuple[Hashable, Iterable[tuple[str, int]]]]]
"""The groups that a rollup counts towards, with the attributes to add to each."""
GroupTotals = dict[Any, UsageTotals]


def select_consumers(session: Session, consumer: str | None) -> list[str]:
    """`consumer`, or every consumer if it is None: those with a policy, and those that had one and were charged.

    RefusedError with similar names for an unknown consumer.
    """
    charged = {pk.removeprefix(account_pk("")) for pk, sk in session.ledger.listed(LISTED_ACCOUNT) if sk == ACCOUNT_SK}
    names = sorted(charged | set(session.policies))
    if consumer is None:
        return names
    if consumer not in names:
        session.refuse_earlier_name(consumer)
        raise unknown("consumer", consumer, names, list_command="tollgate consumers list")
    return [consumer]


def group_by(group: Callable[[RollupKey], Hashable], only: frozenset[str] | None = None) -> Grouping:
    """Count every rollup towards one group, with all of its attributes or those in `only`."""
    return lambda key, attributes: [
        (group(key), attributes if only is None else [pair for pair in attributes if pair[0] in only])
    ]


def within(period: Period, grouping: Grouping, model: str | None = None) -> Grouping:
    """`grouping`, limited to the rollups of this period, and of this model unless it is None."""
    first, last = period.first.isoformat(), period.last.isoformat()

    def limited(key: RollupKey, attributes: Attributes) -> Iterable[tuple[Hashable, Iterable[tuple[str, int]]]]:
        counts = first <= key.day <= last and (model is None or key.model == model)
        return grouping(key, attributes) if counts else ()

    return limited


def read_totals(
    table: OperatorLedger, names: Sequence[str], periods: Sequence[Period], groupings: Sequence[Grouping]
) -> list[GroupTotals]:
    """Totals for each grouping, over these consumers' rollups in the periods. Overlapping and adjacent periods are read
    with one query per consumer."""
    ranges = [(f"{days.first.isoformat()}#", f"{days.last.isoformat()}{_AFTER_A_DAY}") for days in joined(periods)]

    def of_consumer(name: str) -> list[GroupTotals]:
        items = chain.from_iterable(table.query(rollup_pk(name), between=between) for between in ranges)
        return add_up(name, items, groupings, table.names)

    totals: list[GroupTotals] = [{} for _ in groupings]
    with ThreadPoolExecutor(READERS) as pool:
        for parts in pool.map(of_consumer, names):
            merge(totals, parts)
    return totals


def add_up(
    consumer: str, items: Iterable[Mapping[str, Any]], groupings: Sequence[Grouping], names: Names
) -> list[GroupTotals]:
    """Totals for each grouping, over one consumer's rollups."""
    totals: list[GroupTotals] = [{} for _ in groupings]
    for item in items:
        day, model, key_id = rollup_parts(item[SK])
        key = RollupKey(consumer, day, names.model(model), key_id)
        attributes = [
            (name, value) for name, value in item.items() if name not in (PK, SK) and not name.startswith(MARKER)
        ]
        for grouping, groups in zip(groupings, totals, strict=True):
            for group, counted in grouping(key, attributes):
                groups.setdefault(group, UsageTotals()).add(counted)
    return totals


def merge(totals: Sequence[GroupTotals], parts: Sequence[GroupTotals]) -> None:
    """Add `parts` to `totals`, grouping by grouping."""
    for total, part in zip(totals, parts, strict=True):
        for group, values in part.items():
            total.setdefault(group, UsageTotals()).add(values.sums.items())
