"""Estimated CloudWatch cost a month, printed at each synth.

An upper bound of the costs that the environment file determines: CloudWatch bills a series by the hour, and only while
it receives data. Not included: charges by volume (log bytes, queries, matched events) and the account's free tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from constructs_lib.alarm_catalogue import Alarm, alarms_of, outage_names
from constructs_lib.metric_sources import API_GATEWAY_REJECTIONS
from constructs_lib.query_catalogue import INSIGHT_RULES
from constructs_lib.settings import Environment
from lambda_src.core.metrics import METRICS

# aws.amazon.com/cloudwatch/pricing, us-east-1, USD a month, as of November 2025. Other regions cost about the same.
METRIC_TIERS: Final = ((10_000, Decimal("0.30")), (240_000, Decimal("0.10")), (750_000, Decimal("0.05")))
"""Tiers: number of series, and price of each. Further series cost METRIC_BEYOND each."""
METRIC_BEYOND: Final = Decimal("0.02")
ALARM_METRIC: Final = Decimal("0.10")
"""For each metric that an alarm evaluates. An anomaly detection alarm counts as ANOMALY_METRICS."""
ANOMALY_METRICS: Final = 3
COMPOSITE_ALARM: Final = Decimal("0.50")
DASHBOARD: Final = Decimal("3.00")
INSIGHT_RULE: Final = Decimal("0.50")

REASONS: Final = 12
"""How many of the forty error codes are assumed to occur."""


@dataclass(frozen=True, slots=True)
class CostItem:
    """name: what is billed. count: how many of it. usd: their total a month."""

    name: str
    count: int
    usd: Decimal


def estimate(environment: Environment) -> list[CostItem]:
    """Cost items of an environment."""
    series, alarms = series_count(environment), alarms_of(environment)
    evaluated = sum(_evaluated_metrics(alarm) for alarm in alarms)
    composites = int(bool(outage_names(environment, alarms)))
    rules = len(INSIGHT_RULES) if environment.gateway.contributor_insights else 0
    return [
        CostItem("metric series", series, _series_usd(series)),
        CostItem("metrics that alarms evaluate", evaluated, ALARM_METRIC * evaluated),
        CostItem("composite alarms", composites, COMPOSITE_ALARM * composites),
        CostItem("dashboards", 1, DASHBOARD),
        CostItem("Contributor Insights rules", rules, INSIGHT_RULE * rules),
    ]


def text(environment: Environment) -> str:
    """The estimate as text: a line with the total, then one for each item."""
    items = [item for item in estimate(environment) if item.count]
    total = sum((item.usd for item in items), Decimal(0))
    head = f"{environment.prefix}: CloudWatch at most ${total:.2f} a month at list price, plus log volume and queries"
    return "\n".join([head, *(f"  {item.usd:>8.2f}  {item.count:>6}  {item.name}" for item in items)])


def series_count(environment: Environment) -> int:
    """Metric series that the gateway, the sweeper and the access log's metric filter can write."""
    metrics = (API_GATEWAY_REJECTIONS, *METRICS.values())
    values = {
        "model": len(environment.models),
        "consumer": len(environment.consumers) if environment.metering.metrics_per_consumer else 0,
        "provider": len(environment.providers),
        "reason": REASONS,
    }
    return sum(1 + sum(values[dimension] for dimension in metric.by) for metric in metrics)


def _evaluated_metrics(alarm: Alarm) -> int:
    return ANOMALY_METRICS if alarm.condition.threshold is None else len(alarm.condition.sources)


def _series_usd(series: int) -> Decimal:
    usd, remaining = Decimal(0), series
    for size, price in METRIC_TIERS:
        count = min(remaining, size)
        usd, remaining = usd + count * price, remaining - count
    return usd + remaining * METRIC_BEYOND
