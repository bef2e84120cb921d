"""For each cause of an error response: the condition that brings it about, and what it may cost and reach."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Fields = Mapping[str, Mapping[str, object]]
CHAT, RESPONSES, MESSAGES, CONVERSE = "chat", "responses", "messages", "converse"
PAST = "2020-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A condition, what the user of every SDK sees, and what happens at the provider and in the ledger.

    code: the cause. says: pattern of the text that the user reads. status: of the provider's own response.
    calls: that reach the provider for the failing request. recovers: whether a repetition by the SDK succeeds.
    key, key_state, policy, consumer_state: items in the ledger; None: no such item.
    model: after the family's name, or per client. fields: of the request, per client. headers: of the request.
    raw: body of a request that no SDK can send. raw_path: its path, if it is not the client's. path: before the SDK's.
    down: what does not work during the first request; room: others in flight hold the budget.
    after_one: whether another request comes first.
    rows: whether a failing request has a usage row. streams: whether it fails plain, streamed or both ways.
    clients: to which the condition applies.
    """

    code: str
    says: str
    status: int | None = None
    calls: int = 0
    recovers: bool = False
    key: Mapping[str, object] | None = field(default_factory=dict)
    key_state: Mapping[str, object] | None = None
    policy: Mapping[str, object] | None = field(default_factory=dict)
    consumer_state: Mapping[str, object] | None = None
    model: str | Mapping[str, str] = "small"
    fields: Fields = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    raw_path: str | None = None
    raw_headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    path: str = ""
    down: Literal["ledger", "throttled", "secret", "sandbox", "room"] | None = None
    after_one: bool = False
    rows: bool = True
    streams: tuple[bool, ...] = (False, True)
    clients: tuple[str, ...] = (CHAT, RESPONSES, MESSAGES, CONVERSE)


def _everywhere(name: str, value: object) -> Fields:
    """A field of OpenAI's and Anthropic's requests."""
    return {client: {name: value} for client in (CHAT, RESPONSES, MESSAGES)}


def _max_output(tokens: int) -> Fields:
    return {
        CHAT: {"max_completion_tokens": tokens},
        RESPONSES: {"max_output_tokens": tokens},
        MESSAGES: {"max_tokens": tokens},
        CONVERSE: {"inferenceConfig": {"maxTokens": tokens}},
    }


