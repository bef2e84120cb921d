"""The call log of the stand-in provider: exact, and safe to read while it serves."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from lambda_src.contract import TOKEN_CLASSES
from local.provider.protocol import TokenCounts

ID_HEADERS: Final = (
    "x-request-id", "x-tollgate-request-id", "x-client-request-id", "idempotency-key", "traceparent",
    "x-stainless-retry-count",
)  # fmt: skip
"""Request headers that identify a call in the log."""


@dataclass(slots=True)
class ServedCall:
    """A request that reached the provider.

    sequence: 1, 2, 3… in order of arrival. request_id: as in the response's header. ids: the `ID_HEADERS` received.
    prompt: the first 80 characters of the last user message. body: the first 2,000 of the request body.
    status: of the response; 0 if there is none (yet).
    tokens: billed tokens; 0 unless status is 200, delivered or not. usage_reported: whether the response contains them.
    service_tier: as reported, None if it is not.
    outcome: "open" (in progress), "delivered", "cut" (closed half-way), "reset", "error_event", "client_gone", or
    "unreleased" (a stepped stream that was not released further).
    """

    sequence: int
    dialect: str
    operation: str
    request_id: str
    ids: dict[str, str]
    model: str = ""
    prompt: str = ""
    body: str = ""
    stream: bool = False
    status: int = 0
    service_tier: str | None = None
    tokens: TokenCounts = field(default_factory=TokenCounts)
    usage_reported: bool = False
    outcome: str = "open"


class CallLog:
    """Calls in order of arrival. The serving thread updates its call; readers get copies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[ServedCall] = []
        self._sequence = 0
        self._failed: Counter[bytes] = Counter()

    def begin(self, dialect: str, operation: str, ids: dict[str, str]) -> ServedCall:
        """Add a request to the log before anything else happens to it."""
        with self._lock:
            self._sequence += 1
            call = ServedCall(self._sequence, dialect, operation, f"req_{self._sequence:012d}", ids)
            self._calls.append(call)
        return call

    def fails(self, fingerprint: bytes, times: int) -> bool:
        """Whether this attempt fails, where `times` attempts fail and the next one succeeds, repeatedly."""
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
        """Delete all calls; sequence numbers continue."""
        with self._lock:
            self._calls.clear()
            self._failed.clear()


def totals(calls: list[ServedCall]) -> dict[str, object]:
    """The number of calls, in total, by status, by outcome and by model; tokens by class, in total and by model.

    >>> totals([])
    {'calls': 0, 'by_status': {}, 'by_outcome': {}, 'tokens': {}, 'models': {}}
    """
    models: dict[str, Counter[str]] = {}
    for call in calls:
        counts = models.setdefault(call.model, Counter())
        counts["calls"] += 1
        for token_class in TOKEN_CLASSES:
            counts[token_class] += getattr(call.tokens, token_class)
    all_models: Counter[str] = sum(models.values(), Counter())
    del all_models["calls"]
    return {
        "calls": len(calls),
        "by_status": {str(status): number for status, number in sorted(Counter(c.status for c in calls).items())},
        "by_outcome": dict(sorted(Counter(call.outcome for call in calls).items())),
        "tokens": dict(all_models),
        "models": {model: dict(models[model]) for model in sorted(models)},
    }


def as_json(calls: list[ServedCall]) -> list[dict[str, object]]:
    """Calls as JSON objects with the fields of `ServedCall`."""
    return [asdict(call) for call in calls]
