"""Alarms about money: spend, budgets, and whether the accounting is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue.definition import (
    HOUR_MINUTES,
    SWEEPS_MINUTES,
    AlarmDefinition,
    Condition,
    lasting,
)
from constructs_lib.settings import Environment
from lambda_src.contract import NANO_PER_USD
from lambda_src.core import metrics


def _spend(condition: Condition, environment: Environment) -> Condition | None:
    usd = environment.alerts.usd_per_hour
    return None if usd is None else replace(condition, threshold=float(usd * NANO_PER_USD))


def _lag(condition: Condition, environment: Environment) -> Condition:
    """The setting is in seconds; the metric is in milliseconds."""
    return replace(lasting(condition, environment), threshold=1_000 * environment.alerts.aggregator_lag_seconds)


def _in_vain(condition: Condition, environment: Environment) -> Condition:
    return replace(condition, threshold=float(environment.alerts.reserved_in_vain_usd * NANO_PER_USD))


def _anomaly(condition: Condition, environment: Environment) -> Condition:
    """docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Anomaly_Detection.html"""
    band = f"ANOMALY_DETECTION_BAND(measured, {environment.alerts.spend_deviations:g})"
    return replace(condition, expression=band, label="expected", threshold=None)


def _if_strict(condition: Condition, environment: Environment) -> Condition | None:
    return condition if environment.metering.estimate == "strict" else None


DEFINITIONS: Final = (
    AlarmDefinition(
        name="spend",
        title="Hourly spend above limit",
        why="A loop or a stolen key can spend whatever the budgets still allow.",
        action="`tollgate logs query usage-by-key --since 1h` names consumer and key: `tollgate consumers pause "
        "CONSUMER`, or `tollgate keys disable KEY`.",
        severity="urgent",
        metric=metrics.COST,
        setting="usd_per_hour",
        minutes=HOUR_MINUTES,
        adjust=_spend,
    ),
    AlarmDefinition(
        name="spend-anomaly",
        title="Hourly spend above the expected range",
        why="Something changed: a new client, a loop, a stolen key. CloudWatch needs two weeks of data to know the "
        "expected range.",
        action="`tollgate logs query usage-by-key --since 1h` names consumer and key; compare with the week before on "
        "the dashboard.",
        severity="notice",
        metric=metrics.COST,
        setting="spend_deviations",
        minutes=HOUR_MINUTES,
        adjust=_anomaly,
    ),
    AlarmDefinition(
        name="budget",
        title="Consumer budget nearly used up",
        why="Once it is used up, the gateway rejects all of the consumer's requests until the budget's window ends.",
        action="`tollgate budgets show` names the consumer; `tollgate budgets raise CONSUMER --usd 20 --until 7d` "
        "raises the budget for a week.",
        severity="notice",
        metric=metrics.BUDGET_COMMITTED,
        setting="budget_committed_percent",
        minutes=HOUR_MINUTES,  # the metric has data only while requests come: a shorter window would end the alarm
    ),
    AlarmDefinition(
        name="aggregator-errors",
        title="Aggregator errors or timeouts",
        why="Reports and budget events wait for a batch of ended requests to be booked, and budgets count the higher "
        "amounts that were reserved.",
        action="`tollgate logs query crashes --since 1h` shows the error. Lambda repeats the batch for 24 hours, until "
        "it succeeds; after that, `tollgate ledger verify --repair` books what was lost.",
        severity="urgent",
        metric=sources.AGGREGATOR_ERRORS,
        setting="aggregator_errors",
    ),
    AlarmDefinition(
        name="aggregator-lag",
        title="Aggregator behind the requests",
        why="Reports and budget events are late, and budgets count the higher amounts that were reserved.",
        action="Check the alarms aggregator-errors and ledger-throttles. Without them, it waits for a free execution "
        "of the account: `tollgate doctor --only concurrency`; set gateway.reserved_concurrency, or have AWS raise the "
        "account's limit.",
        severity="urgent",
        metric=sources.AGGREGATOR_LAG,
        setting="aggregator_lag_seconds",
        adjust=_lag,
    ),
    AlarmDefinition(
        name="quarantined-records",
        title="Usage rows that cannot be booked",
        why="The aggregator skipped them, so that accounts and reports lack their cost.",
        action="`tollgate logs query quarantined --since 1h` names the rows. Another program wrote them, or a new "
        "version is faulty. Correct the cause, then `tollgate ledger verify --repair`.",
        severity="urgent",
        metric=metrics.QUARANTINED_RECORDS,
        setting="quarantined_records",
    ),
    AlarmDefinition(
        name="unbooked-buckets",
        title="Requests that are not booked",
        why="Their reserved amounts block budgets, and reports lack them: the aggregator does not run, or records were "
        "lost.",
        action="Check the alarms aggregator-errors and aggregator-lag. `tollgate doctor --only stream` tells whether "
        "the aggregator receives the ledger's changes. If it does, `tollgate ledger verify --repair`.",
        severity="urgent",
        metric=metrics.UNBOOKED_BUCKETS,
        setting="unbooked_buckets",
        minutes=SWEEPS_MINUTES,
    ),
    AlarmDefinition(
        name="reserved-in-vain",
        title="High amounts reserved in vain",
        why="Requests failed between reserving their amount and being sent. Nothing was charged, but the amounts "
        "blocked budgets for about half an hour.",
        action="`tollgate logs query ledger-errors --since 2h` and `tollgate logs query crashes --since 2h` show what "
        "failed; check DynamoDB's health. The sweeper has freed the amounts.",
        severity="notice",
        metric=metrics.RESERVED_IN_VAIN,
        setting="reserved_in_vain_usd",
        minutes=HOUR_MINUTES,
        adjust=_in_vain,
    ),
    AlarmDefinition(
        name="unsettled",
        title="Unsettled requests",
        why="They are charged at the held amount, which is more than they cost. Lambdas crash or time out.",
        action="`tollgate logs query unsettled`; then check the alarms lambda-errors and duration.",
        severity="notice",
        metric=metrics.UNSETTLED,
        setting="unsettled_rows",
    ),
    AlarmDefinition(
        name="overdue-holds",
        title="Requests past their deadline that cannot be ended",
        why="Their reserved amounts block budgets of consumers who have money left.",
        action="The sweeper's log shows why it cannot end them; `tollgate doctor` lists the consumers.",
        severity="urgent",
        metric=metrics.OVERDUE_HOLDS,
        setting="overdue_holds",
        minutes=SWEEPS_MINUTES,
    ),
    AlarmDefinition(
        name="sweeper-errors",
        title="Sweeper errors or timeouts",
        why="Amounts of requests that never ended stay reserved and block budgets.",
        action="Read its log group: /tollgate/ENVIRONMENT/sweeper.",
        severity="urgent",
        metric=sources.SWEEPER_ERRORS,
        setting="sweeper_errors",
        minutes=SWEEPS_MINUTES,
    ),
    AlarmDefinition(
        name="over-estimate",
        title="Cost or output above the reserved maximum",
        why='With estimate = "strict" no request may exceed its budget; this one may have exceeded it.',
        action="`tollgate logs query over-estimate` shows the request. With output_over_maximum, the provider ignored "
        "the request's maximum, and the gateway now holds the model's full output: `tollgate providers check` finds "
        "the right flavour. Without it, a price is too low, or a token class is new.",
        severity="notice",
        metric=metrics.OVER_ESTIMATE,
        setting="over_estimates",
        adjust=_if_strict,
    ),
    AlarmDefinition(
        name="unpriced",
        title="Requests for models without a price",
        why="The gateway rejects them. The client uses models that the environment file lacks.",
        action="`tollgate logs query models-asked-for --since 1h` names models and callers. Add the model to the file, "
        "or point the callers to GET /v1/models.",
        severity="notice",
        metric=metrics.UNPRICED,
        setting="unpriced_requests",
    ),
)
