"""What CloudWatch costs a month, as far as the environment file decides it: told at each synth.

An upper bound: a series is billed by the hour, and only while something is written to it. What goes by volume (log
bytes, queries, matched events) is not in it, and neither is the account's free tier.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from constructs_lib.alarm_catalogue import Alarm, alarms_of, outage_names
from constructs_lib.query_catalogue import INSIGHT_RULES
from constructs_lib.settings import Environment
from lambda_src.core.metrics import METRICS, Metric

# aws.amazon.com/cloudwatch/pricing, us-east-1, USD a month, as of November 2025. Other regions cost about the same.
METRIC_STEPS: Final = ((10_000, Decimal("0.30")), (240_000, Decimal("0.10")), (750_000, Decimal("0.05")))
"""Series up to so many more cost so much each; all beyond cost METRIC_BEYOND."""
METRIC_BEYOND: Final = Decimal("0.02")
ALARM_METRIC: Final = Decimal("0.10")
"""For each metric that an alarm reads; one that detects anomalies counts as ANOMALY_METRICS."""
ANOMALY_METRICS: Final = 3
COMPOSITE_ALARM: Final = Decimal("0.50")
DASHBOARD: Final = Decimal("3.00")
INSIGHT_RULE: Final = Decimal("0.50")

REASONS: Final = 12
"""Error codes that are assumed to occur: of the forty there are, most never do."""


@dataclass(frozen=True, slots=True)
class Item:
    """So many of something, and what they cost together in USD a month."""

    what: str
    count: int
    usd: Decimal


def bill(environment: Environment) -> list[Item]:
    """The items of an environment's bill."""
    series, alarms = series_of(environment), alarms_of(environment)
    evaluated = sum(_evaluated(alarm) for alarm in alarms)
    composites = int(bool(outage_names(environment, alarms)))
    rules = len(INSIGHT_RULES) if environment.gateway.contributor_insights else 0
    return [
        Item("metric series", series, _custom(series)),
        Item("metrics that alarms evaluate", evaluated, ALARM_METRIC * evaluated),
        Item("composite alarms", composites, COMPOSITE_ALARM * composites),
        Item("dashboards", 1, DASHBOARD),
        Item("Contributor Insights rules", rules, INSIGHT_RULE * rules),
    ]


def text(environment: Environment) -> str:
    """A line with the sum, and one for each item."""
    items = [item for item in bill(environment) if item.count]
    total = sum((item.usd for item in items), Decimal(0))
    head = f"{environment.prefix}: CloudWatch at most ${total:.2f} a month at list price; logs and queries by volume"
    return "\n".join([head, *(f"  {item.usd:>8.2f}  {item.count:>6}  {item.what}" for item in items)])


def series_of(environment: Environment) -> int:
    """Series that the gateway and the sweeper can write, and that of the access log's filter."""
    return 1 + sum(1 + sum(_values(environment, metric)) for metric in METRICS.values())


def _values(environment: Environment, metric: Metric) -> Iterator[int]:
    counts = {
        "model": len(environment.models),
        "consumer": len(environment.consumers) if environment.metering.metrics_per_consumer else 0,
        "provider": len(environment.providers),
        "reason": REASONS,
    }
    return (counts[dimension] for dimension in metric.by)


def _evaluated(alarm: Alarm) -> int:
    return ANOMALY_METRICS if alarm.condition.threshold is None else len(alarm.condition.sources)


def _custom(series: int) -> Decimal:
    usd, left = Decimal(0), series
    for most, price in METRIC_STEPS:
        here = min(left, most)
        usd, left = usd + here * price, left - here
    return usd + left * METRIC_BEYOND
