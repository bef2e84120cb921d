"""From an answer to a charge: what is reported, what is estimated, and what is never free."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_src.contract import ROUTES
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import (
    ParsedResponse,
    estimate_tokens,
    event_objects,
    events,
    text_size,
    tokens_to_charge,
)
from lambda_src.core.errors import UpstreamError
from lambda_src.core.estimate import Estimate
from lambda_src.core.metering import charge_held_amount, cost, error_event, meter
from lambda_src.core.policy import Model
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.tokens import ReportedUsage, Tokens, count, count_or_none, name_or_none
from lambda_src.core.usage_record import UsageRecord
from tests.bench import PER_TOKEN

ROUTE = {route.name: route for route in ROUTES}
DOUBLE = {name: price * 2 for name, price in PER_TOKEN.items()}
HALF = {name: price // 2 for name, price in PER_TOKEN.items()}
MODEL = Model(
    name="m", provider="p", upstream="m", price_version="1", max_output_tokens=100,
    prices=Prices({"standard": (Rates(0, PER_TOKEN),), "flex": (Rates(0, HALF),), "priority": (Rates(0, DOUBLE),)}),
)  # fmt: skip
WANTED = Estimate(amount=777_000, tokens=60, max_output=50, insert_max=False, typical_input=40, output_bound=50)


def answer(body: object, *, status: int = 200, whole: bool = True) -> ProviderResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ProviderResponse(
        status=status, headers={}, body=raw, complete=whole, truncation_code="" if whole else "upstream_cut", retries=0,
        first_byte_seconds=0, total_seconds=0,
    )  # fmt: skip


def metered(given: ProviderResponse, *, route: str = "chat", **ask: Any) -> UsageRecord:
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    meter(record, ROUTE[route], ParsedRequest(body={}, model="m", **ask), MODEL, WANTED, given)
    return record


def usage(**members: int) -> dict[str, object]:
    return {"model": "served", "choices": [], "usage": members}


def test_a_reported_count_is_charged_as_it_is() -> None:
    record = metered(answer(usage(prompt_tokens=11, completion_tokens=7, total_tokens=18)))
    assert record.tokens == Tokens(input=11, output=7)
    assert (record.cost_nano_usd, record.usage_source, record.error_code) == (39_000, "reported", None)
    assert (record.status, record.upstream_status, record.model_served) == (200, 200, "served")
    assert record.service_tier == "standard"
    assert record.usage_raw == {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@pytest.mark.parametrize("status", [300, 400, 429, 500, 503])
def test_a_providers_error_is_not_billed(status: int) -> None:
    record = metered(answer(usage(prompt_tokens=11, completion_tokens=7), status=status))
    assert (record.cost_nano_usd, record.usage_source, record.status) == (0, "none", status)
    assert record.tokens == Tokens()


def test_without_a_count_the_usual_input_and_the_delivered_text_are_charged() -> None:
    record = metered(answer({"choices": [{"message": {"content": "x" * 33}}]}))
    assert record.tokens == Tokens(input=40, output=9)  # 33 bytes are 9 tokens of four bytes
    assert (record.usage_source, record.cost_nano_usd, record.error_code) == ("estimated", 76_000, None)


def test_an_answer_of_nothing_is_charged_something() -> None:
    record = metered(answer({}))
    assert (record.tokens, record.usage_source) == (Tokens(input=40, output=1), "estimated")


def test_no_estimate_goes_beyond_what_the_request_could_get() -> None:
    record = metered(answer(b"garbage " * 1_000))
    assert record.tokens == Tokens(input=40, output=50)


@pytest.mark.parametrize(
    "members",
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
def test_half_a_count_is_no_count(members: dict[str, Any]) -> None:
    record = metered(answer({"choices": [{"message": {"content": "x" * 33}}], "usage": members}))
    assert record.usage_source == "estimated"
    assert record.tokens.output == 9
    assert record.cost_nano_usd > 0


def test_whole_numbers_written_as_fractions_are_counts() -> None:
    assert metered(answer(b'{"usage":{"prompt_tokens":11.0,"completion_tokens":7.0}}')).tokens == Tokens(
        input=11, output=7
    )


def test_reasoning_counted_beside_the_completion_is_charged_as_output() -> None:
    record = metered(answer(usage(prompt_tokens=32, completion_tokens=9, total_tokens=341)))
    assert record.tokens == Tokens(input=32, output=309)


def test_embeddings_need_no_count_of_output() -> None:
    record = metered(answer({"usage": {"prompt_tokens": 8, "total_tokens": 8}}), route="embeddings")
    assert (record.tokens, record.usage_source) == (Tokens(input=8), "reported")
    record = metered(answer({"usage": {"prompt_tokens": 8, "total_tokens": 9}}), route="embeddings")
    assert record.tokens == Tokens(input=8)


def test_a_cut_answer_says_so_and_is_estimated() -> None:
    record = metered(answer(b'{"choices":[{"message":{"content":"' + b"x" * 40, whole=False))
    assert (record.error_code, record.usage_source) == ("upstream_cut", "estimated")
    assert record.tokens.output == 19  # 75 bytes came


def test_a_cut_before_anything_came_is_charged_like_no_answer() -> None:
    record = metered(answer(b"", whole=False))
    assert (record.cost_nano_usd, record.usage_source, record.error_code) == (777_000, "estimated", "upstream_cut")
    assert record.tokens == Tokens(input=60)
    assert metered(answer(b"data: {}\n\n", whole=False), stream=True).cost_nano_usd == 777_000


def test_a_stream_that_ends_without_its_end_is_incomplete() -> None:
    delta = {"choices": [{"delta": {"content": "x" * 8}}]}
    record = metered(answer(b"data: " + json.dumps(delta).encode() + b"\n\n"), stream=True)
    assert (record.error_code, record.tokens.output) == ("upstream_incomplete", 2)


def test_a_provider_that_ignores_the_wish_to_stream_is_read_all_the_same() -> None:
    record = metered(answer(usage(prompt_tokens=11, completion_tokens=7)), stream=True)
    assert (record.usage_source, record.tokens) == ("reported", Tokens(input=11, output=7))
    message = {"usage": {"input_tokens": 5, "output_tokens": 3}, "content": [{"text": "a"}]}
    assert metered(answer(message), route="messages", stream=True).tokens == Tokens(input=5, output=3)


@pytest.mark.parametrize(
    ("answered", "asked", "tier", "nano_usd"),
    [
        ("flex", None, "flex", 5_000),
        ("default", "priority", "standard", 10_000),
        ("priority", "auto", "priority", 20_000),
        ("scale", None, "scale", 20_000),  # no price here: the dearest
        (None, "flex", "flex", 5_000),
        (None, "auto", "auto", 10_000),
        (None, None, "standard", 10_000),
    ],
)
def test_the_tier_that_served_it_decides_the_price(
    answered: str | None, asked: str | None, tier: str, nano_usd: int
) -> None:
    body = {**usage(prompt_tokens=10, completion_tokens=0), "service_tier": answered}
    record = metered(answer(body), service_tier=asked)
    assert (record.service_tier, record.cost_nano_usd) == (tier, nano_usd)


def test_a_tier_said_only_by_another_chunk_counts() -> None:
    chunks = [{"choices": [{"delta": {}}], "service_tier": "flex"}, usage(prompt_tokens=10, completion_tokens=0)]
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks) + b"data: [DONE]\n\n"
    assert metered(answer(body), stream=True).service_tier == "flex"


def test_the_usage_chunk_is_hidden_from_who_did_not_ask() -> None:
    first, extra, end = (
        b'data: {"choices":[{}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
        b"data: [DONE]\n\n",
    )
    inline = b'data: {"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n' + end
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    asked = ParsedRequest(body={}, model="m", stream=True, usage_requested=False)
    assert meter(record, ROUTE["chat"], asked, MODEL, WANTED, answer(inline)) == inline
    for wanted, body in ((False, first + end), (True, first + extra + end)):
        record = UsageRecord(request_id="r", at_ms=0, environment="e")
        asked = ParsedRequest(body={}, model="m", stream=True, usage_requested=wanted)
        assert meter(record, ROUTE["chat"], asked, MODEL, WANTED, answer(first + extra + end)) == body


def test_a_compaction_is_charged_beside_the_answer() -> None:
    iterations = [
        {"type": "message", "input_tokens": 100, "output_tokens": 20},
        {"type": "compaction", "input_tokens": 900, "output_tokens": 80, "cache_read_input_tokens": 5},
    ]
    body = {"usage": {"input_tokens": 100, "output_tokens": 20, "iterations": iterations}}
    record = metered(answer(body), route="messages")
    assert record.tokens == Tokens(input=1_000, output=100, cache_read=5)


def test_a_charge_without_an_answer_is_the_held_amount() -> None:
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    charge_held_amount(record, WANTED)
    assert (record.cost_nano_usd, record.tokens, record.usage_source) == (777_000, Tokens(input=60), "estimated")


def test_a_cost_is_the_tiers() -> None:
    assert [cost(MODEL, Tokens(input=2), each) for each in ("standard", "flex", "auto", "new")] == [
        2_000, 1_000, 2_000, 4_000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "number"),
    [(0, 0), (5, 5), (5.0, 5), (5.5, None), (-1, None), (True, None), ("5", None), (None, None), (10**9, 10**9),
     (10**9 + 1, None), (float("inf"), None), (float("nan"), None)],
)  # fmt: skip
def test_what_is_a_count(value: object, number: int | None) -> None:
    assert count_or_none(value) == number
    assert count(value) == (number or 0)


def test_names_out_of_answers_are_kept_short_and_printable() -> None:
    assert name_or_none("gpt-5") == "gpt-5"
    assert name_or_none("x" * 300) == "x" * 200
    assert (name_or_none("a\x00b"), name_or_none("\ud800"), name_or_none(7), name_or_none(None)) == (
        None,
        None,
        None,
        None,
    )


def test_text_is_found_wherever_it_is() -> None:
    part = {"content": "four", "id": "no", "type": "no", "calls": [{"function": {"arguments": "ünö"}}, 5, None]}
    assert text_size(part) == 4 + 5
    assert text_size(None) == 0


@pytest.mark.parametrize(("size", "tokens"), [(0, 1), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_four_bytes_are_a_token_and_nothing_is_one(size: int, tokens: int) -> None:
    assert estimate_tokens(size) == tokens


def test_what_was_seen_before_a_cut_is_kept() -> None:
    seen = Tokens(input=3, cache_read=20, cache_write_5m=1, output=2, reasoning=1)
    cut = ParsedResponse(ReportedUsage(seen, reported=False), 36, b"")
    assert tokens_to_charge(cut, 99, 100) == Tokens(input=3, cache_read=20, cache_write_5m=1, output=9, reasoning=1)
    assert tokens_to_charge(cut, 99, 4).output == 4
    assert tokens_to_charge(ParsedResponse(ReportedUsage(Tokens(output=50), reported=False), 8, b""), 99, 4) == Tokens(
        input=99, output=50
    )
    whole = ParsedResponse(ReportedUsage(Tokens(input=1), reported=True), 36, b"")
    assert tokens_to_charge(whole, 99, 100) == Tokens(input=1)


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
def test_events_are_found_however_lines_end_and_nothing_of_them_is_lost(body: bytes) -> None:
    assert b"".join(events(body)) == body
    assert list(event_objects(events(body))) == [{"a": 1}, {"a": 2}]


def test_plus_adds_every_class() -> None:
    one = Tokens(1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert one.plus(Tokens(10, 20, 30, 40, 50, 60, 70, 80, 90)) == Tokens(11, 22, 33, 44, 55, 66, 77, 88, 99)
    assert (one.total_input, one.total_output, one.total) == (21, 15, 36)


def test_a_cut_stream_ends_with_an_error_of_its_dialect() -> None:
    error = UpstreamError(502, "c", "cut")
    assert error_event("openai", error, "r") == (
        b'\n\ndata: {"error": {"message": "cut", "type": "server_error", "param": null, "code": "c"}, '
        b'"request_id": "r"}\n\n'
    )
    assert error_event("anthropic", error, "r") == (
        b'\n\nevent: error\ndata: {"type": "error", "error": {"type": "api_error", "message": "cut", "code": "c"}, '
        b'"request_id": "r"}\n\n'
    )
    assert error_event("bedrock", error, "r") == b""
