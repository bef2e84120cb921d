"""The report as rows: what was asked to be told apart, and what each of it used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from admin.errors import UsageError
from admin.report.figures import COST, Figures
from admin.report.period import Period
from admin.report.rollups import Cell, Sums, Values, View, grouped
from lambda_src.core.pricing import usd

DIMENSIONS: Final = ("consumer", "model", "day", "key", "status")
PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """What one group of requests used in the period.

    By status only requests and errors are counted; the rest is null unless all requests of the same consumer, day,
    model and key ended with the same status.

    consumer, model, day, key, status: what the row is about; null where --by does not name it. A key is named by its
        id; model is "-" for requests refused before a model was found; status 0 is one that nobody knows.
    requests: all of them, refused ones included.
    errors: answered with status 500 or above.
    refusals: refused before a provider was called; where that was our own failure it is an error.
    estimated: charged by estimate, as the provider told no usage.
    unsettled: charged what was held, as no settle came.
    over_estimate: cost more than was held.
    unpriced: refused, as the model has no price here or is not theirs to use.
    tokens_in: input tokens of every class.
    tokens_cached: those of them that a provider's cache served.
    tokens_out: output tokens, reasoning included.
    tokens_reasoning: those of them spent on reasoning.
    usd: what was charged, an exact decimal of dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    p50_ms, p95_ms, p99_ms: latency, interpolated within the buckets of a histogram; null where nothing was timed.
    """

    consumer: str | None = None
    model: str | None = None
    day: str | None = None
    key: str | None = None
    status: int | None = None
    requests: int
    errors: int
    refusals: int | None
    estimated: int | None
    unsettled: int | None
    over_estimate: int | None
    unpriced: int | None
    tokens_in: int | None
    tokens_cached: int | None
    tokens_out: int | None
    tokens_reasoning: int | None
    usd: str | None
    nano_usd: int | None
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpend:
    """What one day cost.

    day: UTC.
    requests: of that day.
    usd: an exact decimal of dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    """

    day: str
    requests: int
    usd: str
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """What was used in a period.

    environment: its name.
    since, until: first and last day, both included, in UTC.
    generated_at: ISO 8601, UTC.
    by: what the rows are told apart by.
    rows: the dearest first; by day, the oldest first.
    total: over all rows.
    days: every day of the period.
    """

    environment: str
    since: str
    until: str
    generated_at: str
    by: list[str]
    rows: list[UsageRow]
    total: UsageRow
    days: list[DaySpend]


def dimensions(text: str) -> tuple[str, ...]:
    """What --by names, each once; Usage for what cannot be told apart."""
    named = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    unknown = [each for each in named if each not in DIMENSIONS]
    if unknown or not named:
        raise UsageError(f"--by is {text!r}; accepted: any of {', '.join(DIMENSIONS)}, separated by commas.")
    return named


def views(by: Sequence[str]) -> list[View]:
    """What the report reads: its rows, its days, and everything."""
    days = grouped(lambda cell: cell.day, frozenset({"requests", COST}))
    rows = _by_status(by) if "status" in by else grouped(lambda cell: tuple(getattr(cell, each) for each in by))
    return [rows, days, grouped(lambda _: None)]


_KNOWN: Final = "known"
"""Requests of rollups in which one status alone occurs: whatever those say is said of that status."""


def _by_status(by: Sequence[str]) -> View:
    def view(cell: Cell, values: Values) -> Iterable[tuple[tuple[str, ...], Values]]:
        counts = [(name.removeprefix("status_"), count) for name, count in values if name.startswith("status_")]
        for status, count in counts:
            group = tuple(status if each == "status" else getattr(cell, each) for each in by)
            if len(counts) == 1:
                yield group, [*values, (_KNOWN, count)]
            else:
                yield group, [("requests", count), ("errors", count if int(status) >= _SERVER_ERROR else 0)]

    return view


def report(environment: str, at: str, period: Period, by: Sequence[str], found: Sequence[Sums]) -> UsageReport:
    """The report that `views` found."""
    groups, per_day, everything = found
    rows = [row_of(dict(zip(by, group, strict=True)), figures) for group, figures in groups.items()]
    spend = {day: per_day.get(day, Figures()) for day in period.days}
    return UsageReport(
        environment=environment,
        since=period.first.isoformat(),
        until=period.last.isoformat(),
        generated_at=at,
        by=list(by),
        rows=sorted(rows, key=_order),
        total=row_of({}, everything.get(None, Figures())),
        days=[
            DaySpend(day=day, requests=each.requests, usd=usd(each.cost), nano_usd=each.cost)
            for day, each in spend.items()
        ],
    )


def row_of(group: Mapping[str, str], figures: Figures) -> UsageRow:
    """The row of a group, with what is not known of a status left out."""
    p50, p95, p99 = (figures.percentile(each) for each in PERCENTILES)
    row = UsageRow(
        **{name: value for name, value in group.items() if name != "status"},
        status=int(group["status"]) if "status" in group else None,
        requests=figures.requests,
        errors=figures["errors"],
        refusals=figures["refusals"],
        estimated=figures["estimated"],
        unsettled=figures["unsettled"],
        over_estimate=figures["over_estimate"],
        unpriced=figures.unpriced,
        tokens_in=figures.tokens_in,
        tokens_cached=figures["tokens_cache_read"],
        tokens_out=figures.tokens_out,
        tokens_reasoning=figures["tokens_reasoning"],
        usd=usd(figures.cost),
        nano_usd=figures.cost,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )
    if "status" in group and figures[_KNOWN] != figures.requests:
        unknown: dict[str, Any] = dict.fromkeys(_UNKNOWN_BY_STATUS)
        return replace(row, **unknown)
    return row


_SERVER_ERROR: Final = 500
_UNKNOWN_BY_STATUS: Final = tuple(
    each.name for each in fields(UsageRow) if each.name not in (*DIMENSIONS, "requests", "errors")
)


def _order(row: UsageRow) -> tuple[object, ...]:
    """By day, then the dearest and busiest first, then by name."""
    names = (row.consumer or "", row.model or "", row.key or "", row.status or 0)
    return (row.day or "", -(row.nano_usd or 0), -row.requests, *names)
