"""What the page shows, before it is laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from admin.budgets.status import BudgetStatus
from admin.report.figures import COST, INPUT_CLASSES, OUTPUT_CLASSES, Figures
from admin.report.period import Period
from admin.report.rollups import Sums, View, grouped

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
    overall: Sums
    by_consumer: Sums
    by_key: Sums
    by_model: Sums
    by_interval: Sums
    by_consumer_interval: Sums
    by_model_interval: Sums
    budgets: Sequence[tuple[str, BudgetStatus]]
    price_versions: Sequence[str]
    key_labels: Mapping[str, str]

    @property
    def total(self) -> Figures:
        """Of all requests."""
        return self.overall.get(None, Figures())

    @property
    def intervals(self) -> list[str]:
        """Names of the intervals in order, as `by_interval` has them."""
        return list(dict.fromkeys(self.period.intervals().values()))

    @property
    def labels(self) -> list[str]:
        """The intervals for people: 3 Nov, or Nov 2026. Weeks of two years include the year."""
        if self.period.step == "month":
            return [f"{date.fromisoformat(f'{month}-01'):%b %Y}" for month in self.intervals]
        two_years = self.period.step == "week" and self.period.first.year < self.period.last.year
        return [f"{date.fromisoformat(day):{'%-d %b %Y' if two_years else '%-d %b'}}" for day in self.intervals]


def views(period: Period) -> dict[str, View]:
    """How the page groups rollups, by the field of PageData that holds the totals."""
    intervals = period.intervals()
    return {
        "overall": grouped(lambda _: None),
        "by_consumer": grouped(lambda cell: cell.consumer),
        "by_key": grouped(lambda cell: (cell.consumer, cell.key)),
        "by_model": grouped(lambda cell: cell.model),
        "by_interval": grouped(lambda cell: intervals[cell.day]),
        "by_consumer_interval": grouped(lambda cell: (cell.consumer, intervals[cell.day]), _AMOUNTS),
        "by_model_interval": grouped(lambda cell: (cell.model, intervals[cell.day]), _AMOUNTS),
    }


def model_name(name: str) -> str:
    """A model's name, or words for requests rejected before a model was known."""
    return "no model" if name == "-" else name
