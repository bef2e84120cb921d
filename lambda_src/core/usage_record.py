"""The usage record of one request. The log line, the usage row, the rollup and the replay derive from its fields."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Final, Literal

from lambda_src.contract import LATENCY_BOUNDS_MS
from lambda_src.core.counters import Counters
from lambda_src.core.json_text import json_text
from lambda_src.core.tokens import Tokens
from lambda_src.core.windows import label, utc_datetime

Settlement = Literal["held", "settled", "unsettled", "refused"]
UsageSource = Literal["reported", "estimated", "none"]

_RAW_USAGE_LIMIT = 1_500
"""Largest provider usage object that a line and a row contain, in characters of JSON; real ones have a few hundred."""


def _field(default: Any, meaning: str, *, row: bool = True) -> Any:
    """A field of the log line. meaning: for the docs. row: whether the usage row stores it as well."""
    return field(default=default, metadata={"meaning": meaning, "row": row})


_SETTLEMENT = {
    "meaning": (
        "held: in progress; settled: charged as metered; unsettled: charged the held amount, by the sweeper; refused: "
        "not sent"
    ),
    "row": True,
}
_USAGE_SOURCE = {"meaning": "reported by the provider, estimated, or none", "row": True}
_CALLS = {"meaning": "calls of tools that the provider ran, and requests with a fee, by kind of fee", "row": True}
_FEES = {"meaning": "part of cost_nano_usd for these calls, by kind; a kind without a fee is not charged", "row": True}
_TAGS = {"meaning": "tags of the policy and of the caller's x-tollgate-tags header", "row": True}


@dataclass(slots=True, kw_only=True)
class UsageRecord:
    """One request. It never contains the prompt, the response, a key's value or all headers.

    Fields without metadata are not written as they are: `tokens` becomes one field per class, `counters` metrics.
    """

    request_id: str = _field(
        MISSING,
        "API Gateway's extended request id: also in the access log and the header x-tollgate-request-id",
        row=False,
    )
    at_ms: int = _field(
        MISSING, "when API Gateway received the request, in epoch milliseconds; sets its day and budget windows"
    )
    environment: str = _field(MISSING, "environment", row=False)
    consumer: str = _field("-", 'who is billed; "-" if the key is unknown')
    key_id: str = _field("-", "id of the API key, never its value")
    plan: str = _field("-", "the consumer's usage plan")
    route: str = _field(
        "-", "route that was called: chat, responses, embeddings, models, messages, count_tokens, converse, …"
    )
    provider: str = _field("-", "provider of the model")
    model: str = _field("-", 'requested model; "-" if this key may not use it')
    model_asked: str | None = _field(
        None, "name of a requested model that this key may not use; omitted if not a valid name, masked if a secret"
    )
    model_served: str | None = _field(None, "model that the provider reports")
    service_tier: str | None = _field(None, "service tier that was charged")
    stream: bool = _field(False, "whether the caller requested an event stream")
    status: int = _field(
        0, "HTTP status of the outcome; docs/errors.md lists where the caller's status differs, to prevent retries"
    )
    error_code: str | None = _field(None, "stable error code, also for the provider's errors")
    error_message: str | None = _field(
        None, "error message of a request that a limit rejected: the limit, what is left, the reset", row=False
    )
    upstream_status: int | None = _field(None, "HTTP status of the provider's response")
    provider_request_id: str | None = _field(
        None, "the provider's own id of the request, by which its support and its bills find it"
    )
    settlement: Settlement = field(default="refused", metadata=_SETTLEMENT)
    tokens: Tokens = field(default_factory=Tokens)
    usage_source: UsageSource = field(default="none", metadata=_USAGE_SOURCE)
    output_over_maximum: int | None = _field(
        None, "output tokens beyond the most that the request allowed; omitted if the provider respected the maximum"
    )
    usage_raw: Mapping[str, object] | None = _field(
        None, "the provider's own usage object; omitted if it is larger than 1,500 characters"
    )
    held_nano_usd: int = _field(0, "amount reserved before the request was sent")
    cost_nano_usd: int = _field(0, "amount charged")
    calls: Mapping[str, int] = field(default_factory=dict, metadata=_CALLS)
    fees: Mapping[str, int] = field(default_factory=dict, metadata=_FEES)
    price_version: str | None = _field(None, "version of the prices")
    latency_ms: int = _field(0, "time from the event to the end of the response; in the row, to its settle")
    upstream_ms: int = _field(
        0, "part of latency_ms from the first call of the provider to the end of its response, retries included"
    )
    first_byte_ms: int | None = _field(
        None,
        "time from the event to the first byte of a stream that the caller could get; comments that keep it alive do "
        "not count; omitted for whole responses and for streams that did not begin",
    )
    retries: int = _field(0, "retried calls; only calls that were not billed are retried")
    trace_id: str | None = _field(None, "X-Ray trace id, as in the access log", row=False)
    w3c_trace_id: str | None = _field(None, "trace id of the caller's `traceparent` header", row=False)
    ledger_failed: bool = _field(False, "whether the ledger has no row of this request yet: replay the line", row=False)
    tags: Mapping[str, str] = field(default_factory=dict, metadata=_TAGS)
    counters: Counters = field(default_factory=Counters)

    @property
    def day(self) -> str:
        """UTC day of the request."""
        return label("day", utc_datetime(self.at_ms))

    @property
    def over_estimate(self) -> bool:
        """Whether the request exceeded what was held for it: its cost, or the output that it allowed."""
        return self.cost_nano_usd > self.held_nano_usd or self.output_over_maximum is not None

    @property
    def failed(self) -> bool:
        """Whether the gateway or a provider failed, whatever status the caller got."""
        return self.status >= 500

    @property
    def refused(self) -> bool:
        """Whether the request was rejected for a reason that the caller can fix, which excludes our outages."""
        return self.settlement == "refused" and not self.failed

    @property
    def gateway_ms(self) -> int:
        """The gateway's own part of the latency, before and after the provider's."""
        return self.latency_ms - self.upstream_ms

    @property
    def usage_json(self) -> str | None:
        """The provider's usage object as JSON; None if it is missing, too large or nested too deeply."""
        try:
            text = json_text(self.usage_raw) if self.usage_raw else None
        except RecursionError:
            return None
        return text if text is not None and len(text) <= _RAW_USAGE_LIMIT else None

    def values(self, names: tuple[str, ...]) -> dict[str, object]:
        """The named fields and the tokens by class."""
        return {name: getattr(self, name) for name in names} | self._tokens()

    def row(self) -> dict[str, object]:
        """Attributes of the usage row except its key. Omits zeros and unknown values: rows are billed by size."""
        values = self.values(ROW_FIELDS) | {"tags": dict(self.tags), "usage_raw": self.usage_json}
        return {
            name: value
            for name, value in values.items()
            if value not in (None, {}, "-") and (value or not name.startswith("tokens_"))
        }

    def rollup(self) -> dict[str, int]:
        """What this request adds to the rollup of its consumer, day, model and key."""
        timed = self.settlement != "unsettled"
        adds = {
            "requests": 1,
            "errors": int(self.failed),
            "refusals": int(self.refused),
            "estimated": int(self.usage_source == "estimated"),
            "unsettled": int(not timed),
            "over_estimate": int(self.over_estimate),
            "cost_nano_usd": self.cost_nano_usd,
            **self._tokens(),
            **{f"calls_{kind}": count for kind, count in self.calls.items()},
            **{f"fees_{kind}": amount for kind, amount in self.fees.items()},
            f"status_{self.status}": 1,
            f"code_{self.error_code}": int(self.error_code is not None),
            "streams": int(self.first_byte_ms is not None),
            "first_byte_ms": self.first_byte_ms or 0,
            "latency_ms": self.latency_ms if timed else 0,
            _latency_bucket(self.latency_ms): int(timed),
        }
        return {name: value for name, value in adds.items() if value or name in ("requests", "cost_nano_usd")}

    def _tokens(self) -> dict[str, int]:
        return {field_name: getattr(self.tokens, name) for field_name, name in TOKEN_FIELDS.items()}


