"""Totals, and notes on requests whose cost is not exactly what a provider reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from admin.formatting import compact, counted, milliseconds, money, percent
from admin.report.figures import Figures
from admin.report.page.data import PageData
from lambda_src.core.pricing import usd


def tiles(data: PageData) -> list[tuple[str, str, str]]:
    """Value, label and tooltip of each total."""
    total = data.total
    return [
        (money(total.cost), "spend", f"{usd(total.cost)} USD"),
        (compact(total.requests), "requests", f"{total.requests:,}"),
        (compact(total.tokens_in), "input tokens", f"{total.tokens_in:,}"),
        (compact(total.tokens_out), "output tokens", f"{total.tokens_out:,}"),
        (percent(total["tokens_cache_read"], total.tokens_in), "input from cache", "share of all input tokens"),
        (percent(total["errors"], total.requests), "errors", f"{total['errors']:,} of {total.requests:,}"),
        (percent(total["refusals"], total.requests), "rejected", f"{total['refusals']:,} of {total.requests:,}"),
        (milliseconds(total.percentile(95)), "p95 latency", "95 of 100 requests took at most this long"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Requests of one kind. consumers: those with the most of them. command: lists the requests."""

    title: str
    meaning: str
    consumers: str
    command: str


# name of the rollups' count: title, meaning, and the value of `usage export --only`
_NOTES: Final = {
    "estimated": (
        "charged by estimate",
        "The provider reported no usage, for example after a timeout. The cost is an upper bound.",
        "estimated",
    ),
    "unsettled": (
        "never settled",
        "The Lambda ended before it could settle. The whole reserved amount was charged.",
        "unsettled",
    ),
    "over_estimate": (
        "above the reserved amount",
        "The cost exceeded the reservation, so a budget may have been exceeded by the difference.",
        "over-estimate",
    ),
    "unpriced": (
        "without a price",
        "Rejected and not charged: the model has no price, or the consumer may not use it.",
        "unpriced",
    ),
}


def notes(data: PageData) -> list[Note]:
    """A note for each kind of such requests that occurred."""
    return [
        Note(
            title=f"{counted(count, 'request')} {title}",
            meaning=meaning,
            consumers=_most(data, name),
            command=f"tollgate --env {data.environment} usage export --since {data.period.first} --until "
            f"{data.period.last} --only {only} --format csv",
        )
        for name, (title, meaning, only) in _NOTES.items()
        if (count := _count(data.total, name))
    ]


def _most(data: PageData, name: str) -> str:
    counts = sorted(((_count(figures, name), consumer) for consumer, figures in data.by_consumer.items()), reverse=True)
    return ", ".join(f"{consumer} ({count:,})" for count, consumer in counts[:3] if count)


def _count(figures: Figures, name: str) -> int:
    return figures.unpriced if name == "unpriced" else figures[name]
