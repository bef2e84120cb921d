"""One request as the command tells it, from its usage row or from its line in the usage log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from admin.report.figures import UNPRICED_CODES
from lambda_src.contract import SK
from lambda_src.core.pricing import usd
from lambda_src.core.windows import moment

Only = Literal["errors", "refused", "estimated", "unsettled", "over-estimate", "unpriced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetails:
    """One request; null where something is not known.

    request_id: API Gateway's, as `x-tollgate-request-id` tells it to the caller.
    time: when API Gateway took it in, ISO 8601 in UTC.
    consumer, key_id, plan: who asked, with which key, under which usage plan.
    route, provider: where it went.
    model: the name the caller asked for, where it is one that they may use.
    model_asked: what it was called where it is not.
    model_served: the provider's own name of the model that answered.
    service_tier: of the provider, where it has several.
    stream: whether the answer was a stream.
    status: HTTP status that the caller got; 0 where nobody knows.
    error_code: why it was refused or failed.
    upstream_status: HTTP status of the provider.
    settlement: settled (charged as metered), unsettled (charged what was held) or refused (no provider was called).
    usage_source: reported by the provider, estimated, or none.
    tokens_input: input that no cache served or stored; the other classes are apart from it.
    tokens_cache_read, tokens_cache_write_5m, tokens_cache_write_1h: input served from, or stored in, a cache.
    tokens_input_audio, tokens_input_image: input of that kind.
    tokens_output, tokens_output_audio: output; reasoning is inside.
    tokens_reasoning: output spent on reasoning.
    usd: what was charged, an exact decimal of dollars.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    held_nano_usd: what was reserved before the provider was called.
    price_version: of the price table that it was charged by.
    latency_ms, upstream_ms, first_byte_ms: until the answer; of which waiting for the provider; until its first byte.
    retries: calls of the provider that were repeated.
    trace_id, w3c_trace_id: X-Ray's, and that of the caller's traceparent; the usage row has neither.
    tags: of the consumer, and those that the caller sent.
    usage_raw: the provider's usage object, as JSON text.
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
    upstream_status: int | None = None
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
    held_nano_usd: int = 0
    price_version: str | None = None
    latency_ms: int = 0
    upstream_ms: int = 0
    first_byte_ms: int = 0
    retries: int = 0
    trace_id: str | None = None
    w3c_trace_id: str | None = None
    tags: dict[str, str]
    usage_raw: str | None = None

    @property
    def tokens_in(self) -> int:
        """Input tokens of every class."""
        return sum(getattr(self, name) for name in _INPUTS)

    @property
    def tokens_out(self) -> int:
        """Output tokens."""
        return self.tokens_output + self.tokens_output_audio

    def is_one_of(self, only: Only) -> bool:
        """Whether it belongs to that kind of requests."""
        return {
            "errors": self.status >= _SERVER_ERROR,
            "refused": self.settlement == "refused" and self.status < _SERVER_ERROR,
            "estimated": self.usage_source == "estimated",
            "unsettled": self.settlement == "unsettled",
            "over-estimate": self.nano_usd > self.held_nano_usd,
            "unpriced": self.error_code in UNPRICED_CODES,
        }[only]


COLUMNS: Final = tuple(each.name for each in fields(RequestDetails))
_SERVER_ERROR: Final = 500
_COMPUTED: Final = ("request_id", "time", "consumer", "key_id", "usd", "nano_usd", "tags", "usage_raw")
_COPIED: Final = tuple(name for name in COLUMNS if name not in _COMPUTED)
_INPUTS: Final = tuple(
    name
    for name in COLUMNS
    if name.startswith("tokens_") and not name.startswith(("tokens_output", "tokens_reasoning"))
)


def request(values: Mapping[str, Any]) -> RequestDetails:
    """The request of a usage row's attributes, or of a parsed line of the usage log."""
    cost, raw = int(values.get("cost_nano_usd", 0)), values.get("usage_raw")
    copied = {name: values[name] for name in _COPIED if values.get(name) not in (None, "-")}
    return RequestDetails(
        request_id=values.get("request_id") or str(values[SK]).partition("#")[2],
        time=moment(int(values["at_ms"])).isoformat(timespec="milliseconds"),
        consumer=values.get("consumer", "-"),
        key_id=values.get("key_id", "-"),
        usd=usd(cost),
        nano_usd=cost,
        tags=dict(values.get("tags") or {}),
        usage_raw=raw if raw is None or isinstance(raw, str) else json.dumps(raw, separators=(",", ":")),
        **copied,
    )
