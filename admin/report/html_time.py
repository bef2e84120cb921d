"""What happened over time: spend, tokens, failures, latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

from admin.charts import OTHERS, ChartSeries, Show, barred, lines, stacked
from admin.formatting import compact, milliseconds, money, percent
from admin.page import card, empty, table, text
from admin.report.figures import Figures
from admin.report.rollups import Sums
from admin.report.rows import PERCENTILES

if TYPE_CHECKING:
    from admin.report.html import Found

NOTHING: Final = "no requests in this period"
NO_MODEL: Final = "no model"
_STACKED: Final = 5
_REASONS: Final = 10


def spend(found: Found) -> str:
    """What it cost over time."""
    return _stacks(found, "Spend", lambda each: each.cost, lambda nano: money(round(nano)))


def tokens(found: Found) -> str:
    """Tokens over time, in and out together."""
    return _stacks(found, "Tokens", lambda each: each.tokens, compact)


def _stacks(found: Found, what: str, value: Callable[[Figures], int], show: Show) -> str:
    step = found.period.step
    words = f"no {what.lower()} in this period" if found.total.requests else NOTHING
    drawn = (
        stacked(f"{what} per {step}, by {name}", labels(found), _largest(found, whole, parts, value, show), show, words)
        for name, whole, parts in (
            ("consumer", found.by_consumer, found.by_consumer_bar),
            ("model", found.by_model, found.by_model_bar),
        )
    )
    return f'<div class="grid">{"".join(map(card, drawn))}</div>'


def _largest(found: Found, whole: Sums, parts: Sums, value: Callable[[Figures], int], show: Show) -> list[ChartSeries]:
    """A series for each of the largest, one for all others together."""
    ranked = sorted((name for name in whole if value(whole[name])), key=lambda each: (-value(whole[each]), each))
    # One more than fits is shown, rather than called "others".
    kept = ranked if len(ranked) <= _STACKED + 1 else ranked[:_STACKED]
    bars, nothing = _bars(found), Figures()
    series = [
        ChartSeries(
            model_name(name),
            [value(parts.get((name, each), nothing)) for each in bars],
            str(place),
            show(value(whole[name])),
        )
        for place, name in enumerate(kept, start=1)
    ]
    rest = ranked[len(kept) :]
    if rest:
        values = [sum(value(parts.get((name, each), nothing)) for name in rest) for each in bars]
        series.append(ChartSeries(f"{len(rest)} others", values, OTHERS, show(sum(values))))
    return series


def model_name(name: str) -> str:
    return NO_MODEL if name == "-" else name


def _bars(found: Found) -> list[str]:
    return list(dict.fromkeys(found.period.bars().values()))


def labels(found: Found) -> list[str]:
    """The bars as one reads them: 3 Nov, or Nov 2026; with the year where a day may come twice."""
    if found.period.step == "month":
        return [f"{date.fromisoformat(each + '-01'):%b %Y}" for each in _bars(found)]
    named = (
        "%-d %b %Y" if found.period.step == "week" and found.period.first.year < found.period.last.year else "%-d %b"
    )
    return [format(date.fromisoformat(each), named) for each in _bars(found)]


def reliability(found: Found) -> str:
    """What failed, what was refused, and why."""
    bars = [found.by_bar.get(each) for each in _bars(found)]
    rates = [
        ChartSeries(
            "errors (5xx)",
            [_rate(each, "errors") for each in bars],
            "6",
            percent(found.total["errors"], found.total.requests),
        ),
        ChartSeries(
            "refused",
            [_rate(each, "refusals") for each in bars],
            "1",
            percent(found.total["refusals"], found.total.requests),
        ),
    ]
    chart = lines(f"Share of requests per {found.period.step}", labels(found), rates, _share, NOTHING)
    codes = _counts(
        "Refusals and errors by reason", found.total.counted("code_"), "nothing was refused, nothing failed"
    )
    statuses = _counts("Answers by HTTP status", found.total.counted("status_"), NOTHING)
    return f'<div class="grid">{card(chart)}{card(codes + statuses)}</div>'


def _rate(figures: Figures | None, name: str) -> float | None:
    return None if figures is None or not figures.requests else 100 * figures[name] / figures.requests


def _share(value: float) -> str:
    return f"{value:.3g} %"


def _counts(title: str, counts: Mapping[str, int], words: str) -> str:
    if not counts:
        return f"<h3>{text(title)}</h3>{empty(words)}"
    most = max(counts.values())
    rows = [(barred(name, count, most), f"{count:,}") for name, count in counts.items()]
    return f"<h3>{text(title)}</h3>{table(('', 'requests'), rows[:_REASONS], 1, 'tops')}"


def latency(found: Found) -> str:
    """How long answers took."""
    bars = [found.by_bar.get(each) for each in _bars(found)]
    series = [
        ChartSeries(
            f"p{each}",
            [None if bar is None else bar.percentile(each) for bar in bars],
            colour,
            milliseconds(found.total.percentile(each)),
        )
        for each, colour in zip(PERCENTILES, ("5", "1", "6"), strict=True)
    ]
    title = f"Time to the whole answer per {found.period.step}"
    return f'<div class="wide">{card(lines(title, labels(found), series, milliseconds, NOTHING))}</div>'
