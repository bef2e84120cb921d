"""Reads the ledger and renders the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admin.budgets import status
from admin.html.rendering import render
from admin.report import rollups
from admin.report.labels import key_labels
from admin.report.page import over_time, rankings
from admin.report.page.data import NO_REQUESTS, PageData, groupings
from admin.report.page.notes import notes
from admin.report.period import Period
from lambda_src.contract import MODELS_PK

if TYPE_CHECKING:
    from admin.session import Session


def report_page(session: Session, period: Period, consumer: str | None, model: str | None) -> str:
    """The HTML file."""
    names, now, by_field = rollups.select_consumers(session, consumer), session.now(), groupings(period)
    totals = rollups.read_totals(session.ledger, names, period, list(by_field.values()), model)
    fields: dict[str, Any] = dict(zip(by_field, totals, strict=True))
    budgets = [
        (consumer_budgets.consumer, budget)
        for consumer_budgets in status.all_consumer_budgets(session)
        if consumer_budgets.consumer in names
        for budget in consumer_budgets.budgets(now)
    ]
    data = PageData(
        environment=session.environment,
        period=period,
        at=now,
        filters=[name for name in (consumer, model) if name is not None],
        budgets=sorted(budgets, key=lambda entry: (-entry[1].percent, entry[0])),
        price_versions=sorted({str(item["price_version"]) for item in session.ledger.query(MODELS_PK)}),
        key_labels=key_labels(session, (key for _, key in rankings.top(fields["by_key"]))),
        **fields,
    )
    return render_report(data)


def render_report(data: PageData) -> str:
    """The HTML of `data`."""
    of = f" of {' and '.join(data.filters)}" if data.filters else ""
    return render(
        "report/page/report.html.j2",
        title=f"AI usage{of}: {data.environment}",
        subtitle=f"{data.period.first:%-d %B %Y} to {data.period.last:%-d %B %Y}, days in UTC",
        data=data,
        notes=notes(data),
        spend=over_time.spend(data),
        tokens=over_time.tokens(data),
        error_rates=over_time.error_rates(data),
        latency=over_time.latency(data),
        outcomes={prefix: rankings.outcomes(data, prefix) for prefix in ("code_", "status_")},
        rankings=rankings.rankings(data),
        consumer_rows=rankings.consumer_rows(data),
        no_requests=NO_REQUESTS,
    )
