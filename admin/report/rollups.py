"""Reading rollups: one range of days per consumer, several consumers at a time, added up as they arrive.

The cost is that of the rollups alone: days x consumers x models x keys, whatever the number of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from admin.errors import unknown
from admin.report.figures import Figures
from admin.report.period import Period
from lambda_src.contract import ACCOUNT_SK, LISTED_ACCOUNT, PK, SK, account_pk, rollup_parts, rollup_pk

if TYPE_CHECKING:
    from admin.session import Session
    from admin.table import OperatorLedger

READERS: Final = 16
_BEYOND_A_DAY: Final = "$"
"""The character after `#`: `2026-11-23$` sorts after every rollup of that day and before those of the next."""


class Cell(NamedTuple):
    """What one rollup is about."""

    consumer: str
    day: str
    model: str
    key: str


Values = Sequence[tuple[str, int]]
"""Attributes of a rollup."""
View = Callable[[Cell, Values], Iterable[tuple[Hashable, Iterable[tuple[str, int]]]]]
"""One way of adding rollups up: which groups a rollup counts towards, and with which of its attributes."""
Sums = dict[Any, Figures]


def consumers(session: Session) -> list[str]:
    """Everybody who may have rollups: who has a policy, and who had one and was charged."""
    charged = {pk.removeprefix(account_pk("")) for pk, sk in session.table.listed(LISTED_ACCOUNT) if sk == ACCOUNT_SK}
    return sorted(charged | set(session.policies))


def chosen(session: Session, consumer: str | None) -> list[str]:
    """`consumer` alone, or everybody; Refused, with the nearest names, for one that is not there."""
    everybody = consumers(session)
    if consumer is None:
        return everybody
    if consumer not in everybody:
        raise unknown("consumer", consumer, everybody, seen_with="tollgate consumers list")
    return [consumer]


def grouped(group: Callable[[Cell], Hashable], only: frozenset[str] | None = None) -> View:
    """Every rollup counts towards one group, with all its attributes or with those in `only`."""
    if only is None:
        return lambda cell, values: [(group(cell), values)]
    return lambda cell, values: [(group(cell), [each for each in values if each[0] in only])]


def add_up(
    table: OperatorLedger, names: Sequence[str], period: Period, views: Sequence[View], model: str | None = None
) -> list[Sums]:
    """For each of `views` the sums by its groups, over the rollups of these consumers in these days, of every model or
    of one."""
    between = (f"{period.first.isoformat()}#", f"{period.last.isoformat()}{_BEYOND_A_DAY}")

    def of_consumer(name: str) -> list[Sums]:
        return added(name, table.query(rollup_pk(name), between=between), views, model)

    totals: list[Sums] = [{} for _ in views]
    with ThreadPoolExecutor(READERS) as pool:
        for parts in pool.map(of_consumer, names):
            for total, part in zip(totals, parts, strict=True):
                for group, figures in part.items():
                    total.setdefault(group, Figures()).add(figures.sums.items())
    return totals


def added(consumer: str, items: Iterable[Mapping[str, Any]], views: Sequence[View], model: str | None) -> list[Sums]:
    """The sums of one consumer's rollups."""
    sums: list[Sums] = [{} for _ in views]
    for item in items:
        cell = Cell(consumer, *rollup_parts(item[SK]))
        if model is not None and cell.model != model:
            continue
        values = [(name, value) for name, value in item.items() if name not in (PK, SK)]
        for view, groups in zip(views, sums, strict=True):
            for group, counted in view(cell, values):
                groups.setdefault(group, Figures()).add(counted)
    return sums
