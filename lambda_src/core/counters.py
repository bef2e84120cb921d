"""What a request meets on its way that only metrics tell: it is in no row and in no bill."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counts of one request, or of one pass of the sweeper.

    upstream_requests: calls of the provider, repeated ones included; of these upstream_errors ended in 5xx, 429 or
    without a whole answer, and upstream_throttles in 429. ledger_throttles: tries that DynamoDB throttled;
    ledger_failures: calls that failed in the end. secret_failures: failed reads of a provider's key. The percentages
    are those of the consumer's fullest budget; None: it has none, or nothing new is known. key_addresses: how many
    source addresses the key was used from in this hour; None: not known.
    """

    cold_start: bool = False
    unpriced: bool = False
    upstream_requests: int = 0
    upstream_errors: int = 0
    upstream_throttles: int = 0
    ledger_failures: int = 0
    ledger_throttles: int = 0
    secret_failures: int = 0
    budget_spent_percent: float | None = None
    budget_committed_percent: float | None = None
    key_addresses: int | None = None
