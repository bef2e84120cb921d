"""From how many source addresses a key is used within an hour: a leaked key shows by it.

The addresses are not kept: an item per key and hour holds short hashes of them, for two days. Each sandbox writes an
address once an hour, so that nearly every request costs nothing here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from lambda_src.contract import TTL_ATTRIBUTE, seen_pk
from lambda_src.edges.aws import AwsError
from lambda_src.edges.ledger import Ledger

MOST = 500
"""Beyond it an item would grow past the size that a write is cheap at, and the news would be the same."""
_KEPT_SECONDS = 2 * 86_400
_HASH_DIGITS = 12


class Addresses:
    """What this sandbox has seen in the current UTC hour. now: epoch seconds."""

    def __init__(self, ledger: Ledger, environment: str, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._environment = environment
        self._now = now
        self._hour = 0
        self._seen: set[tuple[str, str]] = set()
        self._sizes: dict[str, int] = {}

    def count(self, key_id: str, address: str, deadline: float) -> int | None:
        """How many addresses the key was used from in this hour, as far as this sandbox knows; None: it does not.

        A ledger that cannot say is not asked again for this address: it is a metric, nobody should wait for it.
        """
        hour = int(self._now()) // 3_600
        if hour != self._hour:
            self._hour, self._seen, self._sizes = hour, set(), {}
        if (key_id, address) not in self._seen and self._sizes.get(key_id, 0) < MOST:
            self._seen.add((key_id, address))
            self._add(key_id, self._digest(address), deadline)
        return self._sizes.get(key_id)

    def _add(self, key_id: str, digest: str, deadline: float) -> None:
        began = self._hour * 3_600
        hour = f"{datetime.fromtimestamp(began, UTC):%Y-%m-%dT%H}"
        until = {TTL_ATTRIBUTE: began + _KEPT_SECONDS}
        try:
            size = self._ledger.add_to_set(seen_pk(key_id), hour, "addresses", digest, until, MOST, deadline)
        except AwsError:
            return
        self._sizes[key_id] = max(size, self._sizes.get(key_id, 0))

    def _digest(self, address: str) -> str:
        return hashlib.sha256(f"{self._environment}|{address}".encode()).hexdigest()[:_HASH_DIGITS]
