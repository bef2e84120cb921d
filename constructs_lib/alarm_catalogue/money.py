"""Alarms about money: what is spent, what is held, and whether the figures are true."""

from __future__ import annotations

from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue.definition import HOUR_MINUTES, AlarmDefinition, Condition, over
from constructs_lib.alarm_catalogue.service import SWEEPS_MINUTES
from constructs_lib.settings import Environment
from lambda_src.contract import NANO_PER_USD
from lambda_src.core import metrics


def _spend(environment: Environment, _: str) -> Condition | None:
    usd = environment.alerts.usd_per_hour
    if usd is None:
        return None
    cost = sources.own(environment.name, metrics.COST)
    return over(environment, cost, float(usd * NANO_PER_USD), minutes=HOUR_MINUTES)


def _anomaly(environment: Environment, _: str) -> Condition:
    """docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Anomaly_Detection.html"""
    return Condition(
        sources={"measured": sources.own(environment.name, metrics.COST)},
        expression=f"ANOMALY_DETECTION_BAND(measured, {environment.alerts.spend_deviations:g})",
        label="expected",
        threshold=None,
        period_seconds=60 * HOUR_MINUTES,
    )


def _over_estimate(environment: Environment, _: str) -> Condition | None:
    if environment.metering.estimate != "strict":
        return None
    return over(environment, sources.own(environment.name, metrics.OVER_ESTIMATE), environment.alerts.over_estimates)


DEFINITIONS: Final = (
    AlarmDefinition(
        name="spend",
        title="More is spent in an hour than was thought possible",
        why="A loop or a stolen key spends what budgets still leave.",
        action="`tollgate logs query usage-by-key --since 1h` names consumer and key: `tollgate consumers pause "
        "CONSUMER`, or `tollgate keys disable KEY`.",
        severity="act",
        settings=("usd_per_hour",),
        condition=_spend,
    ),
    AlarmDefinition(
        name="spend-anomaly",
        title="More is spent in this hour than is usual for it",
        why="Something changed: a new client, a loop, a stolen key. CloudWatch needs two weeks to know what is usual.",
        action="`tollgate logs query usage-by-key --since 1h` names consumer and key; compare with the dashboard's "
        "week before.",
        severity="look",
        settings=("spend_deviations",),
        condition=_anomaly,
    ),
    AlarmDefinition(
        name="budget",
        title="A consumer's budget is nearly committed",
        why="Once it is used up, all of that consumer's requests are refused until the window ends.",
        action="`tollgate budgets show` names it; `tollgate budgets raise CONSUMER --usd 20 --until 7d` helps out.",
        severity="look",
        settings=("budget_committed_percent",),
        condition=lambda environment, _: over(
            environment,
            sources.own(environment.name, metrics.BUDGET_COMMITTED),
            environment.alerts.budget_committed_percent,
            minutes=HOUR_MINUTES,  # a full budget stays full: less, and every pause between requests would end it
        ),
    ),
    AlarmDefinition(
        name="unsettled",
        title="Requests ended without a settle",
        why="They are charged at the held amount, which is more than they cost: Lambdas are dying or being cut off.",
        action="`tollgate logs query unsettled`; then look at lambda-errors and duration.",
        severity="look",
        settings=("unsettled_rows",),
        condition=lambda environment, _: over(
            environment, sources.own(environment.name, metrics.UNSETTLED), environment.alerts.unsettled_rows
        ),
    ),
    AlarmDefinition(
        name="overdue-holds",
        title="Holds past their deadline stay open",
        why="They block budgets of consumers who have money left.",
        action="Read the sweeper's log for what refuses to end; `tollgate doctor` lists the holds.",
        severity="act",
        settings=("overdue_holds",),
        condition=lambda environment, _: over(
            environment,
            sources.own(environment.name, metrics.OVERDUE_HOLDS),
            environment.alerts.overdue_holds,
            minutes=SWEEPS_MINUTES,
        ),
    ),
    AlarmDefinition(
        name="sweeper-errors",
        title="The sweeper failed",
        why="Expired holds are not ended, so that budgets stay blocked.",
        action="Read its log: group /tollgate/ENVIRONMENT/sweeper.",
        severity="act",
        settings=("sweeper_errors",),
        condition=lambda environment, _: over(
            environment,
            sources.function(environment.function_name("sweeper"), "Errors"),
            environment.alerts.sweeper_errors,
            minutes=SWEEPS_MINUTES,
        ),
    ),
    AlarmDefinition(
        name="over-estimate",
        title="A request cost more than the most it could cost",
        why='With estimate = "strict" no budget may be passed; this request may have passed one.',
        action="`tollgate logs query over-estimate` shows it: a price is too low, or a token class new.",
        severity="look",
        settings=("over_estimates",),
        condition=_over_estimate,
    ),
    AlarmDefinition(
        name="unpriced",
        title="Models are asked for that have no price here",
        why="Such requests are refused: a client is ahead of the environment file.",
        action="`tollgate logs query models-asked-for --since 1h` names them, and who asks. Add the model to the file, "
        "or tell them of GET /v1/models.",
        severity="look",
        settings=("unpriced_requests",),
        condition=lambda environment, _: over(
            environment, sources.own(environment.name, metrics.UNPRICED), environment.alerts.unpriced_requests
        ),
    ),
)
