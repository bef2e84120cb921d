"""First things first: the large figures, and what to know before trusting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from admin.formatting import compact, counted, milliseconds, money, percent
from admin.page import text, tiles
from admin.report.figures import Figures
from lambda_src.core.pricing import usd

if TYPE_CHECKING:
    from admin.report.html import Found


def summary(found: Found) -> str:
    """The figures that one looks for first."""
    total = found.total
    timed = total.percentile(95)
    return tiles(
        [
            (money(total.cost), "spent", f"{usd(total.cost)} USD"),
            (compact(total.requests), "requests", f"{total.requests:,}"),
            (compact(total.tokens_in), "tokens in", f"{total.tokens_in:,}"),
            (compact(total.tokens_out), "tokens out", f"{total.tokens_out:,}"),
            (percent(total["tokens_cache_read"], total.tokens_in), "of input from a cache", "of all input tokens"),
            (percent(total["errors"], total.requests), "errors", f"{total['errors']:,} of {total.requests:,}"),
            (percent(total["refusals"], total.requests), "refused", f"{total['refusals']:,} of {total.requests:,}"),
            (milliseconds(timed), "p95 latency", "95 of 100 requests took at most this long"),
        ]
    )


# name of the rollups' count: what it means, and which rows `usage export --only` lists
_NOTES: Final = {
    "estimated": (
        "charged by estimate",
        "The provider told no usage (a cut or time-out answer, say), so the cost is an upper estimate.",
        "estimated",
    ),
    "unsettled": (
        "never settled",
        "The function ended before it could settle, so all that was held for the request was charged.",
        "unsettled",
    ),
    "over_estimate": (
        "dearer than held",
        "The cost was more than what was held, so a budget may have been passed by the difference.",
        "over-estimate",
    ),
    "unpriced": (
        "without a price",
        "Refused and not charged: the model has no price here, or is not one that this consumer may use.",
        "unpriced",
    ),
}


def notes(found: Found) -> str:
    """Rows whose cost is not what a provider reported, or that could not be priced; how to list them."""
    shown = []
    for name, (what, meaning, only) in _NOTES.items():
        count = _noted(found.total, name)
        if not count:
            continue
        whose = sorted(found.by_consumer.items(), key=lambda each: -_noted(each[1], name))[:3]
        most = ", ".join(f"{who} ({_noted(each, name):,})" for who, each in whose if _noted(each, name))
        command = (
            f"tollgate --env {found.environment} usage export --since {found.period.first} --until "
            f"{found.period.last} --only {only} --format csv"
        )
        shown.append(
            f'<div class="note"><h3>{counted(count, "request")} {text(what)}</h3><p>{text(meaning)}</p>'
            f"<p>Most of them: {text(most)}.</p><p>List them: <code>{text(command)}</code></p></div>"
        )
    if not shown:
        shown = [
            '<div class="note calm"><h3 class="good">Every cost is what the provider reported</h3><p>No request was '
            "charged by estimate, left unsettled, dearer than what was held for it, or refused for want of a price."
            "</p></div>"
        ]
    return f'<div class="grid">{"".join(shown)}</div>'


def _noted(figures: Figures, name: str) -> int:
    return figures.unpriced if name == "unpriced" else figures[name]