def _latency_bucket(latency_ms: int) -> str:
    index = bisect_left(LATENCY_BOUNDS_MS, latency_ms)
    return f"ms_{LATENCY_BOUNDS_MS[index]}" if index < len(LATENCY_BOUNDS_MS) else "ms_inf"


LINE_FIELDS: Final[dict[str, Field[Any]]] = {member.name: member for member in fields(UsageRecord) if member.metadata}
"""The fields that a log line contains, by name."""
ROW_FIELDS: Final = tuple(name for name, member in LINE_FIELDS.items() if member.metadata["row"])
TOKEN_FIELDS: Final = {f"tokens_{member.name}": member.name for member in fields(Tokens)}
"""Names of token counts in lines and rows, and the field of `Tokens` each one comes from."""
_KEY_FIELDS: Final = ("consumer", "usage_raw")
"""Fields of a row that its partition key has, or that are stored in another form."""
_REPLAYED: Final = tuple(name for name in LINE_FIELDS if name != "ledger_failed")


def record_from_row(pk: str, sk: str, row: Mapping[str, Any]) -> UsageRecord:
    """The record that a usage row was written from, without `usage_raw` and the fields that rows lack."""
    return UsageRecord(
        request_id=sk.partition("#")[2],
        consumer=pk.split("#")[1],
        environment="",
        tokens=Tokens(**{name: row.get(field_name, 0) for field_name, name in TOKEN_FIELDS.items()}),
        **{name: row[name] for name in ROW_FIELDS if name not in _KEY_FIELDS and row.get(name) is not None},
    )


def record_from_line(line: Mapping[str, Any]) -> UsageRecord:
    """The record that a log line was written from. A replay uses it to book a request that the ledger missed."""
    return UsageRecord(
        tokens=Tokens(**{name: line.get(field_name, 0) for field_name, name in TOKEN_FIELDS.items()}),
        **{name: line[name] for name in _REPLAYED if line.get(name) is not None},
    )
