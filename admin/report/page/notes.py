"""Notes on requests whose cost is not exactly what a provider reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from admin.report.figures import Figures
from admin.report.page.data import PageData

# name of the rollups' count: title, meaning, and the value of `usage export --only`
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """consumers: those with the most of these requests. only: lists the requests in `usage export --only`."""

    count: int
    title: str
    meaning: str
    consumers: str
    only: str


def notes(data: PageData) -> list[Note]:
    """A note for each kind of such requests that occurred."""
    return [
        Note(count=count, title=title, meaning=meaning, consumers=_most(data, name), only=only)
        for name, (title, meaning, only) in _NOTES.items()
        if (count := _count(data.total, name))
    ]


def _most(data: PageData, name: str) -> str:
    counts = sorted((-_count(figures, name), consumer) for consumer, figures in data.by_consumer.items())
    return ", ".join(f"{consumer} ({-count:,})" for count, consumer in counts[:3] if count)


def _count(figures: Figures, name: str) -> int:
    return figures.unpriced if name == "unpriced" else figures[name]
