"""Estimated cost of an environment at AWS's list prices, printed at each synth.

Three parts: the monthly cost without requests, the most that metrics cost a month once requests arrive, and the cost of
a million requests. Not included: existing secrets, KMS keys and hosted zones, interface endpoints and NAT gateways of
your VPC, storage of rows and logs, queries, data transfer, KMS requests, AWS's free tier, and the providers' bills.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from constructs_lib.alarm_catalogue import Alarm, alarms_of, outage_names
from constructs_lib.metric_sources import API_GATEWAY_REJECTIONS, AUTHORIZER_FAILURES
from constructs_lib.query_catalogue import INSIGHT_RULES
from constructs_lib.settings import Environment
from constructs_lib.settings.runtime import (
    AGGREGATOR_MEMORY_MB,
    AUTHORIZER_MEMORY_MB,
    SWEEPER_MEMORY_MB,
    provider_secret,
)
from lambda_src.contract import SWEEP_MINUTES
from lambda_src.core.metrics import METRICS

# List prices in us-east-1 in USD, as of November 2025. Other regions cost about the same.

# aws.amazon.com/cloudwatch/pricing, a month
METRIC_TIERS: Final = ((10_000, Decimal("0.30")), (240_000, Decimal("0.10")), (750_000, Decimal("0.05")))
"""Tiers: number of series, and price of each. Further series cost METRIC_BEYOND each."""
METRIC_BEYOND: Final = Decimal("0.02")
ALARM_METRIC: Final = Decimal("0.10")
"""For each metric that an alarm evaluates. An anomaly detection alarm counts as ANOMALY_METRICS."""
ANOMALY_METRICS: Final = 3
COMPOSITE_ALARM: Final = Decimal("0.50")
DASHBOARD: Final = Decimal("3.00")
INSIGHT_RULE: Final = Decimal("0.50")
INSIGHT_MILLION_EVENTS: Final = Decimal("0.02")
LOG_GB: Final = Decimal("0.50")
SECRET: Final = Decimal("0.40")
"""aws.amazon.com/secrets-manager/pricing, a month"""
KMS_KEY: Final = Decimal("1.00")
"""aws.amazon.com/kms/pricing, a month"""
API_MILLION: Final = Decimal("3.50")
"""aws.amazon.com/api-gateway/pricing, REST APIs"""
LAMBDA_MILLION: Final = Decimal("0.20")
LAMBDA_GB_SECOND: Final = Decimal("0.0000133334")
"""aws.amazon.com/lambda/pricing, arm64"""
WRITE_MILLION: Final = Decimal("0.625")
READ_MILLION: Final = Decimal("0.125")
"""aws.amazon.com/dynamodb/pricing/on-demand, write and read request units. Lambda's reads of the stream are free."""
TRACE_MILLION: Final = Decimal("5.00")
"""aws.amazon.com/xray/pricing, traces recorded"""
WAF_MILLION: Final = Decimal("0.60")
"""aws.amazon.com/waf/pricing, requests inspected"""

VPC_PRICES: Final = "your VPC's interface endpoints ($7.30 a month per zone) and NAT gateways ($32.85 a month)"
"""aws.amazon.com/privatelink/pricing and aws.amazon.com/vpc/pricing, without the price per GB"""

REASONS: Final = 12
"""How many of the forty error codes are assumed to occur."""
REQUEST_SECONDS: Final = 5
"""Assumed duration of a request, most of which the gateway spends waiting for the provider."""
WRITES: Final = 6
"""Write units of a request with three budgets and a token limit, if no other is booked with it: in a busy environment
it is about four (tests/money/test_write_units.py)."""
AGGREGATOR_MS: Final = 15
"""Assumed duration of the aggregator for one request: two writes. A busy environment books many in one invocation."""
LOG_BYTES: Final = 2_000
"""Usage line and access line of a request."""
SWEEP_SECONDS: Final = 1
SWEEP_READS: Final = 4
"""Read units of a sweep per consumer: account, policy, state and pending budget events. Closing the buckets of a
consumer costs half a cent a month at most."""
AUTHORIZER_MS: Final = 2
"""Assumed duration of the authorizer, whose own code takes microseconds."""
_MILLION: Final = 1_000_000
_MINUTES_A_MONTH: Final = 30 * 24 * 60


@dataclass(frozen=True, slots=True)
class CostItem:
    """name: what is billed. count: how many of it. usd: their total."""

    name: str
    count: int
    usd: Decimal


def idle(environment: Environment) -> list[CostItem]:
    """Cost items a month without any request."""
    alarms = alarms_of(environment)
    evaluated = sum(_evaluated_metrics(alarm) for alarm in alarms)
    composites = int(bool(outage_names(environment, alarms)))
    rules = len(INSIGHT_RULES) if environment.gateway.contributor_insights else 0
    keys = 1 + environment.logs_prompts() if environment.gateway.kms_key_arn is None else 0
    secrets = sum(
        secret is not None and not secret.startswith("arn:")
        for secret in (provider_secret(environment, name) for name in environment.providers)
    )
    runs, reads = sweeper(len(environment.consumers))
    # aws.amazon.com/api-gateway/pricing; aws.amazon.com/route53/pricing for queries of alias records
    free = CostItem("custom domains, with certificate and alias records", 1, Decimal(0))
    domains = [] if environment.domain is None else [free]
    return [
        CostItem("metrics that alarms evaluate", evaluated, ALARM_METRIC * evaluated),
        CostItem("composite alarms", composites, COMPOSITE_ALARM * composites),
        CostItem("dashboards", 1, DASHBOARD),
        CostItem("Contributor Insights rules", rules, INSIGHT_RULE * rules),
        CostItem("secrets", secrets, SECRET * secrets),
        CostItem("KMS keys", keys, KMS_KEY * keys),
        *domains,
        runs,
        reads,
    ]


