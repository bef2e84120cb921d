"""Usage and cost of responses: reported, estimated, and never 0 for a missing count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_src.contract import ROUTES
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse, estimate_tokens, text_size, tokens_to_charge
from lambda_src.core.dialects.server_sent_events import event_objects, sse_events
from lambda_src.core.estimate import Estimate
from lambda_src.core.metering import charge_held_amount, cost
from lambda_src.core.policy import Model
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.tokens import ReportedUsage, Tokens, name_or_none, read_count
from lambda_src.core.usage_record import UsageRecord
from tests.bench import PER_TOKEN
from tests.metering import meter

ROUTE = {route.name: route for route in ROUTES}
DOUBLE = {name: price * 2 for name, price in PER_TOKEN.items()}
HALF = {name: price // 2 for name, price in PER_TOKEN.items()}
MODEL = Model(
    name="m", provider="p", upstream="m", price_version="1", max_output_tokens=100,
    prices=Prices({"standard": (Rates(0, PER_TOKEN),), "flex": (Rates(0, HALF),), "priority": (Rates(0, DOUBLE),)}),
)  # fmt: skip
ESTIMATE = Estimate(amount=777_000, tokens=60, max_output=50, insert_max=False, typical_input=40, output_bound=50)


def response(body: object, *, status: int = 200, complete: bool = True) -> ProviderResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ProviderResponse(
        status=status, headers={}, body=raw, complete=complete, truncation_code="" if complete else "upstream_cut",
        retries=0, total_seconds=0,
    )  # fmt: skip


def metered(received: ProviderResponse, *, route: str = "chat", **facts: Any) -> UsageRecord:
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    meter(record, ROUTE[route], ParsedRequest(body={}, model="m", **facts), MODEL, ESTIMATE, received)
    return record


def usage(**counts: int) -> dict[str, object]:
    return {"model": "served", "choices": [], "usage": counts}


def test_reported_usage_is_charged() -> None:
    record = metered(response(usage(prompt_tokens=11, completion_tokens=7, total_tokens=18)))
    assert record.tokens == Tokens(input=11, output=7)
    assert (record.cost_nano_usd, record.usage_source, record.error_code) == (39_000, "reported", None)
    assert (record.status, record.upstream_status, record.model_served) == (200, 200, "served")
    assert record.service_tier == "standard"
    assert record.usage_raw == {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@pytest.mark.parametrize("status", [300, 400, 429, 500, 503])
def test_provider_errors_cost_nothing(status: int) -> None:
    record = metered(response(usage(prompt_tokens=11, completion_tokens=7), status=status))
    assert (record.cost_nano_usd, record.usage_source, record.status) == (0, "none", status)
    assert record.tokens == Tokens()


def test_missing_usage_is_estimated_from_typical_input_and_delivered_text() -> None:
    record = metered(response({"choices": [{"message": {"content": "x" * 33}}]}))
    assert record.tokens == Tokens(input=40, output=9)  # 33 bytes are 9 tokens of four bytes
    assert (record.usage_source, record.cost_nano_usd, record.error_code) == ("estimated", 76_000, None)


def test_empty_response_is_charged_something() -> None:
    record = metered(response({}))
    assert (record.tokens, record.usage_source) == (Tokens(input=40, output=1), "estimated")


def test_estimate_is_capped_at_the_output_bound() -> None:
    record = metered(response(b"garbage " * 1_000))
    assert record.tokens == Tokens(input=40, output=50)


OUTPUT_READ = {"7": 7, repr(10**12): 50}
"""Counts that can be read, up to what the request allowed. Others are estimated from 33 bytes."""


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens": 11},
        {"completion_tokens": 7},
        {"prompt_tokens": 11, "completion_tokens": -7},
        {"prompt_tokens": 11, "completion_tokens": "7"},
        {"prompt_tokens": 11, "completion_tokens": True},
        {"prompt_tokens": 11, "completion_tokens": 10**12},
        {"prompt_tokens": 0, "completion_tokens": 0},
    ],
)
def test_incomplete_usage_is_estimated(counts: dict[str, Any]) -> None:
    record = metered(response({"choices": [{"message": {"content": "x" * 33}}], "usage": counts}))
    assert record.usage_source == "estimated"
    assert record.tokens.output == OUTPUT_READ.get(repr(counts.get("completion_tokens")), 9)
    assert record.cost_nano_usd > 0


def test_integral_floats_are_counts() -> None:
    assert metered(response(b'{"usage":{"prompt_tokens":11.0,"completion_tokens":7.0}}')).tokens == Tokens(
        input=11, output=7
    )


def test_reasoning_that_only_the_total_includes_is_charged_as_output() -> None:
    record = metered(response(usage(prompt_tokens=32, completion_tokens=9, total_tokens=71)))
    assert (record.tokens, record.usage_source) == (Tokens(input=32, output=39), "estimated")
    record = metered(response(usage(prompt_tokens=32, completion_tokens=9, total_tokens=341)))
    assert record.tokens == Tokens(input=32, output=50), "no more than the request allowed"
    details = {"completion_tokens_details": {"reasoning_tokens": 300}}
    counts = {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 341, **details}
    record = metered(response({"usage": counts}))
    assert (record.tokens, record.usage_source) == (Tokens(input=32, output=309, reasoning=300), "reported")


def test_embeddings_need_no_output_count() -> None:
    record = metered(response({"usage": {"prompt_tokens": 8, "total_tokens": 8}}), route="embeddings")
    assert (record.tokens, record.usage_source) == (Tokens(input=8), "reported")
    record = metered(response({"usage": {"prompt_tokens": 8, "total_tokens": 9}}), route="embeddings")
    assert (record.tokens, record.usage_source) == (Tokens(input=9), "estimated")


def test_truncated_response_is_estimated() -> None:
    record = metered(response(b'{"choices":[{"message":{"content":"' + b"x" * 40, complete=False))
    assert (record.error_code, record.usage_source) == ("upstream_cut", "estimated")
    assert record.tokens.output == 19  # 75 bytes were received


def test_truncation_before_any_text_charges_the_held_amount() -> None:
    record = metered(response(b"", complete=False))
    assert (record.cost_nano_usd, record.usage_source, record.error_code) == (777_000, "estimated", "upstream_cut")
    assert record.tokens == Tokens(input=60)
    assert metered(response(b"data: {}\n\n", complete=False), stream=True).cost_nano_usd == 777_000


def test_stream_without_a_final_event_is_incomplete() -> None:
    delta = {"choices": [{"delta": {"content": "x" * 8}}]}
    record = metered(response(b"data: " + json.dumps(delta).encode() + b"\n\n"), stream=True)
    assert (record.error_code, record.tokens.output) == ("upstream_incomplete", 2)


def test_response_that_ignores_stream_is_parsed() -> None:
    record = metered(response(usage(prompt_tokens=11, completion_tokens=7)), stream=True)
    assert (record.usage_source, record.tokens) == ("reported", Tokens(input=11, output=7))
    message = {"usage": {"input_tokens": 5, "output_tokens": 3}, "content": [{"text": "a"}]}
    assert metered(response(message), route="messages", stream=True).tokens == Tokens(input=5, output=3)


@pytest.mark.parametrize(
    ("served", "requested", "tier", "nano_usd"),
    [
        ("flex", None, "flex", 5_000),
        ("default", "priority", "standard", 10_000),
        ("priority", "auto", "priority", 20_000),
        ("scale", None, "scale", 20_000),  # no price here: the most expensive tier
        ("auto", None, "standard", 10_000),
        ("flex", "flex", "flex", 5_000),
        (None, "flex", "standard", 10_000),  # unconfirmed: the more expensive of flex and standard
        (None, "priority", "priority", 20_000),
        (None, "standard", "standard", 10_000),
        (None, None, "standard", 10_000),
    ],
)
def test_tier_in_the_response_determines_the_price(
    served: str | None, requested: str | None, tier: str, nano_usd: int
) -> None:
    body = {**usage(prompt_tokens=10, completion_tokens=0), "service_tier": served}
    record = metered(response(body), service_tier=requested)
    assert (record.service_tier, record.cost_nano_usd) == (tier, nano_usd)


def test_unconfirmed_tier_is_the_more_expensive_one_for_these_tokens() -> None:
    """Tiers may have other ratios of input and output prices: here flex costs less for input and more for output."""
    flex = HALF | {"output": 3 * PER_TOKEN["output"]}
    prices = Prices({"standard": (Rates(0, PER_TOKEN),), "flex": (Rates(0, flex),)})
    model = Model(name="m", provider="p", upstream="m", price_version="1", max_output_tokens=100, prices=prices)
    request = ParsedRequest(body={}, model="m", service_tier="flex")
    charged = []
    for counts in ({"prompt_tokens": 100, "completion_tokens": 1}, {"prompt_tokens": 1, "completion_tokens": 100}):
        record = UsageRecord(request_id="r", at_ms=0, environment="e")
        meter(record, ROUTE["chat"], request, model, ESTIMATE, response(usage(**counts)))
        charged.append((record.service_tier, record.cost_nano_usd))
    assert charged == [("standard", 100 * 1_000 + 4_000), ("flex", 500 + 100 * 12_000)]


@pytest.mark.parametrize(
    ("final_tier", "tier"), [(None, "standard"), ("flex", "flex"), ("default", "standard"), ("priority", "priority")]
)
def test_a_stream_that_repeats_the_requested_tier_does_not_confirm_it(final_tier: str | None, tier: str) -> None:
    """OpenAI's `response.created` has the requested tier, and the final event has the one that served the request."""
    final = {"usage": {"input_tokens": 10, "output_tokens": 0}, "service_tier": final_tier}
    events: list[dict[str, object]] = [
        {"type": "response.created", "response": {"service_tier": "flex"}},
        {"type": "response.output_text.delta", "delta": "abcd"},
    ]
    for usage_of_final in (final, {**final, "usage": None}):
        body = [*events, {"type": "response.completed", "response": usage_of_final}]
        raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in body)
        record = metered(response(raw), route="responses", stream=True, service_tier="flex")
        assert record.service_tier == tier
    truncated = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    record = metered(response(truncated, complete=False), route="responses", stream=True, service_tier="flex")
    assert record.service_tier == "standard"


