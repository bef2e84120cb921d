"""Counters of a request that only metrics report: no usage row has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counters of one request.

    upstream_requests: calls to the provider, including retries; upstream_errors of them ended in 5xx, 429 or no
    complete response, and upstream_throttles in 429. ledger_failures: calls that failed after all retries.
    ledger_throttles: attempts that DynamoDB throttled. ledger_conflicts: attempts that conflicted with a transaction.
    secret_failures: failed reads of a provider's key.
    budget_…_percent: use of the consumer's most used budget; None: no budget, or unknown. key_addresses: source
    addresses that used the key in this hour; None: unknown.
    """

    cold_start: bool = False
    unpriced: bool = False
    upstream_requests: int = 0
    upstream_errors: int = 0
    upstream_throttles: int = 0
    ledger_failures: int = 0
    ledger_throttles: int = 0
    ledger_conflicts: int = 0
    secret_failures: int = 0
    budget_spent_percent: float | None = None
    budget_committed_percent: float | None = None
    key_addresses: int | None = None
