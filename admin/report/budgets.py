"""Budgets of a past period: the spend of their windows then, from rollups. Limits of then are not recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from admin.budgets.status import BudgetStatus
from admin.report.period import Period
from admin.report.rollups import Attributes, Grouping, GroupTotals, RollupKey
from admin.report.totals import COST, UsageTotals
from lambda_src.contract import Window
from lambda_src.core.policy import Policy
from lambda_src.core.windows import labels

_Group = tuple[str, Window, str]


class PastBudgets:
    """Budgets of these policies in a period. A window counts from its start, which may be before the period, up to the
    end of the period; a `total` budget counts only the period, since earlier spend is not read."""

    def __init__(self, policies: Mapping[str, Policy], period: Period) -> None:
        self._policies = policies
        starts: dict[Window, date] = {
            "day": period.first,
            "week": period.first - timedelta(days=period.first.weekday()),
            "month": period.first.replace(day=1),
            "total": period.first,
        }
        used: set[Window] = {budget.per for policy in policies.values() for budget in policy.budgets}
        self.days = Period(min((starts[per] for per in used), default=period.first), period.last)
        """The days to read."""
        windows = {day: _labels(day) for day in self.days.days}
        self._windows = {
            day: {per: name for per, name in named.items() if day >= starts[per].isoformat()}
            for day, named in windows.items()
        }
        self._in_period = [windows[day] for day in period.days]

    @property
    def grouping(self) -> Grouping:
        """Cost by consumer and window, of all models."""
        pers = {name: {budget.per for budget in policy.budgets} for name, policy in self._policies.items()}

        def grouping(key: RollupKey, attributes: Attributes) -> Iterable[tuple[_Group, Attributes]]:
            cost = [pair for pair in attributes if pair[0] == COST]
            windows = self._windows.get(key.day, {})
            return [((key.consumer, per, windows[per]), cost) for per in pers.get(key.consumer, ()) if per in windows]

        return grouping

    def statuses(self, totals: GroupTotals) -> list[tuple[str, BudgetStatus]]:
        """For each budget the window with the highest spend, with its consumer. Limits are those of the policy."""
        none, found = UsageTotals(), []
        for consumer, policy in self._policies.items():
            for budget in policy.budgets:
                names = {windows[budget.per] for windows in self._in_period}
                spends = {name: totals.get((consumer, budget.per, name), none).cost for name in names}
                window = max(names, key=lambda name: (spends[name], name))
                status = BudgetStatus(
                    per=budget.per,
                    window=window,
                    limit=budget.limit,
                    raised=0,
                    spent=spends[window],
                    held=0,
                    frees=None,
                )
                found.append((consumer, status))
        return found


def _labels(day: str) -> Mapping[Window, str]:
    return labels(datetime.fromisoformat(day).replace(tzinfo=UTC))
