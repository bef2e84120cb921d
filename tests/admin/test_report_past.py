"""The HTML report of a past period: its budgets are those of the period, never those of today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import pytest

from admin.budgets.status import BudgetStatus
from admin.names import Names
from admin.operator_ledger import OperatorLedger
from admin.output import Output
from admin.report import rollups
from admin.report.budgets import PastBudgets
from admin.report.page.page import report_page
from admin.report.period import Period
from admin.session import Options, Session
from lambda_src.contract import (
    ACCOUNT_SK,
    ACCOUNTS_INDEX_KEY,
    LISTED_POLICY,
    PK,
    POLICY_SK,
    SK,
    STATE_SK,
    account_pk,
    consumer_pk,
    rollup_pk,
    rollup_sk,
)
from lambda_src.core.policy import Budget, Policy
from lambda_src.edges.dynamodb_attributes import serialize_item
from local.cloud.client import Cloud
from tests.bench import create_table

DOLLAR = 1_000_000_000
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


# --- windows ----------------------------------------------------------------------------------------------


def budget_of(per: Any, first: str, last: str, spent: dict[str, int]) -> BudgetStatus:
    """The only budget of a consumer with this spend per day."""
    policy = Policy(consumer="search", plan="open", models=frozenset("*"), budgets=(Budget(100, per),))
    past = PastBudgets({"search": policy}, Period(date.fromisoformat(first), date.fromisoformat(last)))
    read = (past.days.first.isoformat(), past.days.last.isoformat())
    items = [
        {"pk": "x", "sk": rollup_sk(day, "small", "k"), "requests": 1, "cost_nano_usd": cost}
        for day, cost in spent.items()
        if read[0] <= day <= read[1]
    ]
    (totals,) = rollups.add_up("search", items, [past.grouping], Names())
    ((consumer, status),) = past.statuses(totals)
    assert (consumer, status.held, status.raised, status.limit) == ("search", 0, 0, 100)
    return status


@pytest.mark.parametrize(
    ("per", "first", "last", "window", "spent"),
    [
        ("month", "2026-10-01", "2026-10-31", "2026-10", 7 + 20 + 3),
        ("month", "2026-10-10", "2026-10-20", "2026-10", 7 + 20),  # from the start of the window to the period's end
        ("month", "2026-09-01", "2026-10-31", "2026-09", 50),  # the highest of two
        ("week", "2026-10-14", "2026-10-31", "2026-W42", 20),  # Monday, 12 October, is before the period
        ("day", "2026-10-01", "2026-10-31", "2026-10-12", 20),
        ("day", "2026-10-14", "2026-10-15", "2026-10-15", 0),
        ("total", "2026-10-10", "2026-10-20", "all", 20),
    ],
)
def test_windows_of_a_past_period(per: str, first: str, last: str, window: str, spent: int) -> None:
    days = {"2026-09-30": 50, "2026-10-01": 7, "2026-10-12": 20, "2026-10-25": 3, "2026-11-01": 400}
    status = budget_of(per, first, last, days)
    assert (status.window, status.spent) == (window, spent)


def test_a_consumer_without_budget_needs_no_more_days() -> None:
    period = Period(date(2026, 10, 10), date(2026, 10, 20))
    assert PastBudgets({}, period).days == period
    assert PastBudgets({}, period).statuses({}) == []


# --- the page ---------------------------------------------------------------------------------------------


@dataclass
class ReportSession(Session):
    """A session on a table without a deployment, at a fixed time."""

    cloud: Cloud
    table: str

    def __post_init__(self) -> None:
        super().__init__(Options(environment="prod"), Output())

    def now(self) -> datetime:
        return NOW

    @cached_property
    def ledger(self) -> OperatorLedger:
        return OperatorLedger(self.cloud.client("dynamodb"), self.table, lambda: "tester", self.now)


@pytest.fixture(scope="module")
def session(cloud: Cloud) -> ReportSession:
    """`search` spent $3.21 in October and $88 in November, of $100 per month, which is raised by $50 today."""
    created = ReportSession(cloud, create_table(cloud))
    policy = {
        "consumer": "search", "plan": "open", "models": ["*"], "owner": "ada@example.com", "tags": {"team": "web"},
        "budgets": [{"usd_nano": 100 * DOLLAR, "per": "month"}], ACCOUNTS_INDEX_KEY: LISTED_POLICY,
    }  # fmt: skip
    raised = {"usd_nano": 50 * DOLLAR, "per": "month", "until": "2026-12-01T00:00:00+00:00"}
    items: list[tuple[str, str, dict[str, Any]]] = [
        (consumer_pk("search"), POLICY_SK, policy),
        (consumer_pk("search"), STATE_SK, {"status": "active", "at": "x", "by": "x", "raises": [raised]}),
        (account_pk("search"), ACCOUNT_SK, {"s|month|2026-11": 88 * DOLLAR, "c|month|2026-11": 89 * DOLLAR}),
        (rollup_pk("search"), rollup_sk("2026-10-05", "small", "k"), {"requests": 1, "cost_nano_usd": 3 * DOLLAR}),
        (rollup_pk("search"), rollup_sk("2026-10-06", "large", "k"), {"requests": 1, "cost_nano_usd": 210_000_000}),
        (rollup_pk("search"), rollup_sk("2026-11-07", "small", "k"), {"requests": 1, "cost_nano_usd": 88 * DOLLAR}),
    ]
    for pk, sk, values in items:
        key = {PK: {"S": pk}, SK: {"S": sk}}
        cloud.client("dynamodb").put_item(TableName=created.table, Item={**key, **serialize_item(values)})
    return created


def page(session: Session, first: date, last: date, model: str | None = None) -> str:
    return " ".join(report_page(session, Period(first, last), None, model).split())


def test_october_shows_the_budgets_of_october(session: ReportSession) -> None:
    html = page(session, date(2026, 10, 1), date(2026, 10, 31))
    assert "$3.21 of $100.00" in html
    assert "per month · 2026-10" in html
    assert "Limits are today's" in html
    assert "$88" not in html, "spend of November"
    assert "raised" not in html.partition('id="budgets"')[2].partition("</section>")[0], "a raise of November"
    assert "Current windows" not in html
    assert "forecast" not in html
    assert "Today is not over" not in html


def test_a_budget_counts_all_models(session: ReportSession) -> None:
    html = page(session, date(2026, 10, 1), date(2026, 10, 31), "small")
    assert "<b>$3.00</b><span>spend</span>" in html
    assert "$3.21 of $100.00" in html


def test_november_shows_the_current_budgets(session: ReportSession) -> None:
    html = page(session, date(2026, 11, 1), NOW.date())
    assert "$88.00 of $150.00 · $1.00 held · $50.00 raised" in html
    assert "Current windows at 23 November 2026, 12:00 UTC" in html
    # 22.5 of 30 days have passed. October is compared up to its 23rd.
    assert "<b>$117.33</b><span>forecast for November 2026</span>" in html
    assert "The forecast is a straight line: $88.00 in 22.5 days, times 30 days." in html
    assert "<b>$3.21</b><span>previous period, 1 Oct to 23 Oct 2026</span>" in html
    assert "<b>+2,641.4 %</b><span>change: +$84.79</span>" in html
    assert "<td>ada@example.com</td><td>team=web</td>" in html.replace(' class="n"', "")