@pytest.mark.parametrize(("route", "tier"), [("messages", "fast"), ("converse", "flex")])
def test_unnamed_tier_of_other_dialects(route: str, tier: str) -> None:
    counts = {"messages": {"input_tokens": 10, "output_tokens": 1}, "converse": {"inputTokens": 10, "outputTokens": 1}}
    fast = {name: price * 6 for name, price in PER_TOKEN.items()}
    prices = Prices({"standard": (Rates(0, PER_TOKEN),), "flex": (Rates(0, HALF),), "fast": (Rates(0, fast),)})
    model = Model(name="m", provider="p", upstream="m", price_version="1", max_output_tokens=100, prices=prices)
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    request = ParsedRequest(body={}, model="m", service_tier=tier)
    meter(record, ROUTE[route], request, model, ESTIMATE, response({"usage": counts[route]}))
    assert record.cost_nano_usd == {"messages": 84_000, "converse": 14_000}[route]


def test_tier_may_be_in_another_chunk_than_usage() -> None:
    chunks = [{"choices": [{"delta": {}}], "service_tier": "flex"}, usage(prompt_tokens=10, completion_tokens=0)]
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    assert metered(response(body), stream=True).service_tier == "flex"


def test_usage_chunk_is_removed_unless_requested() -> None:
    first, extra, end = (
        b'data: {"choices":[{}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
        b"data: [DONE]\n\n",
    )
    inline = b'data: {"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n' + end
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    request = ParsedRequest(body={}, model="m", stream=True, usage_requested=False)
    parsed = meter(record, ROUTE["chat"], request, MODEL, ESTIMATE, response(inline))
    assert parsed is not None
    assert parsed.body == inline
    for requested, body in ((False, first + end), (True, first + extra + end)):
        record = UsageRecord(request_id="r", at_ms=0, environment="e")
        request = ParsedRequest(body={}, model="m", stream=True, usage_requested=requested)
        parsed = meter(record, ROUTE["chat"], request, MODEL, ESTIMATE, response(first + extra + end))
        assert parsed is not None
        assert parsed.body == body


