"""Notes on requests whose cost is not exactly what a provider reported."""

from __future__ import annotations

from typing import Final

from admin.report.page.data import PageData
from admin.report.totals import UsageTotals

_NOTES: Final = {
    "estimated": (
        "charged by estimate",
        "The provider reported no usage, for example after a timeout. The cost is an upper bound.",
        "estimated",
    ),
    "unsettled": (
        "never settled",
        "The Lambda ended before it could settle. The whole held amount was charged.",
        "unsettled",
    ),
    "over_estimate": (
        "above the held amount",
        "The cost exceeded the hold, so a budget may have been exceeded by the difference.",
        "over-estimate",
    ),
    "unpriced": (
        "without a price",
        "Rejected and not charged: the model has no price, or the consumer may not use it.",
        "unpriced",
    ),
}


def notes(data: PageData) -> list[tuple[int, str, str, str, str]]:
    """For each kind of such requests that occurred: count, title, meaning, the consumers with the most, and the value
    of `usage export --only` that lists them."""
    return [
        (count, title, meaning, _most(data, name), only)
        for name, (title, meaning, only) in _NOTES.items()
        if (count := _count(data.total, name))
    ]


def _most(data: PageData, name: str) -> str:
    counts = sorted((-_count(totals, name), consumer) for consumer, totals in data.by_consumer.items())
    return ", ".join(f"{consumer} ({-count:,})" for count, consumer in counts[:3] if count)


def _count(totals: UsageTotals, name: str) -> int:
    return totals.unpriced if name == "unpriced" else totals[name]
