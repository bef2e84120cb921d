"""One request as the command shows it, from its usage row or its usage log line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from admin.report.totals import REJECTION_CODES
from lambda_src.contract import CORRECTION, SK
from lambda_src.core.pricing import usd
from lambda_src.core.windows import utc_datetime

Only = Literal[
    "errors", "refused", "estimated", "unsettled", "over-estimate", "model-not-found", "unpriced", "corrections"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetails:
    """One request, or one correction of a request; null if a value is not known.

    request_id: API Gateway's request id, which callers get as `x-tollgate-request-id`.
    time: when API Gateway received it, ISO 8601 in UTC.
    consumer, key_id, plan: the caller's consumer, key and usage plan.
    route, provider: the route and the provider of the request.
    model: requested model, if the key may use it.
    model_asked: name of the requested model, if the key may not use it.
    model_served: the provider's own name of the model that answered.
    service_tier: service tier of the provider, if it has several.
    stream: whether the response was a stream.
    status: HTTP status that the caller got; 0 if unknown.
    error_code: why it was rejected or failed.
    error_message: the limit that rejected it, what was left and requested, and the reset; usage rows lack it.
    upstream_status: HTTP status of the provider.
    provider_request_id: the provider's own id of the request, by which its support and its bills find it.
    settlement: held (in progress, `usage show` only), settled (charged as metered), unsettled (charged at the held
        amount) or refused (not sent); correction for a correction, whose cost and tokens are differences and may be
        negative.
    usage_source: reported by the provider, estimated, or none.
    tokens_input: input tokens neither read from nor written to a cache; the other input classes are not included.
    tokens_cache_read, tokens_cache_write_5m, tokens_cache_write_1h: input tokens read from, or written to, a cache.
    tokens_input_audio, tokens_input_image: audio and image input tokens.
    tokens_output, tokens_output_audio: output tokens, reasoning included.
    tokens_reasoning: reasoning tokens, part of the output tokens.
    usd: amount charged, an exact decimal of dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    fees_nano_usd: the part of the amount that is fees per call, as an integer of 10⁻⁹ dollars.
    calls: calls of tools that the provider ran, and requests with a fee, by kind of fee.
    fees: the fees of these calls by kind, as integers of 10⁻⁹ dollars; a kind without a fee was not charged.
    held_nano_usd: amount reserved before the provider was called.
    output_over_maximum: output tokens beyond the most that the request allowed; null if the provider respected it.
    price_version: version of the prices it was charged at.
    latency_ms, upstream_ms: time to the end of the response; the provider's part of it.
    first_byte_ms: time to the first byte of a stream; null for whole responses and for streams that did not begin.
    retries: calls of the provider that were retried.
    trace_id, w3c_trace_id: X-Ray trace id, and that of the caller's traceparent; usage rows have neither.
    tags: tags of the consumer and of the caller.
    usage_raw: the provider's usage object, as JSON text.
    corrected_at: of a correction, when it was made, ISO 8601 in UTC.
    corrected_by: of a correction, the operator's ARN.
    correction_reason: of a correction, why.
    """

    request_id: str
    time: str
    consumer: str
    key_id: str
    plan: str | None = None
    route: str | None = None
    provider: str | None = None
    model: str | None = None
    model_asked: str | None = None
    model_served: str | None = None
    service_tier: str | None = None
    stream: bool = False
    status: int = 0
    error_code: str | None = None
    error_message: str | None = None
    upstream_status: int | None = None
    provider_request_id: str | None = None
    settlement: str | None = None
    usage_source: str | None = None
    tokens_input: int = 0
    tokens_cache_read: int = 0
    tokens_cache_write_5m: int = 0
    tokens_cache_write_1h: int = 0
    tokens_input_audio: int = 0
    tokens_input_image: int = 0
    tokens_output: int = 0
    tokens_output_audio: int = 0
    tokens_reasoning: int = 0
    usd: str = "0"
    nano_usd: int = 0
    fees_nano_usd: int = 0
    calls: dict[str, int]
    fees: dict[str, int]
    held_nano_usd: int = 0
    output_over_maximum: int | None = None
    price_version: str | None = None
    latency_ms: int = 0
    upstream_ms: int = 0
    first_byte_ms: int | None = None
    retries: int = 0
    trace_id: str | None = None
    w3c_trace_id: str | None = None
    tags: dict[str, str]
    usage_raw: str | None = None
    corrected_at: str | None = None
    corrected_by: str | None = None
    correction_reason: str | None = None

    @property
    def is_correction(self) -> bool:
        """Whether it is a correction and not a request."""
        return self.settlement == CORRECTION

    @property
    def tokens_in(self) -> int:
        """Input tokens of every class."""
        return sum(getattr(self, name) for name in _INPUTS)

    @property
    def tokens_out(self) -> int:
        """Output tokens."""
        return self.tokens_output + self.tokens_output_audio

    def matches(self, only: Only) -> bool:
        """Whether it is a request of this kind, or a correction if corrections are wanted."""
        if self.is_correction or only == "corrections":
            return self.is_correction and only == "corrections"
        return {
            "errors": self.status >= _SERVER_ERROR,
            "refused": self.settlement == "refused" and self.status < _SERVER_ERROR,
            "estimated": self.usage_source == "estimated",
            "unsettled": self.settlement == "unsettled",
            "over-estimate": self.nano_usd > self.held_nano_usd or self.output_over_maximum is not None,
            "model-not-found": self.error_code in REJECTION_CODES["model_not_found"],
            "unpriced": self.error_code in REJECTION_CODES["unpriced"],
        }[only]


COLUMNS: Final = tuple(column.name for column in fields(RequestDetails))
_SERVER_ERROR: Final = 500
OBJECTS: Final = ("tags", "calls", "fees")
"""Columns whose values have several parts by name."""
_COMPUTED: Final = (
    "request_id", "time", "consumer", "key_id", "usd", "nano_usd", "fees_nano_usd", "usage_raw", *OBJECTS,
)  # fmt: skip
_COPIED: Final = tuple(name for name in COLUMNS if name not in _COMPUTED)
_INPUTS: Final = tuple(
    name
    for name in COLUMNS
    if name.startswith("tokens_") and not name.startswith(("tokens_output", "tokens_reasoning"))
)


_OF_REQUEST: Final = ("plan", "route", "service_tier", "stream", "tags")
"""What the export tells about a correction's request."""


