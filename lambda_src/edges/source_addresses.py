"""Counts the source addresses that use a key within an hour, which reveals leaked keys.

The addresses themselves are not stored: an item per key and hour has short hashes of them, for two days. Each sandbox
writes an address once per hour, so that most requests need no write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from lambda_src.contract import TTL_ATTRIBUTE, seen_pk
from lambda_src.edges.aws import AwsError
from lambda_src.edges.ledger import Ledger

MAX_ADDRESSES = 500
"""Counted per key and hour. More would make the item expensive to write, and add no information."""
_KEPT_SECONDS = 2 * 86_400
_HASH_DIGITS = 12


class AddressCounter:
    """Counts addresses in the current UTC hour. now: returns epoch seconds."""

    def __init__(self, ledger: Ledger, environment: str, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._environment = environment
        self._now = now
        self._hour = 0
        self._seen: set[tuple[str, str]] = set()
        self._counts: dict[str, int] = {}

    def count(self, key_id: str, address: str, deadline: float) -> int | None:
        """The number of addresses that used the key in this hour, as far as this sandbox knows; None if unknown.

        A failed write is not retried in this hour: the count is only a metric, and requests must not wait for it.
        """
        hour = int(self._now()) // 3_600
        if hour != self._hour:
            self._hour, self._seen, self._counts = hour, set(), {}
        if (key_id, address) not in self._seen and self._counts.get(key_id, 0) < MAX_ADDRESSES:
            self._seen.add((key_id, address))
            self._add(key_id, self._hash(address), deadline)
        return self._counts.get(key_id)

    def _add(self, key_id: str, address_hash: str, deadline: float) -> None:
        started = self._hour * 3_600
        hour = f"{datetime.fromtimestamp(started, UTC):%Y-%m-%dT%H}"
        ttl = {TTL_ATTRIBUTE: started + _KEPT_SECONDS}
        try:
            count = self._ledger.add_to_set(
                seen_pk(key_id), hour, "addresses", address_hash, ttl, MAX_ADDRESSES, deadline
            )
        except AwsError:
            return
        self._counts[key_id] = max(count, self._counts.get(key_id, 0))

    def _hash(self, address: str) -> str:
        return hashlib.sha256(f"{self._environment}|{address}".encode()).hexdigest()[:_HASH_DIGITS]
