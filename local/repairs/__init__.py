"""What MiniStack lacks of AWS, put right from outside: one module per idea, applied before serving.

Each module has an `apply()` that replaces attributes of MiniStack's modules and says which AWS behaviour it restores.
MiniStack is pinned to one exact version, because these names are not its public interface.
"""

from __future__ import annotations

from typing import Final

from local.repairs import (
    alarms,
    alarms_actions,
    alarms_clock,
    api_keys,
    faults,
    function_logs,
    gateway_calls,
    gateway_responses,
    identity,
    index_policies,
    insight_rules,
    insights,
    lambda_proxy,
    metric_data,
    metric_filters,
    metrics_embedded,
    metrics_functions,
    metrics_gateway,
    metrics_store,
    metrics_tables,
    patches,
    plan_keys,
    requested,
    saved_queries,
    subscriptions,
    tags,
    unset_values,
    usage,
)
from local.repairs.call import Asgi, remember_headers
from local.repairs.control import controlled
from local.repairs.identity import identified
from local.repairs.patience import patient

REPAIRS: Final = (
    alarms,
    alarms_actions,
    alarms_clock,
    api_keys,
    faults,
    function_logs,
    gateway_calls,
    gateway_responses,
    identity,
    index_policies,
    insight_rules,
    insights,
    lambda_proxy,
    metric_data,
    metric_filters,
    metrics_embedded,
    metrics_functions,
    metrics_gateway,
    metrics_store,
    metrics_tables,
    patches,
    plan_keys,
    requested,
    saved_queries,
    subscriptions,
    tags,
    unset_values,
    usage,
)


def apply(app: Asgi) -> Asgi:
    """Apply every repair; returns the ASGI application to serve."""
    for module in REPAIRS:
        module.apply()
    return patient(controlled(identified(remember_headers(app))))