def correction(item: Mapping[str, Any], row: Mapping[str, Any]) -> RequestDetails:
    """The correction as a line of the export. row: the usage row that it corrects."""
    of_request = {name: row[name] for name in _OF_REQUEST if name in row}
    return replace(
        request({**of_request, **item, "settlement": CORRECTION}),
        corrected_at=item["at"],
        corrected_by=item["by"],
        correction_reason=item["reason"],
    )


def request(values: Mapping[str, Any]) -> RequestDetails:
    """The request from the attributes of a usage row, or from a parsed line of the usage log."""
    cost, raw = int(values.get("cost_nano_usd", 0)), values.get("usage_raw")
    copied = {name: values[name] for name in _COPIED if values.get(name) not in (None, "-")}
    return RequestDetails(
        request_id=values.get("request_id") or str(values[SK]).partition("#")[2],
        time=utc_datetime(int(values["at_ms"])).isoformat(timespec="milliseconds"),
        consumer=values.get("consumer", "-"),
        key_id=values.get("key_id", "-"),
        usd=usd(cost),
        nano_usd=cost,
        fees_nano_usd=sum((values.get("fees") or {}).values()),
        tags=dict(values.get("tags") or {}),
        calls=dict(values.get("calls") or {}),
        fees=dict(values.get("fees") or {}),
        usage_raw=raw if raw is None or isinstance(raw, str) else json.dumps(raw, separators=(",", ":")),
        **copied,
    )
