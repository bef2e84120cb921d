"""What the page json_output, before it is laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from admin.budgets.status import BudgetStatus
from admin.report.period import Period
from admin.report.rollups import Grouping, GroupTotals, group_by
from admin.report.totals import COST, INPUT_CLASSES, OUTPUT_CLASSES, UsageTotals

NO_REQUESTS: Final = "no requests in this period"
_AMOUNTS: Final = frozenset({COST, *INPUT_CLASSES, *OUTPUT_CLASSES})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """Totals by the groups in their names; an interval is a day, a week or a month.

    filters: consumer and model that the page is limited to. budgets: with their consumers, the highest use first.
    price_versions: of the prices in force. key_labels: of the keys in the ranking, by id.
    """

    environment: str
    period: Period
    at: datetime
    filters: Sequence[str]
    overall: GroupTotals
    by_consumer: GroupTotals
    by_key: GroupTotals
    by_model: GroupTotals
    by_interval: GroupTotals
    by_consumer_interval: GroupTotals
    by_model_interval: GroupTotals
    budgets: Sequence[tuple[str, BudgetStatus]]
    price_versions: Sequence[str]
    key_labels: Mapping[str, str]

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


def groupings(period: Period) -> dict[str, Grouping]:
    """How the page groups rollups, by the field of PageData that holds the totals."""
    intervals = period.intervals()
    return {
        "overall": group_by(lambda _: None),
        "by_consumer": group_by(lambda key: key.consumer),
        "by_key": group_by(lambda key: (key.consumer, key.key)),
        "by_model": group_by(lambda key: key.model),
        "by_interval": group_by(lambda key: intervals[key.day]),
        "by_consumer_interval": group_by(lambda key: (key.consumer, intervals[key.day]), _AMOUNTS),
        "by_model_interval": group_by(lambda key: (key.model, intervals[key.day]), _AMOUNTS),
    }


def model_name(name: str) -> str:
    """A model's name, or words for requests rejected before a model was known."""
    return "no model" if name == "-" else name
