"""Reads the ledger and renders the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from admin.budgets import status
from admin.budgets.status import BudgetStatus
from admin.html.rendering import render
from admin.report import rollups
from admin.report.budgets import PastBudgets
from admin.report.labels import key_labels
from admin.report.page import over_time, rankings
from admin.report.page.data import NO_REQUESTS, PageData, groupings
from admin.report.page.notes import notes
from admin.report.period import Period
from admin.report.rows import row_of
from admin.report.scope import Scope
from admin.report.terminal import compared
from admin.report.totals import UsageTotals
from constructs_lib.price_changes import in_force, item_periods
from lambda_src.contract import MODELS_PK
from lambda_src.core.policy import policy_from_item

if TYPE_CHECKING:
    from admin.session import Session


def report_page(session: Session, period: Period, consumer: str | None, model: str | None) -> str:
    """The HTML file."""
    names, now = rollups.select_consumers(session, consumer), session.now()
    scope = Scope(period=period, previous=period.previous(now.date()), now=now, model=model, policies=session.policies)
    by_field = groupings(scope)
    policies = {name: policy_from_item(item) for name, item in session.policies.items() if name in names}
    past = PastBudgets(policies if scope.past else {}, period)
    *totals, windows = rollups.read_totals(
        session.ledger, names, [*scope.periods, past.days], [*by_field.values(), past.grouping]
    )
    fields: dict[str, Any] = dict(zip(by_field, totals, strict=True))
    budgets = past.statuses(windows) if scope.past else _current_budgets(session, names, now)
    data = PageData(
        environment=session.environment,
        scope=scope,
        filters=[name for name in (consumer, model) if name is not None],
        budgets=sorted(budgets, key=lambda entry: (-entry[1].percent, entry[0])),
        price_versions=sorted(set(_price_versions(session, now))),
        key_labels=key_labels(session, (key for _, key in rankings.top(fields["by_key"]))),
        **fields,
    )
    return render_report(data)


def _price_versions(session: Session, now: datetime) -> Iterator[str]:
    """Versions of the prices in force of every model with prices."""
    for item in session.ledger.query(MODELS_PK):
        try:
            yield in_force(item_periods(str(item["sk"]), item), now.date())[0].version
        except KeyError:
            continue  # requests for the model are rejected; `tollgate doctor` reports it


def _current_budgets(session: Session, names: Sequence[str], now: datetime) -> list[tuple[str, BudgetStatus]]:
    return [
        (budgets.consumer, budget)
        for budgets in status.all_consumer_budgets(session)
        if budgets.consumer in names
        for budget in budgets.budgets(now)
    ]


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
        latency=[over_time.first_byte(data), over_time.latency(data)],
        outcomes={prefix: rankings.outcomes(data, prefix) for prefix in ("code_", "status_")},
        rankings=rankings.rankings(data),
        previous=comparison(data),
        consumer_columns=rankings.CONSUMER_COLUMNS,
        consumer_rows=rankings.consumer_rows(data),
        consumer_count=len({*data.by_consumer, *rankings.ended(data)}),
        no_requests=NO_REQUESTS,
    )


def comparison(data: PageData) -> dict[str, str] | None:
    """The previous period in words: its days, its cost, and the change in dollars and percent."""
    days = data.scope.previous
    if days is None:
        return None
    cost, change, percent = compared(row_of({}, data.total, previous=data.before.get(None, UsageTotals()).cost))
    year = "" if days.first.year == days.last.year else " %Y"
    return {
        "days": f"{days.first:%-d %b{year}} to {days.last:%-d %b %Y}",
        "cost": cost,
        "change": change,
        "percent": percent,
    }
