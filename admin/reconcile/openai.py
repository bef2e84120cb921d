"""OpenAI's usage and costs: answers of the API, and the files that the dashboard exports.

- Costs: `GET /v1/organization/costs?group_by=line_item`
  (platform.openai.com/docs/api-reference/usage/costs). `amount.value` is in dollars. A line item is
  "gpt-4o-2024-08-06, cached input", "priority | gpt-5.6, output, long context" or "web search tool calls".
- Usage: `GET /v1/organization/usage/completions?group_by=model`, and `embeddings`
  (platform.openai.com/docs/api-reference/usage/completions). `input_tokens` includes cached tokens. It counts text
  only, and audio is counted beside it, except in answers that break it down (`input_text_tokens`).
- The dashboard's exports (platform.openai.com/usage) have the same fields as columns: `amount_value` for
  `amount.value`, and times in Unix seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from admin.reconcile.rows import InvalidRowError, Kind, Line, Row

COST_COLUMNS: Final = frozenset({"start_time", "amount_value", "line_item"})
USAGE_COLUMNS: Final = frozenset({"start_time", "model", "input_tokens", "output_tokens"})
COSTS: Final = "organization.costs.result"
USAGE: Final = frozenset(f"organization.usage.{name}.result" for name in ("completions", "embeddings", "moderations"))
_LINE_ITEM: Final = re.compile(r"(?:[a-z ]+ \| )?([^\s,|]+)(?: [a-z]+)?, ", re.IGNORECASE)
"""A tier, a model, and a modality, before what was counted."""


def cost(row: Row) -> Line:
    """The line of a costs result. The dashboard exports a row for a day without costs too."""
    day = row.day("start_time", "end_time")
    if row.text("amount_value") == "":
        return Line(day=day)
    row.usd("amount_currency")
    item = row.text("line_item")
    found = _LINE_ITEM.match(item)
    kind: Kind = "batch" if re.search(r"\bbatch\b", item, re.IGNORECASE) else "usage" if found or not item else "fee"
    return Line(day=day, model=found[1] if found else None, kind=kind, cost=row.number("amount_value"), item=item)


def usage(row: Row) -> Line:
    """The line of a usage result. The dashboard exports a row for a day without usage too."""
    day = row.day("start_time", "end_time")
    if row.text("input_tokens", "output_tokens") == "":
        return Line(day=day)
    total = bool(row.text("input_text_tokens"))
    return Line(
        day=day,
        model=row.text("model") or None,
        kind="batch" if row.text("batch").lower() == "true" else "usage",
        tokens_in=row.tokens("input_tokens", *(() if total else ("input_audio_tokens",))),
        tokens_out=row.tokens("output_tokens", *(() if total else ("output_audio_tokens",))),
    )


def result(row: Row) -> Line:
    """The line of a result of either API. Raises InvalidRowError for another object."""
    if row.empty:
        return Line(day=row.day("start_time", "end_time"))
    name = row.text("object")
    if name in USAGE:
        return usage(row)
    if name != COSTS:
        raise InvalidRowError(f"object is {name[:60]!r}; accepted: {', '.join([COSTS, *sorted(USAGE)])}.")
    amount: Any = row.values.get("amount")
    if not isinstance(amount, Mapping):
        raise InvalidRowError("amount is missing; accepted: an object with value and currency.")
    flat = {"amount_value": amount.get("value"), "amount_currency": amount.get("currency")}
    return cost(Row(row.place, {**row.values, **flat}))