def test_compactions_are_charged_in_addition() -> None:
    iterations = [
        {"type": "message", "input_tokens": 100, "output_tokens": 20},
        {"type": "compaction", "input_tokens": 900, "output_tokens": 80, "cache_read_input_tokens": 5},
    ]
    body = {"usage": {"input_tokens": 100, "output_tokens": 20, "iterations": iterations}}
    record = metered(response(body), route="messages")
    assert record.tokens == Tokens(input=1_000, output=100, cache_read=5)


def test_held_amount_is_charged_as_an_estimate() -> None:
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    charge_held_amount(record, ESTIMATE)
    assert (record.cost_nano_usd, record.tokens, record.usage_source) == (777_000, Tokens(input=60), "estimated")


def test_cost_by_service_tier() -> None:
    assert [cost(MODEL, Tokens(input=2), tier) for tier in ("standard", "flex", "new")] == [2_000, 1_000, 4_000]


@pytest.mark.parametrize(
    ("value", "number", "garbled"),
    [(0, 0, False), (5, 5, False), (5.0, 5, False), (None, None, False), (10**9, 10**9, False),
     (5.5, 6, True), ("5", 5, True), (10**9 + 1, 10**9, True), (10**400, 10**9, True), ("9" * 11, None, True),
     (-1, None, True), (True, None, True), ("x", None, True), ("-5", None, True), ("²", None, True),
     ([5], None, True), ({}, None, True), (float("inf"), None, True), (float("nan"), None, True)],
)  # fmt: skip
def test_counts_in_json(value: object, number: int | None, garbled: bool) -> None:
    assert read_count(value) == (number, garbled)


