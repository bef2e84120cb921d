"""The report as one page that opens anywhere, also without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from admin import page as frame
from admin.budgets import status
from admin.budgets.status import BudgetStatus
from admin.page import Raw, text
from admin.report import html_summary, html_time, html_who, rollups
from admin.report.figures import COST, INPUT_CLASSES, OUTPUT_CLASSES, Figures
from admin.report.labels import key_labels
from admin.report.period import Period
from admin.report.rollups import Sums, View, grouped
from lambda_src.contract import MODELS_PK

if TYPE_CHECKING:
    from admin.session import Session

_AMOUNTS: Final = frozenset({COST, *INPUT_CLASSES, *OUTPUT_CLASSES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the page is made from. The sums are by what their names say; a bar is a day, a week or a month.

    only: consumer and model that the page is limited to. budgets: with their consumers, the fullest first. prices:
    versions of the price table in force. labels: of the keys that used most, by id.
    """

    environment: str
    period: Period
    at: datetime
    only: Sequence[str]
    total: Figures
    by_consumer: Sums
    by_key: Sums
    by_model: Sums
    by_bar: Sums
    by_consumer_bar: Sums
    by_model_bar: Sums
    budgets: Sequence[tuple[str, BudgetStatus]]
    prices: Sequence[str]
    labels: Mapping[str, str]


def page(session: Session, period: Period, consumer: str | None, model: str | None) -> str:
    """The whole file."""
    return written(_find(session, period, consumer, model))


def written(found: Found) -> str:
    """The page of what was found."""
    of = f" of {' and '.join(found.only)}" if found.only else ""
    title = f"AI usage{of}: {found.environment}"
    return frame.page(
        title,
        f'<p class="soft">{found.period.first:%-d %B %Y} to {found.period.last:%-d %B %Y}, days in UTC</p>',
        [
            ("summary", "", html_summary.summary(found)),
            ("notes", "Worth knowing", html_summary.notes(found)),
            ("spend", "Spend", html_time.spend(found)),
            ("budgets", "Budgets", html_who.budgets(found)),
            ("tokens", "Tokens", html_time.tokens(found)),
            ("reliability", "Errors and refusals", html_time.reliability(found)),
            ("latency", "Latency", html_time.latency(found)),
            ("top", "Who used most", html_who.top(found)),
        ],
        _foot(found),
    )


def _find(session: Session, period: Period, consumer: str | None, model: str | None) -> Found:
    names, now = rollups.chosen(session, consumer), session.now()
    sums = rollups.add_up(session.table, names, period, views(period), model)
    return of_sums(
        environment=session.environment,
        period=period,
        at=now,
        only=[each for each in (consumer, model) if each is not None],
        sums=sums,
        budgets=_budgets(session, names, now),
        prices=sorted({str(each["price_version"]) for each in session.table.query(MODELS_PK)}),
        labels=key_labels(session, (key for _, key in html_who.first(sums[_BY_KEY]))),
    )


_BY_KEY: Final = 2
"""Place among `views` of the sums by consumer and key."""


def views(period: Period) -> list[View]:
    """What the page reads; `of_sums` gives each its name."""
    bars = period.bars()
    return [
        grouped(lambda _: None),
        grouped(lambda cell: cell.consumer),
        grouped(lambda cell: (cell.consumer, cell.key)),
        grouped(lambda cell: cell.model),
        grouped(lambda cell: bars[cell.day]),
        grouped(lambda cell: (cell.consumer, bars[cell.day]), _AMOUNTS),
        grouped(lambda cell: (cell.model, bars[cell.day]), _AMOUNTS),
    ]


def of_sums(*, sums: Sequence[Sums], **known: Any) -> Found:
    """What `views` came to, and what else is known."""
    everything, *rest = sums
    by_consumer, by_key, by_model, by_bar, by_consumer_bar, by_model_bar = rest
    return Found(
        total=everything.get(None, Figures()),
        by_consumer=by_consumer,
        by_key=by_key,
        by_model=by_model,
        by_bar=by_bar,
        by_consumer_bar=by_consumer_bar,
        by_model_bar=by_model_bar,
        **known,
    )


def _budgets(session: Session, names: Sequence[str], now: datetime) -> list[tuple[str, BudgetStatus]]:
    found = [
        (each.consumer, budget)
        for each in status.all_standings(session)
        if each.consumer in names
        for budget in each.budgets(now)
    ]
    return sorted(found, key=lambda each: (-each[1].percent, each[0]))


def _foot(found: Found) -> str:
    facts = {
        "Environment": found.environment,
        "Period": f"{found.period} (UTC), both days included; a bar is a {found.period.step}",
        "Generated": found.at.isoformat(timespec="seconds"),
        "Price versions": ", ".join(found.prices) or "none: no model is priced",
    }
    listed = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in facts.items())
    return Raw(
        f"<dl>{listed}</dl><p>Costs are exact sums of what the ledger charged, request by request, at the prices of "
        "the time; large figures are rounded here and exact where pointed at. Latencies come from a histogram and are "
        "interpolated within its buckets. Price versions are those in force when the page was made.</p>"
    )
