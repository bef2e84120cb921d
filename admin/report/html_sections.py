"""The sections of the page, in the order of the questions: how much, is it right, who, how well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from admin.charts import OTHERS, Series, Show, lines, share_bar, stacked
from admin.page import Raw, behind, card, empty, table, text, tiles
from admin.report.figures import Figures
from admin.report.gauges import Gauge
from admin.report.rollups import Sums
from admin.report.rows import PERCENTILES
from admin.report.text import compact, counted, milliseconds, money, percent
from lambda_src.pricing import usd

if TYPE_CHECKING:
    from admin.report.html import Found

NOTHING: Final = "no requests in this period"
_STACKED: Final = 5
_LISTED: Final = 10
_IN_THE_TABLE: Final = 100
_GAUGES: Final = 12
_MOST_GAUGES: Final = 60
NO_MODEL: Final = "no model"


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


# --- over time --------------------------------------------------------------------------------------------


def spend(found: Found) -> str:
    """What it cost over time."""
    return _stacks(found, "Spend", lambda each: each.cost, lambda nano: money(round(nano)))


def tokens(found: Found) -> str:
    """Tokens over time, in and out together."""
    return _stacks(found, "Tokens", lambda each: each.tokens, compact)


def _stacks(found: Found, what: str, value: Callable[[Figures], int], show: Show) -> str:
    step = found.period.step
    drawn = (
        stacked(
            f"{what} per {step}, by {name}", labels(found), _largest(found, whole, parts, value, show), show, NOTHING
        )
        for name, whole, parts in (
            ("consumer", found.by_consumer, found.by_consumer_bar),
            ("model", found.by_model, found.by_model_bar),
        )
    )
    return f'<div class="grid">{"".join(map(card, drawn))}</div>'


def _largest(found: Found, whole: Sums, parts: Sums, value: Callable[[Figures], int], show: Show) -> list[Series]:
    """A series for each of the largest, one for all others together."""
    ranked = sorted((name for name in whole if value(whole[name])), key=lambda each: (-value(whole[each]), each))
    # One more than fits is shown, rather than called "others".
    kept = ranked if len(ranked) <= _STACKED + 1 else ranked[:_STACKED]
    bars, nothing = _bars(found), Figures()
    series = [
        Series(
            _model_name(name),
            [value(parts.get((name, each), nothing)) for each in bars],
            str(place),
            show(value(whole[name])),
        )
        for place, name in enumerate(kept, start=1)
    ]
    rest = ranked[len(kept) :]
    if rest:
        values = [sum(value(parts.get((name, each), nothing)) for name in rest) for each in bars]
        series.append(Series(f"{len(rest)} others", values, OTHERS, show(sum(values))))
    return series


def _model_name(name: str) -> str:
    return NO_MODEL if name == "-" else name


def _bars(found: Found) -> list[str]:
    return list(dict.fromkeys(found.period.bars().values()))


def labels(found: Found) -> list[str]:
    """The bars as one reads them: 3 Nov, or Nov 2026."""
    if found.period.step == "month":
        return [f"{date.fromisoformat(each + '-01'):%b %Y}" for each in _bars(found)]
    return [f"{date.fromisoformat(each):%-d %b}" for each in _bars(found)]


def reliability(found: Found) -> str:
    """What failed, what was refused, and why."""
    bars = [found.by_bar.get(each) for each in _bars(found)]
    rates = [
        Series(
            "errors (5xx)",
            [_rate(each, "errors") for each in bars],
            "6",
            percent(found.total["errors"], found.total.requests),
        ),
        Series(
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
    rows = [(_barred(name, count, most), f"{count:,}") for name, count in counts.items()]
    return f"<h3>{text(title)}</h3>{table(('', 'requests'), rows[:_LISTED], 1, 'tops')}"


def _barred(name: str, part: int, most: int) -> Raw:
    return Raw(text(name) + share_bar([(part, "c1")], most))


def latency(found: Found) -> str:
    """How long answers took."""
    bars = [found.by_bar.get(each) for each in _bars(found)]
    series = [
        Series(
            f"p{each}",
            [None if bar is None else bar.percentile(each) for bar in bars],
            colour,
            milliseconds(found.total.percentile(each)),
        )
        for each, colour in zip(PERCENTILES, ("5", "1", "6"), strict=True)
    ]
    title = f"Time to the whole answer per {found.period.step}"
    return f'<div class="wide">{card(lines(title, labels(found), series, milliseconds, NOTHING))}</div>'


# --- budgets ------------------------------------------------------------------------------------------------


def budgets(found: Found) -> str:
    """How full the budgets are now."""
    if not found.gauges:
        return f'<div class="wide">{card(empty("no budget is set"))}</div>'
    first, rest = found.gauges[:_GAUGES], found.gauges[_GAUGES:]
    drawn, more = ("".join(map(_gauge, some)) for some in (first, rest[:_MOST_GAUGES]))
    words = f"{len(rest):,} more, at most {rest[0].percent} % full" if rest else ""
    if len(rest) > _MOST_GAUGES:
        words += f" (the first {_MOST_GAUGES}; `tollgate budgets show` has all)"
    legend = (
        '<ul class="legend"><li class="c1"><i></i>spent</li><li class="c1"><i class="held"></i>held for requests in '
        'flight</li><li><i class="raised"></i>raised for a while</li></ul>'
    )
    return (
        f'<p class="soft">In the windows of {found.at:%-d %B %Y, %H:%M} UTC, whatever the period of the report.</p>'
        f'{legend}<div class="card"><div class="gauges">{drawn}</div>'
        f"{behind(words, f'<div class=gauges>{more}</div>') if rest else ''}</div>"
    )


def _gauge(gauge: Gauge) -> str:
    state, words = _state(gauge)
    bar = share_bar([(gauge.spent, f"c{state}"), (gauge.held, f"c{state} held")], gauge.limit, gauge.raised)
    said = [f"{money(gauge.spent)} of {money(gauge.limit)}"]
    said += [f"{money(gauge.held)} held"] * (gauge.held > 0) + [f"{money(gauge.raised)} of it raised"] * (
        gauge.raised > 0
    )
    per = "in all" if gauge.per == "total" else f"per {gauge.per}"
    exact = f"{usd(gauge.spent)} USD spent, {usd(gauge.held)} held, limit {usd(gauge.limit)}"
    return (
        f'<div class="gauge" title="{exact}"><p><b>{text(gauge.consumer)}</b><span>{per}</span></p>{bar}'
        f'<p><span>{" · ".join(said)}</span><span class="{words[0]}">{words[1]}</span></p></div>'
    )


def _state(gauge: Gauge) -> tuple[str, tuple[str, str]]:
    if gauge.spent >= gauge.limit:
        return "b", ("bad", "used up")
    if gauge.percent >= 80:
        return "2", ("warn", f"{gauge.percent} %")
    return "1", ("", f"{gauge.percent} %")


# --- who ----------------------------------------------------------------------------------------------------


def top(found: Found) -> str:
    """Consumers, keys and models by what they spent."""
    lists = (
        ("Consumers", found.by_consumer, str),
        ("Models", found.by_model, _model_name),
        ("Keys", found.by_key, " / ".join),
    )
    cards = "".join(card(_ranking(title, sums, name, found.total.cost)) for title, sums, name in lists)
    return f'<div class="grid three">{cards}</div><div class="wide screen">{card(_everybody(found))}</div>'


def _ranking(title: str, sums: Sums, name: Callable[[Any], str], whole: int) -> str:
    if not sums:
        return f"<h3>{title}</h3>{empty(NOTHING)}"
    ranked = _ranked(sums)
    most = max(1, sums[ranked[0]].cost)
    rows = [
        (
            _barred(name(each), sums[each].cost, most),
            money(sums[each].cost),
            percent(sums[each].cost, whole),
            compact(sums[each].requests),
        )
        for each in ranked[:_LISTED]
    ]
    return f"<h3>{title}</h3>{table(('', 'spend', 'share', 'requests'), rows, 3, 'tops')}"


def _ranked(sums: Sums) -> list[Any]:
    return sorted(sums, key=lambda each: (-sums[each].cost, -sums[each].requests, each))


def _everybody(found: Found) -> str:
    names = _ranked(found.by_consumer)
    columns = (
        "consumer",
        "requests",
        "errors",
        "refused",
        "tokens in",
        "cached",
        "tokens out",
        "USD",
        "p50",
        "p95",
        "p99",
    )
    rows = []
    for name in names[:_IN_THE_TABLE]:
        each = found.by_consumer[name]
        counts = (
            each.requests,
            each["errors"],
            each["refusals"],
            each.tokens_in,
            each["tokens_cache_read"],
            each.tokens_out,
        )
        latencies = (milliseconds(each.percentile(share)) for share in PERCENTILES)
        rows.append((name, *(f"{count:,}" for count in counts), usd(each.cost), *latencies))
    more = f" (the first {_IN_THE_TABLE})" if len(names) > _IN_THE_TABLE else ""
    return "<h3>Every consumer</h3>" + (
        behind(f"{counted(len(names), 'consumer')}, exact{more}", table(columns, rows, len(columns) - 1))
        if rows
        else empty(NOTHING)
    )
