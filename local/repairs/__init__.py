"""What MiniStack lacks of AWS, put right from outside: one module per idea, applied before serving.

Each module has an `apply()` that replaces attributes of MiniStack's modules and says which AWS behaviour it restores.
MiniStack is pinned to one exact version, because these names are not its public interface.
"""

from __future__ import annotations

from typing import Final

from local.repairs import (
    alarms,
    api_keys,
    function_logs,
    gateway_calls,
    gateway_responses,
    index_policies,
    insights,
    lambda_proxy,
    patches,
    saved_queries,
    tags,
    unset_values,
)
from local.repairs.call import Asgi, remember_headers
from local.repairs.patience import patient

REPAIRS: Final = (
    alarms,
    api_keys,
    function_logs,
    gateway_calls,
    gateway_responses,
    index_policies,
    insights,
    lambda_proxy,
    patches,
    saved_queries,
    tags,
    unset_values,
)


def apply(app: Asgi) -> Asgi:
    """Apply every repair; returns the ASGI application to serve."""
    for module in REPAIRS:
        module.apply()
    return patient(remember_headers(app))
