"""Whose budgets are how full, and who used most."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from admin.budgets.status import BudgetStatus
from admin.charts import barred, share_bar
from admin.formatting import compact, counted, milliseconds, money, percent, same_places
from admin.page import behind, card, empty, table, text
from admin.report.html_time import NOTHING, model_name
from admin.report.labels import labelled
from admin.report.rollups import Sums
from admin.report.rows import PERCENTILES
from lambda_src.core.pricing import usd

if TYPE_CHECKING:
    from admin.report.html import Found

_LISTED: Final = 10
_IN_THE_TABLE: Final = 100
_GAUGES: Final = 12
_MOST_GAUGES: Final = 60
_NEARLY: Final = 80


def budgets(found: Found) -> str:
    """How full the budgets are now."""
    if not found.budgets:
        return f'<div class="wide">{card(empty("no budget is set"))}</div>'
    first, rest = found.budgets[:_GAUGES], found.budgets[_GAUGES:]
    drawn, more = ("".join(_gauge(*each) for each in some) for some in (first, rest[:_MOST_GAUGES]))
    words = f"{len(rest):,} more, at most {rest[0][1].percent} % full" if rest else ""
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


def _gauge(consumer: str, budget: BudgetStatus) -> str:
    colour, (kind, words) = _state(budget)
    bar = share_bar([(budget.spent, f"c{colour}"), (budget.held, f"c{colour} held")], budget.limit, budget.raised)
    said = [f"{money(budget.spent)} of {money(budget.limit)}"]
    said += [f"{money(budget.held)} held"] * (budget.held > 0) + [f"{money(budget.raised)} raised"] * (
        budget.raised > 0
    )
    per = "in all" if budget.per == "total" else f"per {budget.per}"
    exact = f"{usd(budget.spent)} USD spent, {usd(budget.held)} held, limit {usd(budget.limit)}"
    return (
        f'<div class="gauge" title="{exact}"><p><b>{text(consumer)}</b><span>{per}</span></p>{bar}'
        f'<p><span>{" · ".join(said)}</span><span class="{kind}">{words}</span></p></div>'
    )


def _state(budget: BudgetStatus) -> tuple[str, tuple[str, str]]:
    """Colour, and class and words of what the bar's end says."""
    if budget.percent >= 100:
        return "b", ("bad", "used up")
    return (
        ("2", ("warn", f"{budget.percent} %")) if budget.percent >= _NEARLY else ("1", ("soft", f"{budget.percent} %"))
    )


# --- who ----------------------------------------------------------------------------------------------------


def top(found: Found) -> str:
    """Consumers, keys and models by what they spent."""
    lists = (
        ("Consumers", found.by_consumer, str),
        ("Models", found.by_model, model_name),
        ("Keys", found.by_key, lambda each: f"{each[0]} / {labelled(each[1], found.labels)}"),
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
            barred(name(each), sums[each].cost, most),
            money(sums[each].cost),
            percent(sums[each].cost, whole),
            compact(sums[each].requests),
        )
        for each in first(sums)
    ]
    return f"<h3>{title}</h3>{table(('', 'spend', 'share', 'requests'), rows, 3, 'tops')}"


def first(sums: Sums) -> list[Any]:
    """Who is listed."""
    return _ranked(sums)[:_LISTED]


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
    costs = same_places([usd(found.by_consumer[name].cost) for name in names[:_IN_THE_TABLE]])
    for name, cost in zip(names[:_IN_THE_TABLE], costs, strict=True):
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
        rows.append((name, *(f"{count:,}" for count in counts), cost, *latencies))
    more = f" (the first {_IN_THE_TABLE})" if len(names) > _IN_THE_TABLE else ""
    return "<h3>Every consumer</h3>" + (
        behind(f"{counted(len(names), 'consumer')}, exact{more}", table(columns, rows, len(columns) - 1))
        if rows
        else empty(NOTHING)
    )
