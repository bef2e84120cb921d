"""The stand-in provider's own account of what it served: exact, and safe to read while it serves."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from lambda_src.contract import TOKEN_CLASSES
from local.provider.wire import TokenCounts

ID_HEADERS: Final = (
    "x-request-id", "x-tollgate-request-id", "x-client-request-id", "idempotency-key", "traceparent",
    "x-stainless-retry-count",
)  # fmt: skip
"""Headers by which a caller can recognise its own call in the log."""


@dataclass(slots=True)
class ServedCall:
    """One request that reached the provider.

    sequence: 1, 2, 3… in order of arrival. request_id: as the answer's header names it. prompt: how it begins.
    status: what was answered (0: nothing yet, or nothing at all). tokens: what the provider bills; all 0 unless
    it generated an answer (status 200), delivered or not. usage_shown: whether the answer told the caller.
    service_tier: as the answer says, None where it does not. ids: the `ID_HEADERS` received.
    outcome: "open" (in progress), "delivered", "cut" (closed half-way), "reset", "error_event", or "client_gone".
    """

    sequence: int
    dialect: str
    operation: str
    request_id: str
    ids: dict[str, str]
    model: str = ""
    prompt: str = ""
    stream: bool = False
    status: int = 0
    service_tier: str | None = None
    tokens: TokenCounts = field(default_factory=TokenCounts)
    usage_shown: bool = False
    outcome: str = "open"


class CallLog:
    """Calls in order of arrival. Each is written by the thread that serves it; readers get copies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[ServedCall] = []
        self._sequence = 0
        self._failed: Counter[bytes] = Counter()

    def begin(self, dialect: str, operation: str, ids: dict[str, str]) -> ServedCall:
        """Take a request into the account before anything is done with it."""
        with self._lock:
            self._sequence += 1
            call = ServedCall(self._sequence, dialect, operation, f"req_{self._sequence:012d}", ids)
            self._calls.append(call)
        return call

    def fails(self, fingerprint: bytes, times: int) -> bool:
        """Whether a request that fails `times` times and then succeeds fails now; the next one starts afresh."""
        with self._lock:
            if self._failed[fingerprint] >= times:
                del self._failed[fingerprint]
                return False
            self._failed[fingerprint] += 1
            return True

    def calls(self) -> list[ServedCall]:
        """A copy of every call since the last `clear`."""
        with self._lock:
            return [replace(call) for call in self._calls]

    def clear(self) -> None:
        """Forget all calls; sequences go on."""
        with self._lock:
            self._calls.clear()
            self._failed.clear()


def totals(calls: list[ServedCall]) -> dict[str, object]:
    """Sums of `calls`: how many, by status and by outcome, and tokens by class, in all and by model.

    >>> totals([])
    {'calls': 0, 'by_status': {}, 'by_outcome': {}, 'tokens': {}, 'models': {}}
    """
    models: dict[str, Counter[str]] = {}
    for call in calls:
        counts = models.setdefault(call.model, Counter())
        counts["calls"] += 1
        for name in TOKEN_CLASSES:
            counts[name] += getattr(call.tokens, name)
    together: Counter[str] = sum(models.values(), Counter())
    del together["calls"]
    return {
        "calls": len(calls),
        "by_status": {str(status): number for status, number in sorted(Counter(c.status for c in calls).items())},
        "by_outcome": dict(sorted(Counter(call.outcome for call in calls).items())),
        "tokens": dict(together),
        "models": {model: dict(models[model]) for model in sorted(models)},
    }


def as_json(calls: list[ServedCall]) -> list[dict[str, object]]:
    """Calls as JSON objects with the fields of `Call`."""
    return [asdict(call) for call in calls]
