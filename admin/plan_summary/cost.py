"""Monthly cost of the resources of a plan at AWS's list prices, before and after its apply.

The same prices as `make synth` prints for an environment file (constructs_lib/cost_estimate.py), counted in the plan.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from admin.plan_summary.items import is_model, is_policy
from admin.plan_summary.plan import ResourceChange
from constructs_lib.cost_estimate import (
    ALARM_METRIC,
    ANOMALY_METRICS,
    COMPOSITE_ALARM,
    DASHBOARD,
    INSIGHT_RULE,
    KMS_KEY,
    SECRET,
    series_of,
    series_usd,
    sweeper,
)
from lambda_src.contract import CONFIG_VARIABLE

PRICES: Final = {
    "aws_cloudwatch_composite_alarm": COMPOSITE_ALARM,
    "aws_cloudwatch_dashboard": DASHBOARD,
    "aws_cloudwatch_contributor_insight_rule": INSIGHT_RULE,
    "aws_secretsmanager_secret": SECRET,
    "aws_kms_key": KMS_KEY,
}
"""USD a month of a resource by its type."""
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """USD a month, in cents. idle: without any request. metrics: at most, once requests arrive."""

    idle: Decimal
    metrics: Decimal


Resources = Iterable[tuple[ResourceChange, Mapping[str, Any], Mapping[str, Any]]]
"""Changes, each with its attributes and its item."""


def monthly_costs(changes: Iterable[ResourceChange]) -> tuple[MonthlyCost, MonthlyCost]:
    """The cost before and after the apply."""
    changes = list(changes)
    return (
        _cost([(change, change.before, change.item_before or {}) for change in changes if change.before is not None]),
        _cost([(change, change.after, change.item_after or {}) for change in changes if change.after is not None]),
    )


def _cost(resources: Resources) -> MonthlyCost:
    idle, series = Decimal(0), 0
    modules = defaultdict(list)
    for resource in resources:
        modules[resource[0].module].append(resource)
    for members in modules.values():
        functions = {change.name: found for change, found, _ in members if change.type == "aws_lambda_function"}
        if "sweeper" not in functions:
            continue  # a module of another application
        consumers = sum(is_policy(change) for change, _, _ in members)
        models = [item for change, _, item in members if is_model(change)]
        config = _config(functions.get("gateway", {}))
        idle += sum((_idle(change.type, attributes) for change, attributes, _ in members), Decimal(0))
        idle += sum(item.usd for item in sweeper(consumers))
        series += series_of(
            models=len(models),
            consumers=consumers if config.get("metrics_per_consumer", True) else 0,
            providers=len(config.get("providers") or {item.get("provider") for item in models}),
            bearer="authorizer" in functions,
        )
    return MonthlyCost(idle.quantize(_CENT), series_usd(series).quantize(_CENT))


def _idle(resource_type: str, attributes: Mapping[str, Any]) -> Decimal:
    if resource_type != "aws_cloudwatch_metric_alarm":
        return PRICES.get(resource_type, Decimal(0))
    if attributes.get("threshold_metric_id"):
        return ALARM_METRIC * ANOMALY_METRICS
    return ALARM_METRIC * max(1, sum(bool(query.get("metric")) for query in attributes.get("metric_query") or ()))


def _config(function: Mapping[str, Any]) -> dict[str, Any]:
    """The gateway's configuration; {} before its first deploy, when it refers to resources that do not exist."""
    try:
        config: dict[str, Any] = json.loads(function["environment"][0]["variables"][CONFIG_VARIABLE])
    except (KeyError, IndexError, TypeError, ValueError):
        return {}
    return config
