"""Fees per call: how calls are counted in answers, what they cost, and which fees the price table has."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from constructs_lib.price_table import find_price
from lambda_src.contract import ROUTES, STANDARD_TIER
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.response_reader import parse_response
from lambda_src.core.estimate import Estimate
from lambda_src.core.fees import FEE_KINDS, request_kind
from lambda_src.core.policy import Model
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.tokens import ReportedUsage
from lambda_src.core.usage_record import UsageRecord
from tests.bench import PER_TOKEN
from tests.metering import meter
from tools.prices import fees
from tools.prices.listed import LISTS

ROUTE = {route.name: route for route in ROUTES}
FEES = {"web_search": 10_000_000, "file_search": 2_500_000, "request_low": 5_000_000, "request_high": 12_000_000}


def usage_of(route: str, body: dict[str, Any], request: dict[str, Any] | None = None) -> ReportedUsage:
    parsed = ParsedRequest(body=request or {}, model="m")
    return parse_response(ROUTE[route], parsed, json.dumps(body).encode(), True).usage


def response_with(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    return {"object": "response", "model": "m", "status": "completed", "output": list(items), "usage": usage, **more}


def call(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"{kind}_call", "status": "completed", **more}


def message_with(stated: object, *content: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 2, "server_tool_use": {"web_search_requests": stated}}
    return {"type": "message", "model": "m", "stop_reason": "end_turn", "content": list(content), "usage": usage}


def result(error: bool = False) -> dict[str, Any]:
    content: object = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"} if error else []
    return {"type": "web_search_tool_result", "content": content}


@pytest.mark.parametrize(
    ("items", "calls"),
    [
        ([call("web_search", action={"type": "search"}), call("web_search")], {"web_search": 2}),
        # Reading a page that was found costs no fee.
        ([call("web_search", action={"type": "open_page"}), call("web_search", action={"type": "find_in_page"})], {}),
        ([call("file_search"), call("function")], {"file_search": 1}),
        # A session of a container, however many calls run in it.
        ([call("code_interpreter", container_id=name) for name in ("a", "a", "b")], {"code_interpreter": 2}),
        ([call("code_interpreter"), call("code_interpreter")], {"code_interpreter": 2}),
    ],
    ids=["searches", "pages", "files", "containers", "calls"],
)
def test_calls_among_output_items(items: list[dict[str, Any]], calls: dict[str, int]) -> None:
    usage = usage_of("responses", response_with(*items))
    assert (usage.calls, usage.reported) == (calls, True)


@pytest.mark.parametrize(
    ("stated", "shown", "calls", "reported"),
    [
        (1, 1, 1, True),
        (3, 1, 3, True),  # searches within a call
        (0, 2, 2, True),  # a placeholder
        (1, 2, 2, False),  # contradictory: the larger count
        ("2", 1, 2, False),  # garbled, and can still be read
        (-1, 1, 1, False),
        (10**12, 1, 1_000, False),  # absurd
    ],
)
def test_the_larger_count_of_searches_is_charged(stated: object, shown: int, calls: int, reported: bool) -> None:
    body = response_with(*[call("web_search")] * shown, tool_usage={"web_search": {"num_requests": stated}})
    usage = usage_of("responses", body)
    assert (usage.calls, usage.reported) == ({"web_search": calls}, reported)
    usage = usage_of("messages", message_with(stated, {"type": "text", "text": "x"}, *[result()] * shown))
    assert (usage.calls, usage.reported) == ({"web_search": calls}, reported)


def test_failed_searches_of_anthropic_are_free() -> None:
    usage = usage_of("messages", message_with(1, result(), result(error=True), {"type": "text", "text": "x"}))
    assert (usage.calls, usage.reported) == ({"web_search": 1}, True)


def test_the_request_tells_kinds_of_calls_apart() -> None:
    tools = [
        {"type": "web_search_preview"},
        {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}},
    ]
    body = response_with(call("web_search"), call("code_interpreter", container_id="a"))
    assert usage_of("responses", body, {"tools": tools}).calls == {"web_search_preview": 1, "code_interpreter_4g": 1}


def test_calls_of_a_cut_stream_count() -> None:
    events = [
        {"type": "response.output_item.added", "item": call("web_search")},
        {"type": "response.output_item.done", "item": call("web_search", action={"type": "search"})},
        {"type": "response.output_item.added", "item": call("web_search")},
        {"type": "response.output_text.delta", "delta": "x"},
    ]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
    parsed = ParsedRequest(body={}, model="m", stream=True)
    response = parse_response(ROUTE["responses"], parsed, body, False)
    assert response.usage.calls == {"web_search": 2}
    final = {"type": "response.completed", "response": response_with(call("web_search", action={"type": "search"}))}
    body += f"event: {final['type']}\ndata: {json.dumps(final)}\n\n".encode()
    response = parse_response(ROUTE["responses"], parsed, body, True)
    assert response.usage.calls == {"web_search": 1}, "the end says what was done"


def test_counts_of_other_providers() -> None:
    counts = {"prompt_tokens": 10, "completion_tokens": 2}
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "x"}}
    executed = choice | {"message": {"content": "x", "executed_tools": [{"type": "search"}, {"type": "python"}]}}
    for usage, found, calls in (
        ({"num_sources_used": 4}, choice, {"source": 4}),  # xAI
        ({"server_tool_use": {"web_search_requests": 2}}, choice, {"web_search": 2}),  # OpenRouter
        ({"num_search_queries": 9}, choice, {"web_search": 9}),  # Perplexity
        ({}, executed, {"web_search": 1}),  # Groq
    ):
        assert usage_of("chat", {"choices": [found], "usage": counts | usage}).calls == calls


def record_of(body: dict[str, Any], route: str, stated: dict[str, int]) -> UsageRecord:
    """The record of an answer at 1,000 nano-USD per input and 4,000 per output token, and these fees."""
    prices = Prices({STANDARD_TIER: (Rates(0, PER_TOKEN),)}, stated)
    model = Model(name="m", provider="p", upstream="m", prices=prices, price_version="1", max_output_tokens=100)
    held = Estimate(10**9, 10, 100, False, 10, 100, cost_bound=10**9)
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    response = ProviderResponse(
        status=200, headers={}, body=json.dumps(body).encode(), complete=True, truncation_code="upstream_cut",
        retries=0, total_seconds=0,
    )  # fmt: skip
    meter(record, ROUTE[route], ParsedRequest(body={}, model="m"), model, held, response)
    return record


def test_fees_are_part_of_the_cost() -> None:
    items = [call("web_search")] * 3 + [call("file_search"), call("code_interpreter", container_id="a")]
    record = record_of(response_with(*items), "responses", {name: FEES[name] for name in ("web_search", "file_search")})
    # 10 input and 2 output tokens, 3 searches at $0.01 and one at $0.0025. The container has no fee.
    assert record.cost_nano_usd == 10 * 1_000 + 2 * 4_000 + 32_500_000
    assert record.calls == {"web_search": 3, "file_search": 1, "code_interpreter": 1}
    assert record.fees == {"web_search": 30_000_000, "file_search": 2_500_000}
    assert (record.row()["calls"], record.row()["fees"]) == (record.calls, record.fees)
    rollup = record.rollup()
    assert (rollup["calls_web_search"], rollup["fees_web_search"]) == (3, 30_000_000)
    assert (rollup["calls_code_interpreter"], "fees_code_interpreter" in rollup) == (1, False)


@pytest.mark.parametrize(
    ("size", "kind", "fee"), [("low", "request_low", 5_000_000), (None, "request_high", 12_000_000)]
)
def test_a_request_fee_is_charged_once(size: str | None, kind: str, fee: int) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "search_context_size": size}
    choices = [{"index": 0, "finish_reason": "stop", "message": {"content": "x"}}]
    record = record_of({"choices": choices, "usage": usage}, "chat", FEES)
    assert (record.calls, record.fees, record.cost_nano_usd) == ({kind: 1}, {kind: fee}, 18_000 + fee)


def test_errors_cost_no_fee() -> None:
    record = record_of({"error": {"message": "x", "code": 500}}, "chat", FEES)
    assert (record.cost_nano_usd, record.calls, record.fees) == (0, {}, {})


@pytest.mark.parametrize(
    ("provider", "model", "stated"),
    [
        # USD per 1,000 calls, from the providers' pages in tools/prices/fees.toml.
        ("anthropic", "claude-sonnet-4-5", {"web_search": "10", "web_fetch": "0"}),
        ("openai", "gpt-5.5", {"web_search": "10", "web_search_preview": "10", "file_search": "2.5"}),
        ("openai", "gpt-4.1", {"web_search": "10", "web_search_preview": "25", "code_interpreter": "30"}),
        ("openai", "gpt-4.1-mini", {"web_search": "13.2"}),
        ("openai", "gpt-4o-search-preview", {"request": "25"}),
        ("openai", "gpt-5-search-api", {"request": "10"}),
        ("azure", "gpt-5.5", {"web_search": "14", "code_interpreter": "33"}),
        ("azure", "claude-opus-5-5", {"web_search": "10"}),
        ("perplexity", "sonar-pro", {"request_low": "6", "request_medium": "10", "request_high": "14"}),
        ("perplexity", "sonar", {"request_low": "5", "request_medium": "8", "request_high": "12"}),
        ("x-ai", "grok-4.3", {"web_search": "5", "x_search": "5", "file_search": "2.5", "source": "25"}),
        ("groq", "openai/gpt-oss-120b", {"web_search": "5"}),
    ],
)
def test_known_fees(provider: str, model: str, stated: dict[str, str]) -> None:
    price = find_price(provider, model)
    assert price is not None
    for period in price.periods:
        found = {kind: Decimal(period.fees[kind]) / 10**6 for kind in stated}
        assert found == {kind: Decimal(usd) for kind, usd in stated.items()}


def test_rules_are_of_known_lists_and_kinds() -> None:
    for rule in fees.rules():
        assert rule.list_name in LISTS
        assert rule.usd.keys() <= FEE_KINDS.keys()
        assert rule.why
    assert request_kind({"web_search": 1}) is None
