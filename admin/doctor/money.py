"""Checks of prices, budgets, holds and the sweeper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any, Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from admin.formatting import counted
from constructs_lib.price_changes import announced, in_force, item_periods
from lambda_src.contract import METRIC_NAMESPACE, SWEEP_MINUTES, rollup_pk
from lambda_src.core.account import BUCKET_MS, Account, tallied
from lambda_src.core.metrics import OVERDUE_HOLDS
from lambda_src.core.policy import Budget, policy_from_item
from lambda_src.core.pricing import usd
from lambda_src.core.windows import resets_at, utc_datetime
from lambda_src.resource_names import prefix

OLD_PRICES_DAYS: Final = 60
OVERDUE: Final = timedelta(minutes=5 * SWEEP_MINUTES)
"""The sweeper waits five minutes after a deadline, and needs two runs; one run may fail."""
LOOK_BACK_DAYS: Final = 7
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_MAX_THREADS: Final = 8


def prices(deployed: Deployed) -> Iterator[Finding]:
    """Every model has a price for every token class, and published prices are at most 60 days old."""
    if not deployed.models:
        yield warning("there are no models, so every request is rejected", f"add [models.NAME], then {deployed.deploy}")
    versions: dict[str, int] = {}
    for name, item in sorted(deployed.models.items()):
        try:
            version = in_force(item_periods(name, item), deployed.now.date())[0].version
        except KeyError as missing:
            yield error(f"model {name} has no price for {missing}, so its requests are rejected", deployed.deploy)
        else:
            versions[version] = versions.get(version, 0) + 1
    for version, models in versions.items():
        days = _age(deployed, version)
        if days is not None and days > OLD_PRICES_DAYS:
            yield warning(
                f"the prices of {counted(models, 'model')} are {days} days old ({version})",
                f"`make prices`, then {deployed.deploy}",
            )


def announced_prices(deployed: Deployed) -> Iterator[Finding]:
    """No price changes at a later date."""
    for name, item in sorted(deployed.models.items()):
        try:
            periods = in_force(item_periods(name, item), deployed.now.date())
        except KeyError:
            continue  # `prices` reports a price that is missing
        for text in announced(periods):
            yield note(
                f"model {name}: {text}",
                "none needed: requests have the new prices from midnight UTC; check that budgets suffice",
            )


def exceeded_maxima(deployed: Deployed) -> Iterator[Finding]:
    """No provider has exceeded the maximum output of a request."""
    for name, mark in sorted(deployed.exceeded.items()):
        yield warning(
            f"model {name} exceeded a request's maximum by {counted(int(mark['output_over_maximum']), 'token')} at "
            f"{mark['at']} (request {mark['request_id']}), so each request holds its full max_output_tokens",
            f"set the provider's flavour as {deployed.command('providers check')} advises, {deployed.deploy}, then "
            + deployed.command(f"providers trust {name}"),
        )


def _age(deployed: Deployed, version: str) -> int | None:
    """Days since the date of published prices; None for an environment's own prices."""
    day = _DATE.match(version)
    return (deployed.now.date() - date.fromisoformat(day[0])).days if day else None


def _age_of_prices(deployed: Deployed) -> str:
    today = deployed.now.date()
    versions = (in_force(item_periods(name, item), today)[0].version for name, item in deployed.models.items())
    ages = (_age(deployed, version) for version in versions)
    days = max((age for age in ages if age is not None), default=None)
    return "every model has prices" + ("" if days is None else f"; published ones are {counted(days, 'day')} old")


def holds(deployed: Deployed) -> Iterator[Finding]:
    """No amount is reserved long after the deadline of its request."""
    latest = deployed.now - OVERDUE - timedelta(seconds=deployed.session.config.hold_seconds)
    for consumer, item in sorted(deployed.accounts.items()):
        account = Account(item)
        overdue = [number for number in account.open_buckets() if _end(number) < latest]
        amount, requests = tallied(sum(account.reserved(number) - account.ended(number) for number in overdue))
        if overdue:
            minutes = int((latest + OVERDUE - _end(overdue[0])).total_seconds()) // 60
            yield error(
                f"{consumer} has ${usd(amount)} reserved for {counted(requests, 'request')} up to {minutes} minutes "
                "past the deadline, or not booked",
                _sweep(deployed),
            )


