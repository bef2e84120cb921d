"""Fees per call in the ledger, and the line items of a provider's export that charge them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from admin.report.totals import CALLS, COST, FEES, UsageTotals

_GROUPS: Final = {
    "web search": (re.compile(r"web.?search|bing|grounding", re.IGNORECASE), ("web_search", "request")),
    "file search": (re.compile(r"file.?search", re.IGNORECASE), ("file_search",)),
    "code interpreter": (re.compile(r"code.?interpreter|container", re.IGNORECASE), ("code_interpreter",)),
}
"""Name → the provider's names of the line items, and the beginnings of our kinds of fees."""


def fee_group(item: str) -> str | None:
    """The group of fees that a line item charges; None if the gateway has no such fees."""
    return next((name for name, (pattern, _) in _GROUPS.items() if pattern.search(item)), None)


def fees_of(totals: UsageTotals) -> UsageTotals:
    """The fees and calls of `totals`, with the fees as cost."""
    fees = UsageTotals()
    fees.add((name, value) for name, value in totals.sums.items() if name.startswith((FEES, CALLS)))
    fees.add([(COST, fees.fees)])
    return fees


def by_group(fees: UsageTotals) -> Mapping[str, UsageTotals]:
    """The fees that were charged, by group; those of no group by their kind."""
    groups: dict[str, UsageTotals] = {}
    for kind, nano in fees.with_prefix(FEES).items():
        group = next((name for name, (_, kinds) in _GROUPS.items() if kind.startswith(kinds)), kind)
        groups.setdefault(group, UsageTotals()).add([(COST, nano), (CALLS + kind, fees[CALLS + kind])])
    return groups
