"""What the page shows, before it is laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from admin.budgets.status import BudgetStatus
from admin.report.period import Period
from admin.report.rollups import Grouping, GroupTotals, group_by
from admin.report.scope import MonthForecast, Scope, forecast
from admin.report.totals import COST, INPUT_CLASSES, OUTPUT_CLASSES, UsageTotals

NO_REQUESTS: Final = "no requests in this period"
_AMOUNTS: Final = frozenset({COST, *INPUT_CLASSES, *OUTPUT_CLASSES})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """Totals by the groups in their names; an interval is a day, a week or a month.

    filters: consumer and model that the page is limited to. before: of the previous period. month: of the running one.
    budgets: with their consumers, the highest use first; of the period if it is past, else of the current windows.
    price_versions: of the prices in force. key_labels: of the keys in the ranking, by id.
    """

    environment: str
    scope: Scope
    filters: Sequence[str]
    overall: GroupTotals
    by_consumer: GroupTotals
    by_key: GroupTotals
    by_model: GroupTotals
    by_interval: GroupTotals
    by_consumer_interval: GroupTotals
    by_model_interval: GroupTotals
    before: GroupTotals
    by_consumer_before: GroupTotals
    month: GroupTotals
    budgets: Sequence[tuple[str, BudgetStatus]]
    price_versions: Sequence[str]
    key_labels: Mapping[str, str]

    @property
    def period(self) -> Period:
        """The period of the page."""
        return self.scope.period

    @property
    def at(self) -> datetime:
        """When the page was generated."""
        return self.scope.now

    @property
    def forecast(self) -> MonthForecast | None:
        """Of the running month."""
        return forecast(self.scope, self.month.get(None, UsageTotals()))

    @property
    def total(self) -> UsageTotals:
        """Of all requests."""
        return self.overall.get(None, UsageTotals())

    @property
    def intervals(self) -> list[str]:
        """Names of the intervals in order, as `by_interval` has them."""
        return list(dict.fromkeys(self.period.intervals().values()))

    @property
    def over_time(self) -> list[UsageTotals]:
        """Totals of each interval."""
        return [self.by_interval.get(interval, UsageTotals()) for interval in self.intervals]

    @property
    def labels(self) -> list[str]:
        """The intervals for people: 3 Nov, or Nov 2026. Weeks of two years include the year."""
        if self.period.step == "month":
            return [f"{date.fromisoformat(f'{month}-01'):%b %Y}" for month in self.intervals]
        two_years = self.period.step == "week" and self.period.first.year < self.period.last.year
        return [f"{date.fromisoformat(day):{'%-d %b %Y' if two_years else '%-d %b'}}" for day in self.intervals]


def groupings(scope: Scope) -> dict[str, Grouping]:
    """How the page groups rollups, by the field of PageData that holds the totals."""
    intervals, cost = scope.period.intervals(), frozenset({COST})
    current = {
        "overall": group_by(lambda _: None),
        "by_consumer": group_by(lambda key: key.consumer),
        "by_key": group_by(lambda key: (key.consumer, key.key)),
        "by_model": group_by(lambda key: key.model),
        "by_interval": group_by(lambda key: intervals[key.day]),
        "by_consumer_interval": group_by(lambda key: (key.consumer, intervals[key.day]), _AMOUNTS),
        "by_model_interval": group_by(lambda key: (key.model, intervals[key.day]), _AMOUNTS),
    }
    return {name: scope.current(grouping) for name, grouping in current.items()} | {
        "before": scope.before(group_by(lambda _: None, cost)),
        "by_consumer_before": scope.before(group_by(lambda key: key.consumer, cost)),
        "month": scope.month_so_far(),
    }


def model_name(name: str) -> str:
    """A model's name, or words for requests rejected before a model was known."""
    return "no model" if name == "-" else name