def test_names_in_json() -> None:
    assert name_or_none("gpt-5") == "gpt-5"
    assert name_or_none("x" * 300) == "x" * 200
    assert (name_or_none("a\x00b"), name_or_none("\ud800"), name_or_none(7), name_or_none(None)) == (
        None,
        None,
        None,
        None,
    )


def test_text_is_measured_at_any_depth() -> None:
    part = {"content": "four", "id": "no", "type": "no", "calls": [{"function": {"arguments": "ünö"}}, 5, None]}
    assert text_size(part) == 4 + 5
    assert text_size(None) == 0


@pytest.mark.parametrize(("size", "tokens"), [(0, 1), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_four_bytes_are_a_token(size: int, tokens: int) -> None:
    assert estimate_tokens(size) == tokens


def test_counts_before_a_truncation_are_kept() -> None:
    partial = Tokens(input=3, cache_read=20, cache_write_5m=1, output=2, reasoning=1)
    truncated = ParsedResponse(ReportedUsage(partial, has_input=True), 36, b"")
    assert tokens_to_charge(truncated, 99, 500, 100) == Tokens(
        input=3, cache_read=20, cache_write_5m=1, output=9, reasoning=1
    )
    assert tokens_to_charge(truncated, 99, 500, 4).output == 4
    counted = ParsedResponse(ReportedUsage(Tokens(output=50)), 8, b"")
    assert tokens_to_charge(counted, 99, 500, 40) == Tokens(input=99, output=40)
    complete = ParsedResponse(ReportedUsage(Tokens(input=1), has_input=True, has_output=True), 36, b"")
    assert tokens_to_charge(complete, 99, 500, 100) == Tokens(input=1)


def test_what_exceeds_the_request_is_taken_from_the_cheapest_classes() -> None:
    tokens = Tokens(input=10, cache_read=20, cache_write_1h=5, input_audio=4, output=8, output_audio=3, reasoning=7)
    assert tokens.limited(100, 100) == tokens
    assert tokens.limited(14, 9) == Tokens(
        input=5, cache_write_1h=5, input_audio=4, output=6, output_audio=3, reasoning=6
    )
    assert tokens.limited(0, 0) == Tokens()


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"a":1}\n\ndata: {"a":2}\n\ndata: {"a"',
        b'data: {"a":1}\r\n\r\ndata: {"a":2}\r\n\r\ndata: {"a"',
        b': ping\r\n\r\ndata: {"a":1}\n\ndata: {"a":2}\r\n\r\n',
        b'event: x\ndata: {"a":1}\n\n: comment\n\ndata:{"a":2}\n\ndata: [DONE]\n\n',
        b'data: {"a":\ndata: 1}\n\ndata: {"a":2}\n\n',
    ],
)
def test_events_are_split_at_blank_lines_without_loss(body: bytes) -> None:
    assert b"".join(sse_events(body)) == body
    assert list(event_objects(sse_events(body))) == [{"a": 1}, {"a": 2}]


def test_sum_of_tokens_adds_every_class() -> None:
    one = Tokens(1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert one + Tokens(10, 20, 30, 40, 50, 60, 70, 80, 90) == Tokens(11, 22, 33, 44, 55, 66, 77, 88, 99)
    assert (one.total_input, one.total_output, one.total) == (21, 15, 36)