def _end(number: int) -> datetime:
    """The end of a bucket."""
    return utc_datetime((number + 1) * BUCKET_MS)


def sweeper(deployed: Deployed) -> Iterator[Finding]:
    """The sweeper runs on its schedule: each run emits a metric."""
    environment, now = deployed.session.environment, deployed.now
    metric = {
        "Namespace": METRIC_NAMESPACE,
        "MetricName": OVERDUE_HOLDS.name,
        "Dimensions": [{"Name": "environment", "Value": environment}],
    }
    query: Any = {"Id": "runs", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "SampleCount"}}
    response = deployed.session.cloudwatch.get_metric_data(
        MetricDataQueries=[query], StartTime=now - OVERDUE, EndTime=now + timedelta(minutes=1)
    )
    if response["MetricDataResults"] and response["MetricDataResults"][0].get("Values"):
        return
    name = f"{prefix(environment)}-sweeper"
    modified = deployed.session.functions.get_function_configuration(FunctionName=name).get("LastModified", "")
    if modified < (now - OVERDUE).isoformat():
        yield error(
            f"{name} has not run in {int(OVERDUE.total_seconds()) // 60} minutes, so expired holds reserve budget",
            f"{_sweep(deployed)}; then {deployed.deploy} to restore its schedule",
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
    reset = resets_at(budget.per, deployed.now)
    until = "permanently" if reset is None else f"until {reset:%Y-%m-%d %H:%M} UTC"
    share = f"{100 * spent // budget.limit} %" if budget.limit else "more than 100 %"
    window = "in total" if budget.per == "total" else f"per {budget.per}"
    return warning(
        f"{consumer} spent ${usd(spent)}, {share} of its ${usd(budget.limit)} {window}: requests are rejected {until}",
        deployed.command(f"budgets raise {consumer} --usd AMOUNT --until DATE"),
    )


def raises(deployed: Deployed) -> Iterator[Finding]:
    """No temporary raise of a budget has ended."""
    for consumer, state in sorted(deployed.states.items()):
        policy = policy_from_item(deployed.session.policies[consumer], state)
        for ended in (budget_raise for budget_raise in policy.raises if budget_raise.until <= deployed.now):
            yield note(
                f"the raise of {consumer}'s budget per {ended.per} by ${usd(ended.amount)} ended on "
                f"{ended.until:%Y-%m-%d %H:%M} UTC",
                f"none needed; for a lasting raise, change environments/{deployed.session.environment}.toml",
            )


def unsettled(deployed: Deployed) -> Iterator[Finding]:
    """No request of the last 7 days was booked at its reserved amount for lack of its cost."""
    last, first = deployed.now.date(), deployed.now.date() - timedelta(days=LOOK_BACK_DAYS - 1)
    between = (first.isoformat(), f"{last.isoformat()}$")  # "$" sorts after the "#" that follows a day

    def count(consumer: str) -> int:
        rollups = deployed.session.ledger.query(rollup_pk(consumer), between=between)
        return sum(int(rollup.get("unsettled", 0)) for rollup in rollups)

    consumers = list(deployed.session.policies)
    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        for consumer, requests in zip(consumers, pool.map(count, consumers), strict=True):
            if requests:
                yield warning(
                    f"{counted(requests, 'request')} of {consumer} since {first.isoformat()} booked at the reserved "
                    "amount, because the cost is unknown",
                    deployed.command(f"usage report --by status --since {LOOK_BACK_DAYS}d")
                    + " shows them; book the lines of a usage log with "
                    + deployed.command("logs replay FILE"),
                )


CHECKS: Final = (
    Check("money", "prices", _age_of_prices, prices),
    Check("money", "announced-prices", "no price changes at a later date", announced_prices),
    Check("money", "exceeded-maxima", "every provider respects the maximum output", exceeded_maxima),
    Check("money", "holds", "none is 15 minutes past its deadline", holds),
    Check("money", "sweeper", "runs on its schedule", sweeper),
    Check("money", "budgets", "none is spent", budgets),
    Check("money", "raises", "none has ended", raises),
    Check("money", "unsettled", "no request of unknown cost in the last 7 days", unsettled),
)
