"""Periods of prices that have ended, which the table keeps so that `tollgate usage reprice` has each request's prices.

genai-prices states from which day some prices apply. Of the others, the previous table has the prices until today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from constructs_lib import price_table
from constructs_lib.price_table import PEAK, PricePeriod, PublishedPrice, later_version
from lambda_src.contract import NANO_PER_USD
from tools.prices.listed import Listed, Period, Step

KEPT_DAYS: Final = 800
"""Twice the default retention of usage rows."""
MOST: Final = 12
"""Ended periods per model: its item in the ledger has them, of at most 400 KB."""


def with_history(list_name: str, entries: list[Listed], as_of: date, version: str) -> Iterator[Listed]:
    """The entries with the periods that ended before `as_of`. An entry whose names have different ones is split.

    version: of the new table. The current table is the previous one.
    """
    by_id = {price.model: price for price in price_table.all_prices(list_name)}  # the last one, with the widest clause
    seen: set[str] = set()
    for entry in entries:
        clauses = entry.match.get("or", [entry.match])
        names = [clause.get("equals") for clause in clauses]
        if None in names:
            yield _retained(_continued(entry, by_id.get(entry.name), version), as_of, version)
            continue
        groups: dict[str, list[Listed]] = {}
        for clause, name in zip(clauses, names, strict=True):
            if name not in seen:  # else an earlier entry has the name
                old = price_table.find_price(list_name, name)
                found = _retained(_continued(entry, old, version), as_of, version)
                groups.setdefault(repr((found.ended, found.since)), []).append(replace(found, match=clause))
        seen.update(names)
        if len(groups) <= 1:
            found = next(iter(groups.values()))[0] if groups else replace(entry, ended=(), since=None)
            yield replace(found, match=entry.match)
        else:
            for group in groups.values():
                match = group[0].match if len(group) == 1 else {"or": [found.match for found in group]}
                yield replace(group[0], name=price_table.exact_names(match)[0], match=match)


def _continued(entry: Listed, old: PublishedPrice | None, version: str) -> Listed:
    """The entry after the periods of the previous table.

    A price that changed without a day in the source starts today. Between tables of the same sources, a change is our
    correction, for all requests.
    """
    if old is None or not entry.periods:
        return entry
    as_of, before = _parts(version), _parts(price_table.version())
    started = [period for period in old.timeline if period.start is None or period.start <= as_of[0]]
    if _rates(entry, entry.periods[0]) == (started[-1].tiers, dict(started[-1].fees)) or as_of[1] == before[1]:
        ended, since = started[:-1], started[-1].start
    elif entry.since is not None and entry.since > before[0]:
        ended = [period for period in started if period.start is None or period.start < entry.since]
        since = entry.since
    else:
        ended, since = started, as_of[0]
    return replace(entry, ended=tuple(map(_period, ended)), since=since) if ended else entry


def _retained(entry: Listed, as_of: date, version: str) -> Listed:
    """The entry without periods that ended too long ago; the others have a version."""
    starts = [*(period.start for period in entry.ended), entry.since]
    ends = {period: end for period, (_, end) in enumerate(pairwise(starts)) if end is not None}
    first = as_of - timedelta(days=KEPT_DAYS)
    kept = [(period, ends[index]) for index, period in enumerate(entry.ended) if ends[index] > first][-MOST:]
    ended = tuple(
        replace(period, start=period.start if index else None, version=period.version or _version(period, end, version))
        for index, (period, end) in enumerate(kept)
    )
    return replace(entry, ended=ended, since=entry.since if ended else None)


def _version(period: Period, end: date, version: str) -> str:
    version = f"{version}{PEAK}" if period.peak else version
    return f"{version}/until-{end}" if period.start is None else later_version(version, period.start)


def _parts(version: str) -> tuple[date, str]:
    """Date and sources of a table."""
    day, _, sources = version.partition("/")
    return date.fromisoformat(day), sources


def _rates(entry: Listed, period: Period) -> tuple[dict[str, list[dict[str, int]]], dict[str, int]]:
    """Tiers and fees as the table has them."""
    tiers = {
        tier: [{"above": step.above, **entry.rates(step)} for step in steps] for tier, steps in period.tiers.items()
    }
    return tiers, {kind: price_table.fee_nano_usd(usd) for kind, usd in period.fees.items()}


def _period(period: PricePeriod) -> Period:
    """A period of the previous table."""
    tiers = {
        tier: tuple(
            Step(step["above"], {name: _usd(rate) for name, rate in step.items() if name != "above"}) for step in steps
        )
        for tier, steps in period.tiers.items()
    }
    fees = {kind: _usd(rate) * 1_000 for kind, rate in period.fees.items()}
    return Period(tiers, period.start, peak=PEAK in period.version, fees=fees, version=period.version)


def _usd(nano: int) -> Decimal:
    return Decimal(nano) / NANO_PER_USD
