"""Is money counted, at today's prices, and are limits what they seem?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any, Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from lambda_src.contract import METRIC_NAMESPACE, SWEEP_MINUTES, prefix, rollup_pk
from lambda_src.core.account import Account
from lambda_src.core.metrics import OVERDUE_HOLDS
from lambda_src.core.policy import Budget, model_from_item, policy_from_item
from lambda_src.core.pricing import usd
from lambda_src.core.windows import resets_at

OLD_PRICES_DAYS: Final = 90
LATE: Final = timedelta(minutes=3 * SWEEP_MINUTES)
"""The sweeper runs every five minutes; one failed run is made good by the next."""
LOOK_BACK_DAYS: Final = 7
_DATED: Final = re.compile(r"\d{4}-\d\d-\d\d")
_AT_ONCE: Final = 8


def prices(deployed: Deployed) -> Iterator[Finding]:
    """Every model has a price for every token class, and published prices are of this quarter."""
    if not deployed.models:
        yield warning("no model is offered: every request is refused", f"add [models] and {deployed.deploy}")
    versions: dict[str, int] = {}
    for name, item in sorted(deployed.models.items()):
        try:
            version = model_from_item(name, item).price_version
        except KeyError as missing:
            yield error(f"model {name} has no price for {missing}: it is refused", deployed.deploy)
        else:
            versions[version] = versions.get(version, 0) + 1
    for version, models in versions.items():
        dated = _DATED.match(version)
        days = (deployed.now.date() - date.fromisoformat(dated[0])).days if dated else 0
        if days > OLD_PRICES_DAYS:
            yield warning(
                f"the prices of {models} models are {days} days old ({version})",
                f"`make prices`, then {deployed.deploy}",
            )


def holds(deployed: Deployed) -> Iterator[Finding]:
    """No hold blocks a budget long after its request is dead."""
    for consumer, item in sorted(deployed.accounts.items()):
        late = Account(item).expired_holds((deployed.now - LATE).timestamp())
        if late:
            minutes = int(deployed.now.timestamp() - min(hold.deadline for hold in late)) // 60
            yield error(
                f"{len(late)} holds of {consumer} block ${usd(sum(hold.amount for hold in late))} and are up to "
                f"{minutes} minutes past their deadline",
                _sweep(deployed),
            )


def sweeper(deployed: Deployed) -> Iterator[Finding]:
    """The sweeper runs on its schedule: it tells a metric at each pass."""
    environment, now = deployed.session.environment, deployed.now
    metric = {
        "Namespace": METRIC_NAMESPACE,
        "MetricName": OVERDUE_HOLDS.name,
        "Dimensions": [{"Name": "environment", "Value": environment}],
    }
    query: Any = {"Id": "passes", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "SampleCount"}}
    answer = deployed.session.cloudwatch.get_metric_data(
        MetricDataQueries=[query], StartTime=now - LATE, EndTime=now + timedelta(minutes=1)
    )
    if answer["MetricDataResults"] and answer["MetricDataResults"][0].get("Values"):
        return
    name = f"{prefix(environment)}-sweeper"
    since = deployed.session.functions.get_function_configuration(FunctionName=name).get("LastModified", "")
    if since < (now - LATE).isoformat():
        yield error(
            f"{name} has not run in {int(LATE.total_seconds()) // 60} minutes: holds of dead requests block budgets",
            f"{_sweep(deployed)}; then {deployed.deploy} for its schedule",
        )


def _sweep(deployed: Deployed) -> str:
    return f"`aws lambda invoke --function-name {prefix(deployed.session.environment)}-sweeper /dev/stdout`"


def budgets(deployed: Deployed) -> Iterator[Finding]:
    """No budget is spent."""
    for consumer, item in deployed.session.policies.items():
        policy = policy_from_item(item, deployed.states.get(consumer)).at(deployed.now)
        account = Account(deployed.accounts.get(consumer, {}))
        for budget in policy.budgets:
            spent = account.spent(budget.per, deployed.now)
            if spent and spent >= budget.limit:
                yield _spent(deployed, consumer, budget, spent)


def _spent(deployed: Deployed, consumer: str, budget: Budget, spent: int) -> Finding:
    frees = resets_at(budget.per, deployed.now)
    until = "for good" if frees is None else f"until {frees:%Y-%m-%d %H:%M} UTC"
    share = f"{100 * spent // budget.limit} %" if budget.limit else "more"
    span = "in total" if budget.per == "total" else f"per {budget.per}"
    return warning(
        f"{consumer} has spent ${usd(spent)}, {share} of its ${usd(budget.limit)} {span}: it is refused {until}",
        deployed.command(f"budgets raise {consumer} --usd AMOUNT --until DATE"),
    )


def raises(deployed: Deployed) -> Iterator[Finding]:
    """No raise of a budget has run out and lies about."""
    for consumer, state in sorted(deployed.states.items()):
        policy = policy_from_item(deployed.session.policies[consumer], state)
        over = [each for each in policy.raises if each.until <= deployed.now]
        for each in over:
            yield note(
                f"the raise of {consumer}'s budget per {each.per} by ${usd(each.amount)} ended "
                f"{each.until:%Y-%m-%d %H:%M} UTC",
                f"nothing; if it is needed again, a larger budget in environments/{deployed.session.environment}.toml",
            )


def unsettled(deployed: Deployed) -> Iterator[Finding]:
    """No request of the last 7 days had to be booked at the amount held for it."""
    last, first = deployed.now.date(), deployed.now.date() - timedelta(days=LOOK_BACK_DAYS - 1)
    between = (first.isoformat(), f"{last.isoformat()}$")  # "$" sorts after the "#" that follows a day

    def count(consumer: str) -> int:
        rollups = deployed.session.table.query(rollup_pk(consumer), between=between)
        return sum(int(each.get("unsettled", 0)) for each in rollups)

    consumers = list(deployed.session.policies)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for consumer, rows in zip(consumers, pool.map(count, consumers), strict=True):
            if rows:
                yield warning(
                    f"{rows} requests of {consumer} since {first.isoformat()} are booked at the amount held, because "
                    "nobody knows what they cost",
                    deployed.command(f"usage report --by status --since {LOOK_BACK_DAYS}d")
                    + "; lines that are in the usage log are booked by "
                    + deployed.command("logs replay FILE"),
                )


CHECKS: Final = (
    Check("money", "prices", "every model has one, none is older than 90 days", prices),
    Check("money", "holds", "none is long past its deadline", holds),
    Check("money", "sweeper", "runs on its schedule", sweeper),
    Check("money", "budgets", "none is spent", budgets),
    Check("money", "raises", "none has ended", raises),
    Check("money", "unsettled", "no such row in the last 7 days", unsettled),
)