def sweeper(consumers: int) -> tuple[CostItem, CostItem]:
    """Cost items a month of the sweeper: its runs, and what it reads of the consumers."""
    sweeps = _MINUTES_A_MONTH // SWEEP_MINUTES
    reads = sweeps * SWEEP_READS * consumers
    return (
        CostItem("sweeper runs", sweeps, _lambda_usd(sweeps, SWEEPER_MEMORY_MB, SWEEP_SECONDS)),
        CostItem("sweeper read units", reads, READ_MILLION * reads / _MILLION),
    )


def metrics(environment: Environment) -> list[CostItem]:
    """Cost items a month once requests arrive: CloudWatch bills a series by the hour, and only while it gets data."""
    series = series_count(environment)
    return [CostItem("metric series", series, series_usd(series))]


def requests(environment: Environment) -> list[CostItem]:
    """Cost items of a million requests that are forwarded to a provider."""
    return [CostItem(name, _MILLION, usd) for name, usd in _request_prices(environment)]


def _request_prices(environment: Environment) -> Iterator[tuple[str, Decimal]]:
    memory_mb = environment.gateway.memory_mb
    yield "API Gateway requests", API_MILLION
    yield (
        f"Lambda invocations of {REQUEST_SECONDS} s, {memory_mb} MB",
        _lambda_usd(_MILLION, memory_mb, REQUEST_SECONDS),
    )
    if environment.gateway.bearer:
        usd = _lambda_usd(_MILLION, AUTHORIZER_MEMORY_MB, Decimal(AUTHORIZER_MS) / 1000)
        yield f"authorizer invocations of {AUTHORIZER_MS} ms, {AUTHORIZER_MEMORY_MB} MB", usd
    yield f"DynamoDB writes of {WRITES} units", WRITES * WRITE_MILLION
    usd = _lambda_usd(_MILLION, AGGREGATOR_MEMORY_MB, Decimal(AGGREGATOR_MS) / 1000)
    yield f"aggregator invocations of {AGGREGATOR_MS} ms, {AGGREGATOR_MEMORY_MB} MB", usd
    yield f"log lines, {LOG_BYTES:,} bytes", LOG_GB * LOG_BYTES * _MILLION / 10**9
    if environment.gateway.tracing:
        yield "X-Ray traces, if every request is sampled", TRACE_MILLION
    if environment.gateway.contributor_insights:
        yield "Contributor Insights events", INSIGHT_MILLION_EVENTS
    if environment.gateway.waf_acl_arn is not None:
        yield "WAF inspections", WAF_MILLION


def text(environment: Environment) -> str:
    """The estimate as text: for each part a line with its total, then a line for each item."""
    parts = (
        ("${} a month without requests", idle(environment)),
        ("at most ${} a month more for metrics once requests arrive", metrics(environment)),
        (f"${{}} per million requests of {REQUEST_SECONDS} s", requests(environment)),
    )
    lines = [f"{environment.prefix} at AWS's list prices:"]
    for title, items in parts:
        lines.append(f"  {title.format(f'{sum(item.usd for item in items):,.2f}')}")
        lines += [f"  {item.usd:>10,.2f}  {item.count:>9,}  {item.name}" for item in items if item.count]
    if environment.network.has_vpc or environment.network.private is not None:
        lines.append(f"  not included: {VPC_PRICES}")
    return "\n".join(lines)


def series_count(environment: Environment) -> int:
    """Metric series that the functions and the access log's metric filters can write."""
    return series_of(
        models=len(environment.models),
        consumers=len(environment.consumers) if environment.metering.metrics_per_consumer else 0,
        providers=len(environment.providers),
        bearer=environment.gateway.bearer,
    )


def series_of(*, models: int, consumers: int, providers: int, bearer: bool) -> int:
    """Metric series of as many models, consumers with series of their own, and providers."""
    values = {"model": models, "consumer": consumers, "provider": providers, "reason": REASONS}
    metrics = [API_GATEWAY_REJECTIONS, *METRICS.values()]
    metrics += [AUTHORIZER_FAILURES] if bearer else []
    return sum(1 + sum(values[dimension] for dimension in metric.by) for metric in metrics)


def _evaluated_metrics(alarm: Alarm) -> int:
    return ANOMALY_METRICS if alarm.condition.threshold is None else len(alarm.condition.sources)


def _lambda_usd(invocations: int, memory_mb: int, seconds: int | Decimal) -> Decimal:
    gb_seconds = Decimal(invocations) * memory_mb * seconds / 1024
    return LAMBDA_MILLION * invocations / _MILLION + LAMBDA_GB_SECOND * gb_seconds


def series_usd(series: int) -> Decimal:
    """Price of metric series a month."""
    usd, remaining = Decimal(0), series
    for size, price in METRIC_TIERS:
        count = min(remaining, size)
        usd, remaining = usd + count * price, remaining - count
    return usd + remaining * METRIC_BEYOND
