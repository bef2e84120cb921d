"""Made-up usage, always the same, for the report page."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from admin.budgets.status import BudgetStatus
from admin.names import Names
from admin.report import rollups
from admin.report.page.data import PageData, groupings
from admin.report.period import Period
from admin.report.scope import Scope

LAST = date(2026, 11, 23)
NAMES = ["search", "support", "pilot", "batch", "docs-assistant", "mobile-app", "legal", "growth"]
MODELS = ("gpt-5", "gpt-5-mini", "claude-sonnet-5", "nova-pro")


def rollup(place: int, day: int, model: int) -> dict[str, Any]:
    """A rollup of one consumer, day and model. The first ones use most, weekends are quiet, few requests fail."""
    at = LAST - timedelta(days=day)
    requests = 1 + (900 - 7 * day + 31 * model) // (1 + place) // (1 + model) // (4 if at.weekday() > 4 else 1)
    failed, rejected = requests // 70 * (6 if day == 9 else 1), requests // 40
    return {
        "sk": f"{at.isoformat()}#{MODELS[model]}#key{place:03d}",
        "requests": requests,
        "errors": failed,
        "refusals": rejected,
        "estimated": requests // 400,
        "unsettled": int(place == 1 and day % 20 == 3),
        "cost_nano_usd": requests * (2_100_000 + 137 * day) // (1 + model),
        "tokens_input": requests * 700,
        "tokens_cache_read": requests * 210,
        "tokens_output": requests * 160,
        "status_200": requests - failed - rejected,
        "status_502": failed,
        "status_429": rejected,
        "code_budget_exceeded": rejected,
        "code_upstream_unavailable": failed,
        "streams": requests // 2,
        "first_byte_ms": requests // 2 * (1_900 if day == 9 else 480),
        "ms_500": requests // 2,
        "ms_1000": requests // 3,
        "ms_10000" if day == 9 else "ms_5000": requests - requests // 2 - requests // 3,
    }


def page_data(names: list[str], days: int, models: int = len(MODELS)) -> PageData:
    """The data of a report on these consumers and days."""
    period = Period(LAST - timedelta(days=days - 1), LAST)
    at = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
    policies = {name: policy(place) for place, name in enumerate(names)}
    scope = Scope(period=period, previous=period.previous(LAST), now=at, policies=policies)
    by_field = groupings(scope)
    totals: list[rollups.GroupTotals] = [{} for _ in by_field]
    budgets = []
    for place, name in enumerate(names):
        items = [rollup(place, day, model) for day in range(days) for model in range(models)]
        earlier = [rollup(place, day, model) for day in range(days, 2 * days) for model in range(models)]
        rollups.merge(totals, rollups.add_up(name, [*earlier, *items], list(by_field.values()), Names()))
        spent = sum(item["cost_nano_usd"] for item in items if item["sk"].startswith("2026-11"))
        budgets.append((name, budget(place, spent)))
    return PageData(
        environment="prod",
        scope=scope,
        filters=[],
        budgets=budgets,
        price_versions=["2026-11-02"],
        key_labels={"key000": "ci"},
        **dict(zip(by_field, totals, strict=True)),
    )


def policy(place: int) -> dict[str, Any]:
    """A policy item. Every third consumer has no owner."""
    owner = ("ada@example.com", "grace@example.com", None)[place % 3]
    return {"tags": {"team": ("web", "data")[place % 2]}} | ({"owner": owner} if owner else {})


def budget(place: int, spent: int) -> BudgetStatus:
    """A monthly budget. Every third one was raised."""
    dollars = (45, 25, 30, 20, 15, 20, 10, 25)[place % 8]
    return BudgetStatus(
        per="month",
        window="2026-11",
        limit=dollars * 1_000_000_000,
        raised=10_000_000_000 * (place % 3 == 2),
        spent=spent,
        held=400_000_000,
        frees=None,
    )
