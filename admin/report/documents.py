"""The report's JSON document, and its rows: one per combination of the dimensions in --by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from admin.report.scope import MonthForecast

DIMENSIONS: Final = ("consumer", "model", "day", "key", "status", "owner")
TAG: Final = "tag:"
"""Prefix of the dimensions that are tags of consumers."""
LABELS: Final = ("owner", "tags")
"""Fields of a row that describe its consumer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """Usage of one group of requests in the period. Owners and tags are those in the environment file today.

    With `--by status`, all fields after `errors` are null, unless all requests with the same consumer, day, model and
    key have the same status.

    consumer: its name; null unless in --by.
    model: its name, or "-" for requests rejected before the model was known; null unless in --by.
    day: in UTC; null unless in --by.
    key: key id; null unless in --by.
    status: HTTP status, or 0 if unknown; null unless in --by.
    owner: the consumer's owner; null if it has none, or if neither consumer nor owner is in --by.
    tags: the consumer's tags, all with consumer in --by, otherwise those in --by; null if neither is in --by.
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
    usd: cost as an exact decimal in dollars, corrections included.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    corrections: number of corrections of the requests (`tollgate usage correct` and `reprice`).
    corrections_usd: the corrections' part of the cost, as an exact decimal in dollars; negative for refunds.
    corrections_nano_usd: the same as an integer of 10⁻⁹ dollars.
    fees_usd: the part of the cost that is fees per call, such as web searches, as an exact decimal in dollars.
    fees_nano_usd: the same as an integer of 10⁻⁹ dollars.
    calls: calls of tools that the provider ran, and requests with a fee, by kind of fee.
    streams: requested streams that began.
    first_byte_ms: mean time to their first byte; null without streams.
    p50_ms, p95_ms, p99_ms: time to the end of the response, interpolated within the buckets of a histogram; null
        without any.
    previous_usd: cost in the previous period as an exact decimal in dollars; null in `usage top`, and with day or
        status in --by except in the total.
    previous_nano_usd: the same as an integer of 10⁻⁹ dollars.
    change_usd: cost minus the cost in the previous period, exact; null if that is null.
    change_nano_usd: the same as an integer of 10⁻⁹ dollars.
    change_percent: the change in percent of the previous period's cost, with one decimal; null if that is 0 or null.
    """

    consumer: str | None = None
    model: str | None = None
    day: str | None = None
    key: str | None = None
    status: int | None = None
    owner: str | None = None
    tags: dict[str, str] | None = None
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
    corrections: int | None
    corrections_usd: str | None
    corrections_nano_usd: int | None
    fees_usd: str | None
    fees_nano_usd: int | None
    calls: dict[str, int] | None
    streams: int | None
    first_byte_ms: int | None
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None
    previous_usd: str | None = None
    previous_nano_usd: int | None = None
    change_usd: str | None = None
    change_nano_usd: int | None = None
    change_percent: str | None = None

    def value(self, dimension: str) -> str | int | None:
        """The row's value of a dimension in --by."""
        if dimension.startswith(TAG):
            return (self.tags or {}).get(dimension.removeprefix(TAG))
        value: str | int | None = getattr(self, dimension)
        return value


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
    rows: by day if --by includes it, then by cost, the highest first. A group that only the
        previous period has is a row with 0 requests.
    total: of all rows.
    days: every day of the period.
    previous_since, previous_until: first and last day of the previous period: the months before whole calendar months,
        the same days of the month before for a month up to today, otherwise (as for 30d) as many days immediately
        before.
    forecast: of the running month; null unless the report includes today and has read the month so far, on the first
        day of a month, and without spend.
    """

    environment: str
    since: str
    until: str
    generated_at: str
    by: list[str]
    rows: list[UsageRow]
    total: UsageRow
    days: list[DaySpend]
    previous_since: str | None = None
    previous_until: str | None = None
    forecast: MonthForecast | None = None