_SDKS = (CHAT, RESPONSES, MESSAGES)
_NO_TIER: Fields = {
    CHAT: {"service_tier": "priority"},
    RESPONSES: {"service_tier": "priority"},
    MESSAGES: {"speed": "fast"},
    CONVERSE: {"serviceTier": {"type": "priority"}},
}
_UNBOUNDED: Fields = {
    CHAT: {"web_search_options": {}},
    RESPONSES: {"tools": [{"type": "web_search"}]},
    MESSAGES: {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    CONVERSE: {"additionalModelRequestFields": {"tools": 1}},
}
_OTHER_FAMILY = {CHAT: "claude-small", RESPONSES: "claude-small", MESSAGES: "gpt-small", CONVERSE: "gpt-small"}

KEYS = (
    Case(code="key_unknown", says="not in this environment's ledger", key=None, policy=None, rows=False),
    Case(code="key_disabled", says="is disabled", key_state={"status": "disabled"}),
    Case(code="key_revoked", says="is revoked", key_state={"status": "revoked"}),
    Case(code="key_expired", says="expired on 2020-01-01", key={"expires": PAST}),
    Case(code="consumer_unknown", says="has no policy", policy=None, rows=False),
    Case(code="consumer_paused", says="is paused", consumer_state={"status": "paused"}),
    Case(code="consumer_expired", says="expired on 2020-01-01", policy={"expires": PAST}),
)
REQUESTS = (
    Case(code="not_found", says="no such method and path", path="/elsewhere", rows=False, clients=_SDKS),
    Case(code="model_not_found", says="may not use model", model="unknown"),
    Case(code="model_not_found", says="accepted: none", policy={"models": ["other"]}),
    Case(code="model_missing", says="names no model", fields=_everywhere("model", None), clients=_SDKS),
    Case(
        code="model_missing",
        says="names no model",
        raw=b"{}",
        raw_path="/bedrock/model//converse",
        clients=(CONVERSE,),
    ),
    Case(code="invalid_model", says="accepted: a name from GET /v1/models", model="x" * 201),
    Case(code="wrong_route", says="is not available on this route", model=_OTHER_FAMILY),
    Case(code="invalid_json", says="not valid JSON", raw=b'{"model": '),
    Case(code="invalid_json", says='"model" is given twice', raw=b'{"model": "a", "model": "b"}'),
    Case(code="invalid_encoding", says="not UTF-8", raw=b'{"model": "\xff"}'),
    Case(code="invalid_parameter", says="accepted: a whole number", fields=_max_output(100_000_001)),
    Case(
        code="repeated_header",
        says="the header x-api-key is given 2 times",
        raw=b"{}",
        raw_headers=(("x-api-key", "a"), ("x-api-key", "b"), ("content-type", "application/json")),
    ),
    Case(code="invalid_tags", says="name=value", headers={"x-tollgate-tags": "no equals"}),
    Case(code="not_supported", says="allow_members", fields=_everywhere("surprise", 1), clients=_SDKS),
    Case(
        code="not_supported",
        says="is not supported, because",
        fields={CONVERSE: {"performanceConfig": {"latency": "optimized"}}},
        clients=(CONVERSE,),
    ),
    Case(
        code="background_not_supported",
        says="cannot be metered",
        fields={RESPONSES: {"background": True}},
        clients=(RESPONSES,),
    ),
    Case(
        code="max_output_tokens_exceeded",
        says="accepted: at most 10,",
        policy={"max_output_tokens": 10},
        fields=_max_output(11),
    ),
    Case(code="service_tier_not_priced", says="no prices for service tier", fields=_NO_TIER),
    Case(code="unbounded_cost", says="its cost has no bound", fields=_UNBOUNDED),
    Case(code="request_exceeds_limit", says="limit of 5 per minute", policy={"tokens_per_minute": 5}),
    Case(code="request_exceeds_limit", says="its limit is 0 per minute", policy={"requests_per_minute": 0}),
    Case(
        code="request_too_large",
        says="accepted: at most 20000",
        fields={
            **_everywhere("metadata", {"user_id": "x" * 20_000}),
            CONVERSE: {"system": [{"text": "x" * 20_000}]},
        },
    ),
    Case(
        code="unsupported_media_type",
        says="turn off request compression",
        raw=gzip.compress(b"{}"),
        raw_headers=(("content-type", "application/json"), ("content-encoding", "gzip")),
    ),
    Case(code="unsupported_media_type", says="accepted: application/json", headers={"content-type": "text/plain"}),
)
# The first request uses 500 tokens, and holds 600.
_USES_500 = {"model": "long-500", "fields": _max_output(600), "after_one": True}
LIMITS = (
    Case(
        code="budget_exceeded",
        says="budget of 1000 USD per day",
        policy={"budgets": [{"usd_nano": 10**12, "per": "day"}]},
        model="expensive",
    ),
    Case(
        code="budget_exceeded",
        says="The budget resets on",
        policy={"budgets": [{"usd_nano": 4_500_000, "per": "day"}]},
        **_USES_500,
    ),
    Case(
        code="budget_held",
        says="requests in flight hold the rest",
        policy={"budgets": [{"usd_nano": 10**9, "per": "total"}]},
        down="room",
        recovers=True,
    ),
    Case(
        code="tokens_per_minute_exceeded",
        says="of 700 tokens per minute",
        policy={"tokens_per_minute": 700},
        recovers=True,
        **_USES_500,
    ),
    Case(
        code="requests_per_minute_exceeded",
        says="1 of 1 requests per minute",
        policy={"requests_per_minute": 1},
        recovers=True,
        after_one=True,
    ),
)
DEPENDENCIES = (
    Case(code="ledger_unavailable", says="nothing was charged", down="ledger", recovers=True, rows=False),
    # Requests to Bedrock are signed: they need no secret.
    Case(code="consumer_busy", says="nothing was charged", down="throttled", recovers=True, rows=False),
    Case(code="provider_secret_unavailable", says="nothing was charged", down="secret", recovers=True, clients=_SDKS),
)
PROVIDERS = (
    Case(code="upstream_throttled", says="asks for status 429", model="429", status=429, calls=2, clients=_SDKS),
    Case(  # boto3 repeats a 429, as it does with Bedrock itself
        code="upstream_throttled",
        says="asks for status 429",
        model="429-then-ok-2",
        status=429,
        calls=2,
        recovers=True,
        clients=(CONVERSE,),
    ),
    Case(code="upstream_refused", says="asks for status 422", model="422", status=422, calls=1),
    Case(code="upstream_error", says="asks for status 500", model="500", status=500, calls=2),
    # The gateway does not repeat these, which the provider may have billed.
    Case(code="upstream_error", says="asks for status 504", model="504", status=504, calls=1),
    Case(code="upstream_refused", says="asks for status 408", model="408", status=408, calls=1),
    Case(
        code="provider_account_rejected",
        says="the gateway's own credentials",
        model="wrong-key",
        calls=1,
        clients=_SDKS,
    ),
    Case(code="provider_account_rejected", says="the gateway's own credentials", model="403", calls=1),
    Case(code="upstream_unreachable", says="nothing was charged", model="unreachable"),
    Case(code="upstream_tls", says="nothing was charged", model="tls"),
)
BILLED = (
    Case(code="upstream_timeout", says="the held amount is charged", model="slow-2", calls=1),
    Case(code="upstream_reset", says="the held amount is charged", model="reset", calls=1),
    Case(code="upstream_cut", says="what was received is charged", model="cut", calls=1),
    Case(code="upstream_invalid", says="charged by estimate", model="garbage", calls=1),
    Case(
        code="answer_too_large",
        says="larger than the gateway can return",
        model="huge",
        calls=1,
        streams=(False,),
    ),
    Case(
        code="upstream_incomplete",
        says="server had an error|Overloaded|model stopped",
        model="error-event",
        calls=1,
        streams=(True,),
    ),
    Case(code="unsettled", says="the usage log shows the cause", down="sandbox", calls=1),
)
CASES = KEYS + REQUESTS + LIMITS + DEPENDENCIES + PROVIDERS + BILLED
