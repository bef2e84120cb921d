"""Tools that the provider runs, in strict mode: admitted with a bound, and never dearer than what is held."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_src.contract import ROUTES, STANDARD_TIER, Config, Provider
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.errors import BadRequest
from lambda_src.core.estimate import Estimate, estimate
from lambda_src.core.hosted_tools import bound_tools
from lambda_src.core.policy import Model, Policy
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.usage_record import UsageRecord
from tests.bench import PER_TOKEN
from tests.metering import meter

ROUTE = {route.name: route for route in ROUTES}
WINDOW = 1_000
FEES = {"web_search": 10_000_000, "file_search": 2_500_000, "web_fetch": 0}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FUNCTION = {"type": "function", "name": "f", "parameters": {}}
POLICY = Policy(consumer="c", plan="p", models=frozenset("*"))


def model(name: str = "m", **fees: int) -> Model:
    long = Rates(500, {token_class: 2 * price for token_class, price in PER_TOKEN.items()})
    prices = Prices({STANDARD_TIER: (Rates(0, PER_TOKEN), long)}, fees or FEES)
    return Model(
        name=name, provider="p", upstream=name, prices=prices, price_version="1", max_output_tokens=100,
        max_input_tokens=WINDOW,
    )  # fmt: skip


def admitted(
    route: str, body: dict[str, Any], used: Model | None = None, flavour: str = "openai"
) -> tuple[ParsedRequest, Estimate]:
    body = {"model": "m", **body}
    provider = Provider(kind=ROUTE[route].dialect, base_url="https://x", flavour=flavour, hosted_tool_calls=3)
    config = Config(environment="e", table="t", providers={"p": provider})
    parsed = DIALECTS[provider.kind].parse_request(ROUTE[route], body, len(json.dumps(body)), None)
    bound_tools(parsed, route, provider, used or model())
    return parsed, estimate(parsed, used or model(), POLICY, config)


def highest(*classes: str) -> int:
    return 2 * max(PER_TOKEN[name] for name in classes)


INPUT = highest("input", "cache_read", "cache_write_5m", "input_image", "input_audio") // 10**6


@pytest.mark.parametrize(
    ("stated", "sent", "readings", "fees"),
    [(2, 2, 3, 20_000_000), (None, 3, 4, 30_000_000), (0, 0, 2, 0)],
)
def test_responses_are_held_at_every_call_and_reading(stated: int | None, sent: int, readings: int, fees: int) -> None:
    tools = [FUNCTION, {"type": "web_search"}, {"type": "file_search", "vector_store_ids": ["v"]}]
    body: dict[str, Any] = {"input": "Hi", "tools": tools, "max_output_tokens": 10}
    parsed, held = admitted("responses", body if stated is None else body | {"max_tool_calls": stated})
    assert parsed.overrides["max_tool_calls"] == sent
    output = 10 * 2 * PER_TOKEN["output"] // 10**6
    assert held.amount == fees + readings * WINDOW * INPUT + output
    assert held.cost_bound == held.amount


def test_messages_are_held_at_the_longest_loop() -> None:
    tools = [{"name": "f", "input_schema": {}}, SEARCH | {"max_uses": 2}, {"type": "web_fetch_20250910", "name": "w"}]
    parsed, held = admitted("messages", {"messages": [], "max_tokens": 10, "tools": tools})
    assert parsed.overrides["tools"] == [tools[0], tools[1], tools[2] | {"max_uses": 3}]
    assert held.amount == 20_000_000 + 10 * WINDOW * INPUT + 10 * 2 * PER_TOKEN["output"] // 10**6
    many, _ = admitted("messages", {"messages": [], "max_tokens": 10, "tools": [SEARCH | {"max_uses": 30}]})
    assert many.tool_bound is not None
    assert many.tool_bound.readings == 31


@pytest.mark.parametrize(
    ("route", "tools", "changes", "words"),
    [
        ("responses", [{"type": "image_generation"}], {}, "its calls have no bound"),
        ("responses", [{"type": "mcp", "server_url": "x"}], {}, "its calls have no bound"),
        ("responses", [{"type": "code_interpreter", "container": "c_1"}], {}, "its calls have no bound"),
        ("responses", [{"type": "web_search_preview"}], {}, "model m has no fee web_search_preview"),
        ("responses", [{"type": "web_search"}], {"flavour": "generic"}, "its cost has no bound"),
        ("responses", [{"type": "web_search"}], {"used": model("o3-deep-research")}, "its cost has no bound"),
        ("messages", [{"type": "web_search_20260209", "name": "web_search"}], {}, "its calls have no bound"),
        ("messages", [{"type": "code_execution_20250825", "name": "c"}], {}, "its calls have no bound"),
        ("chat", [{"type": "web_search"}], {}, "its cost has no bound"),
    ],
)
def test_other_tools_are_refused(route: str, tools: list[Any], changes: dict[str, Any], words: str) -> None:
    body = {"input": "Hi"} if route == "responses" else {"messages": [], "max_tokens": 9}
    with pytest.raises(BadRequest, match=words) as raised:
        admitted(route, body | {"tools": tools}, **changes)
    assert raised.value.code == "unbounded_cost"


def test_another_spelling_of_the_bound_is_refused() -> None:
    with pytest.raises(BadRequest, match="accepted: max_uses"):
        admitted("messages", {"messages": [], "max_tokens": 9, "tools": [SEARCH | {"Max_Uses": 9}]})


def test_a_search_model_may_be_asked_to_search() -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 10, "web_search_options": {}}
    _, held = admitted("chat", body, model(request=25_000_000))
    input_price = highest("input", "cache_read", "cache_write_5m") // 10**6
    assert held.amount == 25_000_000 + 2 * WINDOW * input_price + 10 * 2 * PER_TOKEN["output"] // 10**6
    with pytest.raises(BadRequest, match="web_search_options"):
        admitted("chat", body)


@given(
    maximum=st.none() | st.integers(0, 40),
    searches=st.integers(0, 40),
    input_tokens=st.integers(1, 45 * WINDOW),
    output_tokens=st.integers(0, 50),
)
def test_the_dearest_answer_costs_at_most_what_is_held(
    maximum: int | None, searches: int, input_tokens: int, output_tokens: int
) -> None:
    """Answers with the maximum of calls, each after a context as long as the window, and with the maximum output."""
    allowed = 3 if maximum is None else maximum
    body: dict[str, Any] = {"input": "Hi", "tools": [{"type": "web_search"}], "max_output_tokens": 50}
    parsed, held = admitted("responses", body if maximum is None else body | {"max_tool_calls": maximum})
    calls = min(searches, allowed)
    tokens_in = min(input_tokens, (allowed + 1) * WINDOW)
    for made, read, written in ((calls, tokens_in, output_tokens), (allowed, (allowed + 1) * WINDOW, 50)):
        answer = {
            "object": "response", "status": "completed",
            "output": [{"type": "web_search_call", "status": "completed"}] * made,
            "usage": {"input_tokens": read, "output_tokens": written, "total_tokens": read + written},
        }  # fmt: skip
        response = ProviderResponse(
            status=200, headers={}, body=json.dumps(answer).encode(), complete=True, truncation_code="upstream_cut",
            retries=0, total_seconds=0,
        )  # fmt: skip
        record = UsageRecord(request_id="r", at_ms=0, environment="e")
        meter(record, ROUTE["responses"], parsed, model(), held, response)
        assert record.fees.get("web_search", 0) == made * 10_000_000
        assert record.fees.get("web_search", 0) < record.cost_nano_usd <= held.amount
