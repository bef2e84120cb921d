"""Names that `alerts.disabled` accepts. `constructs_lib/alarm_catalogue` defines the alarms themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from constructs_lib.settings.environment import Environment

AlarmScope = Literal["environment", "provider", "function"]

UNHEALTHY: Final = "unhealthy"
"""The composite alarm, in ALARM while any alarm of severity `outage` is."""

_PER_ENVIRONMENT: Final = (
    "server-errors", "client-errors", "first-byte", "gateway-latency", "lambda-errors", "throttles", "concurrency",
    "duration", "ledger-failures", "ledger-throttles", "ledger-conflicts", "secret-failures", "authorizer-failures",
    "quiet", "spend", "spend-anomaly", "budget", "aggregator-errors", "aggregator-lag", "quarantined-records",
    "unbooked-buckets", "reserved-in-vain", "unsettled", "overdue-holds", "sweeper-errors", "over-estimate", "unpriced",
    "refusals", "api-gateway-rejections", "dead-keys", "shared-key",
)  # fmt: skip
ALARM_SCOPES: Final[dict[str, AlarmScope]] = {
    **dict.fromkeys(_PER_ENVIRONMENT, "environment"),
    "upstream-errors": "provider",
    "function-errors": "function",
}
"""Every alarm definition by name: an environment has one such alarm, or one per provider or custom function."""


def instances(name: str, environment: Environment) -> Iterator[tuple[str, str]]:
    """Name and subject of each alarm of one definition: `upstream-errors-openai` has the subject `openai`."""
    scope = ALARM_SCOPES[name]
    if scope == "environment":
        yield name, ""
        return
    for subject in environment.providers if scope == "provider" else environment.functions:
        yield f"{name}-{subject}", subject


def accepted_names(environment: Environment) -> set[str]:
    """Single alarms, definitions, and the composite."""
    single = {instance for name in ALARM_SCOPES for instance, _ in instances(name, environment)}
    return single | ALARM_SCOPES.keys() | {UNHEALTHY}
