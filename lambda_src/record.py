"""The usage record: one dataclass from which come the log line, the usage row and the rollup."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lambda_src.contract import LATENCY_BOUNDS_MS, METRIC_NAMESPACE, TOKEN_CLASSES
from lambda_src.measured import measured
from lambda_src.metrics import ERRORS, REFUSALS, embedded
from lambda_src.signals import Signals
from lambda_src.tokens import Tokens
from lambda_src.windows import label, moment

Settlement = Literal["settled", "unsettled", "refused"]
UsageSource = Literal["reported", "estimated", "none"]

_RAW_USAGE_LIMIT = 1_500
"""Bytes of a provider's usage object kept on a row; the real ones are a few hundred."""

_TOKEN_FIELDS = (*TOKEN_CLASSES, "reasoning")


@dataclass(slots=True, kw_only=True)
class UsageRecord:
    """One request. Never the prompt, the answer, a key's value or a header dump.

    at_ms: epoch milliseconds at which API Gateway took it in; it decides the row's day and windows.
    settlement: `settled` charged as metered, `unsettled` charged at the held amount, `refused` no provider was called.
    model_asked: what the caller called a model that is none of theirs, as far as it may be kept.
    trace_id: X-Ray's; w3c_trace_id: of the `traceparent` that the caller sent. held_nano_usd: what was reserved.
    The latencies are milliseconds; gateway_ms is latency less the provider's part.
    ledger_failed: the ledger has no row of it yet; its log line can be replayed.
    """

    request_id: str
    at_ms: int
    environment: str
    consumer: str = "-"
    key_id: str = "-"
    plan: str = "-"
    route: str = "-"
    provider: str = "-"
    model: str = "-"
    model_asked: str | None = None
    model_served: str | None = None
    service_tier: str | None = None
    stream: bool = False
    status: int = 0
    error_code: str | None = None
    upstream_status: int | None = None
    settlement: Settlement = "refused"
    tokens: Tokens = field(default_factory=Tokens)
    usage_source: UsageSource = "none"
    usage_raw: Mapping[str, object] | None = None
    held_nano_usd: int = 0
    cost_nano_usd: int = 0
    price_version: str | None = None
    latency_ms: int = 0
    upstream_ms: int = 0
    first_byte_ms: int = 0
    retries: int = 0
    trace_id: str | None = None
    w3c_trace_id: str | None = None
    ledger_failed: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    signals: Signals = field(default_factory=Signals)

    @property
    def day(self) -> str:
        """UTC day the request belongs to."""
        return label("day", moment(self.at_ms))

    @property
    def failed(self) -> bool:
        """Whether the caller got no answer through no fault of theirs."""
        return self.status >= 500

    @property
    def refused(self) -> bool:
        """Whether it was turned away, rightly, before a provider was called: an outage of ours is no refusal."""
        return self.settlement == "refused" and not self.failed

    def row(self) -> dict[str, object]:
        """Attributes of the usage row, keys apart. Zeros and what is not known are left out: rows are paid by size."""
        raw = json.dumps(self.usage_raw, separators=(",", ":")) if self.usage_raw else None
        values: dict[str, object] = {
            **self._identity(),
            **{name: value for name, value in self._tokens().items() if value},
            "usage_raw": raw if raw is not None and len(raw) <= _RAW_USAGE_LIMIT else None,
        }
        return {name: value for name, value in values.items() if value not in (None, {}, "-")}

    def rollup(self) -> dict[str, int]:
        """What this request adds to its consumer's rollup of the day, model and key."""
        timed = self.settlement != "unsettled"
        adds = {
            "requests": 1,
            "errors": int(self.failed),
            "refusals": int(self.refused),
            "estimated": int(self.usage_source == "estimated"),
            "unsettled": int(not timed),
            "over_estimate": int(self.cost_nano_usd > self.held_nano_usd),
            "cost_nano_usd": self.cost_nano_usd,
            **self._tokens(),
            f"status_{self.status}": 1,
            f"code_{self.error_code}": int(self.error_code is not None),
            "latency_ms": self.latency_ms if timed else 0,
            _latency_bucket(self.latency_ms): int(timed),
        }
        return {name: value for name, value in adds.items() if value or name in ("requests", "cost_nano_usd")}

    def line(self, per_consumer: bool, told_ms: int | None = None) -> str:
        """The structured log line, with embedded metrics. One line of JSON.

        told_ms: epoch milliseconds of the metrics where that is not `at_ms`: a hold is found unsettled minutes after
        its request, and an alarm does not look at periods that are over.
        """
        values = measured(self)
        line: dict[str, Any] = {
            "kind": "usage",
            "level": "ERROR" if self.failed else "INFO",
            "request_id": self.request_id,
            "time": moment(self.at_ms).isoformat(timespec="milliseconds"),
            "environment": self.environment,
            "trace_id": self.trace_id,
            "w3c_trace_id": self.w3c_trace_id,
            **self._identity(),
            **self._tokens(),
            "usage_raw": self.usage_raw,
            "gateway_ms": self.latency_ms - self.upstream_ms,
            "ledger_failed": self.ledger_failed,
            **{metric.name: value for metric, value in values.items()},
        }
        if self.error_code is not None and (values[ERRORS] or values[REFUSALS]):
            line["reason"] = self.error_code
        line["_aws"] = embedded(
            self.at_ms if told_ms is None else told_ms, METRIC_NAMESPACE, per_consumer, line, values
        )
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))

    def _identity(self) -> dict[str, object]:
        return {
            "at_ms": self.at_ms,
            "consumer": self.consumer,
            "key_id": self.key_id,
            "plan": self.plan,
            "route": self.route,
            "provider": self.provider,
            "model": self.model,
            "model_asked": self.model_asked,
            "model_served": self.model_served,
            "service_tier": self.service_tier,
            "stream": self.stream,
            "status": self.status,
            "error_code": self.error_code,
            "upstream_status": self.upstream_status,
            "settlement": self.settlement,
            "usage_source": self.usage_source,
            "held_nano_usd": self.held_nano_usd,
            "cost_nano_usd": self.cost_nano_usd,
            "price_version": self.price_version,
            "latency_ms": self.latency_ms,
            "upstream_ms": self.upstream_ms,
            "first_byte_ms": self.first_byte_ms,
            "retries": self.retries,
            "tags": dict(self.tags),
        }

    def _tokens(self) -> dict[str, int]:
        return {f"tokens_{name}": getattr(self.tokens, name) for name in _TOKEN_FIELDS}


def _latency_bucket(latency_ms: int) -> str:
    place = bisect_left(LATENCY_BOUNDS_MS, latency_ms)
    return f"ms_{LATENCY_BOUNDS_MS[place]}" if place < len(LATENCY_BOUNDS_MS) else "ms_inf"


def record_of_line(line: Mapping[str, Any]) -> UsageRecord:
    """The record that a log line says: what replays a row the ledger could not take in."""
    return UsageRecord(
        tokens=Tokens(**{name: line.get(f"tokens_{name}", 0) for name in _TOKEN_FIELDS}),
        **{name: line[name] for name in _FIELDS_OF_LINE if line.get(name) is not None},
    )


_FIELDS_OF_LINE = (
    "request_id", "at_ms", "environment", "consumer", "key_id", "plan", "route", "provider", "model", "model_asked",
    "model_served", "service_tier", "stream", "status", "error_code", "upstream_status", "settlement", "usage_source",
    "usage_raw", "held_nano_usd", "cost_nano_usd", "price_version", "latency_ms", "upstream_ms", "first_byte_ms",
    "retries", "tags", "trace_id", "w3c_trace_id",
)  # fmt: skip
