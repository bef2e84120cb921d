"""Anthropic's usage and costs: answers of the Admin API, and the files that the Console exports.

- Costs: `GET /v1/organizations/cost_report?group_by[]=description`
  (platform.claude.com/docs/en/api/admin/cost_report). `amount` is a decimal string in cents: "123.45" is $1.2345.
- Usage: `GET /v1/organizations/usage_report/messages?group_by[]=model`
  (platform.claude.com/docs/en/api/admin/usage_report/retrieve_messages). The four input counts are disjoint.
- The Console's exports (platform.claude.com/usage and /cost) have a row per day, model, key and kind of token. Its
  costs are in dollars, rounded to the cent, and its models have names such as "Claude Sonnet 4.5".
"""

from __future__ import annotations

from typing import Final

from admin.reconcile.rows import InvalidRowError, Kind, Line, Row

COST_COLUMNS: Final = frozenset({"usage_date_utc", "model", "token_type", "cost_usd"})
USAGE_COLUMNS: Final = frozenset(
    {"usage_date_utc", "model_version", "usage_input_tokens_no_cache", "usage_output_tokens"}
)
_CONSOLE_INPUT: Final = (
    "usage_input_tokens_no_cache",
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
    "usage_input_tokens_cache_read",
)
_WRITES: Final = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def console_cost(row: Row) -> Line:
    """The line of the Console's cost export."""
    return Line(
        day=row.day("usage_date_utc"),
        model=row.text("model") or None,
        kind=_kind(row, "usage_type"),
        cost=row.number("cost_usd"),
        item=row.text("cost_type", "token_type"),
    )


def console_usage(row: Row) -> Line:
    """The line of the Console's usage export."""
    return Line(
        day=row.day("usage_date_utc"),
        model=row.text("model_version") or None,
        kind=_kind(row, "usage_type"),
        tokens_in=row.tokens(*_CONSOLE_INPUT),
        tokens_out=row.tokens("usage_output_tokens"),
    )


def result(row: Row) -> Line:
    """The line of a result of either report. Raises InvalidRowError for another object."""
    day, model = row.day("start_time", "end_time"), row.text("model") or None
    if row.empty:
        return Line(day=day)
    if "amount" in row.values:
        row.usd("currency")
        cents = row.number("amount")
        item = row.text("description", "cost_type")
        return Line(day=day, model=model, kind=_kind(row, "service_tier"), cost=cents.scaleb(-2), item=item)
    if "uncached_input_tokens" not in row.values:
        raise InvalidRowError(
            "it has neither amount nor uncached_input_tokens; accepted: results of a cost or usage report."
        )
    writes = row.values.get("cache_creation")
    written = Row(row.place, writes if isinstance(writes, dict) else {}).tokens(*_WRITES)
    return Line(
        day=day,
        model=model,
        kind=_kind(row, "service_tier"),
        tokens_in=row.tokens("uncached_input_tokens", "cache_read_input_tokens") + written,
        tokens_out=row.tokens("output_tokens"),
    )


def _kind(row: Row, tier: str) -> Kind:
    if row.text("cost_type") not in ("", "token", "tokens"):
        return "fee"
    return "batch" if "batch" in row.text(tier).lower() else "usage"
