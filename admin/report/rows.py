"""The report as rows: one per combination of the dimensions in --by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from admin.errors import UsageError
from admin.report.period import Period
from admin.report.rollups import Attributes, Grouping, GroupTotals, RollupKey, group_by
from admin.report.totals import COST, UsageTotals
from lambda_src.core.pricing import usd

DIMENSIONS: Final = ("consumer", "model", "day", "key", "status")
PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """Usage of one group of requests in the period.

    With `--by status`, all fields after `errors` are null, unless all requests with the same consumer, day, model and
    key have the same status.

    consumer: its name; null unless in --by.
    model: its name, or "-" for requests rejected before the model was known; null unless in --by.
    day: in UTC; null unless in --by.
    key: key id; null unless in --by.
    status: HTTP status, or 0 if unknown; null unless in --by.
    requests: all requests, rejected ones included.
    errors: responses with status 500 or above.
    refusals: requests rejected with 4xx before a provider was called.
    estimated: requests charged by estimate, since the provider reported no usage.
    unsettled: requests that were never settled, charged at the held amount.
    over_estimate: requests that cost more than the held amount.
    model_not_found: requests rejected because no priced model has this name or the consumer may not use it.
    unpriced: requests rejected because the service tier has no price or the cost has no upper bound.
    tokens_in: input tokens of every class.
    tokens_cached: input tokens read from a provider's cache.
    tokens_out: output tokens, reasoning included.
    tokens_reasoning: output tokens spent on reasoning.
    usd: cost as an exact decimal in dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    p50_ms, p95_ms, p99_ms: latency, interpolated within the buckets of a histogram; null without any latency.
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
    model_not_found: int | None
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
    """Spend of one day.

    day: in UTC.
    requests: number of requests.
    usd: cost as an exact decimal in dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    """

    day: str
    requests: int
    usd: str
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """Usage in a period.

    environment: its name.
    since, until: first and last day, both included, in UTC.
    generated_at: ISO 8601, UTC.
    by: dimensions of the rows.
    rows: by day if --by includes it, then by cost, the highest first.
    total: of all rows.
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
    """The dimensions in --by, each once; UsageError for unknown ones."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or not set(names) <= set(DIMENSIONS):
        raise UsageError(f"--by is {text!r}; accepted: any of {', '.join(DIMENSIONS)}, separated by commas.")
    return names


def groupings(by: Sequence[str]) -> list[Grouping]:
    """Of the report's rows, of its days, and of everything."""
    days = group_by(lambda key: key.day, frozenset({"requests", COST}))
    rows = _by_status(by) if "status" in by else group_by(lambda key: tuple(getattr(key, name) for name in by))
    return [rows, days, group_by(lambda _: None)]


_KNOWN: Final = "known"
"""Requests of rollups with a single status: all of their attributes belong to that status."""


def _by_status(by: Sequence[str]) -> Grouping:
    def grouping(key: RollupKey, attributes: Attributes) -> Iterable[tuple[tuple[str, ...], Attributes]]:
        counts = [(name.removeprefix("status_"), count) for name, count in attributes if name.startswith("status_")]
        for status, count in counts:
            group = tuple(status if name == "status" else getattr(key, name) for name in by)
            if len(counts) == 1:
                yield group, [*attributes, (_KNOWN, count)]
            else:
                yield group, [("requests", count), ("errors", count if int(status) >= _SERVER_ERROR else 0)]

    return grouping


def build_report(
    environment: str, at: str, period: Period, by: Sequence[str], totals: Sequence[GroupTotals]
) -> UsageReport:
    """The report on the totals by `groupings`."""
    groups, per_day, overall = totals
    rows = [row_of(dict(zip(by, group, strict=True)), totals) for group, totals in groups.items()]
    spend = {day: per_day.get(day, UsageTotals()) for day in period.days}
    return UsageReport(
        environment=environment,
        since=period.first.isoformat(),
        until=period.last.isoformat(),
        generated_at=at,
        by=list(by),
        rows=sorted(rows, key=_order),
        total=row_of({}, overall.get(None, UsageTotals())),
        days=[
            DaySpend(day=day, requests=totals.requests, usd=usd(totals.cost), nano_usd=totals.cost)
            for day, totals in spend.items()
        ],
    )


def row_of(group: Mapping[str, str], totals: UsageTotals) -> UsageRow:
    """The row of a group, given by its dimensions."""
    p50, p95, p99 = map(totals.percentile, PERCENTILES)
    row = UsageRow(
        **{name: value for name, value in group.items() if name != "status"},
        status=int(group["status"]) if "status" in group else None,
        requests=totals.requests,
        errors=totals["errors"],
        refusals=totals["refusals"],
        estimated=totals["estimated"],
        unsettled=totals["unsettled"],
        over_estimate=totals["over_estimate"],
        model_not_found=totals.noted("model_not_found"),
        unpriced=totals.noted("unpriced"),
        tokens_in=totals.tokens_in,
        tokens_cached=totals["tokens_cache_read"],
        tokens_out=totals.tokens_out,
        tokens_reasoning=totals["tokens_reasoning"],
        usd=usd(totals.cost),
        nano_usd=totals.cost,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )
    if "status" in group and totals[_KNOWN] != totals.requests:
        unknown: dict[str, Any] = dict.fromkeys(_UNKNOWN_BY_STATUS)
        return replace(row, **unknown)
    return row


_SERVER_ERROR: Final = 500
_UNKNOWN_BY_STATUS: Final = tuple(
    field.name for field in fields(UsageRow) if field.name not in (*DIMENSIONS, "requests", "errors")
)


def _order(row: UsageRow) -> tuple[object, ...]:
    """By day, then by cost and requests, the highest first, then by name."""
    names = (row.consumer or "", row.model or "", row.key or "", row.status or 0)
    return (row.day or "", -(row.nano_usd or 0), -row.requests, *names)
