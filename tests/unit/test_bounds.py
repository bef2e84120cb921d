"""Requests as their clients send them, and what `strict` holds for them, with the sums written out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambda_src.contract import ROUTES, TOKEN_CLASSES, Config, EstimateMode
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import ParsedRequest, parse_json
from lambda_src.core.estimate import Estimate, estimate
from lambda_src.core.policy import Model, Policy
from lambda_src.core.pricing import Prices, Rates

RECORDED = Path(__file__).parents[1] / "fixtures" / "requests"
INPUT, OUTPUT = 130_000_000, 600_000_000
"""Nano-USD per million tokens: 130 and 600 per token."""
PRICES = Prices({"standard": (Rates(0, dict.fromkeys(TOKEN_CLASSES, INPUT) | {"output": OUTPUT}),)})


def parsed(route_name: str, body: dict[str, object]) -> ParsedRequest:
    route = next(route for route in ROUTES if route.name == route_name)
    raw = json.dumps(body).encode()
    return DIALECTS[route.dialect].parse_request(route, parse_json(raw, "application/json"), len(raw), "m@1")


def held(request: ParsedRequest, *, exceeds_maximum: bool = False, mode: EstimateMode = "strict") -> Estimate:
    model = Model(
        name="m", provider="p", upstream="m", prices=PRICES, price_version="1", max_output_tokens=8_000,
        max_input_tokens=8_192, exceeds_maximum=exceeds_maximum,
    )  # fmt: skip
    config = Config(environment="t", table="t", providers={}, estimate=mode)
    return estimate(request, model, Policy(consumer="c", plan="p", models=frozenset("*")), config)


# (bytes of text + token ids + 500 + 4 per input) × 130
@pytest.mark.parametrize(
    ("given", "amount", "inputs"),
    [
        ("a" * 1_000, (1_000 + 500 + 4) * 130, 1),
        (["a" * 1_000] * 3, (3_000 + 500 + 12) * 130, 3),
        ("ä" * 1_000, (2_000 + 500 + 4) * 130, 1),
        (list(range(1_000, 2_000)), (1_000 + 500 + 4) * 130, 1),
        ([[100_000] * 1_000, [7] * 9], (1_009 + 500 + 8) * 130, 2),
        (["a" * 10, [1, 2, 3]], (10 + 3 + 500 + 8) * 130, 2),
        ("a" * 9_000, 8_192 * 130, 1),
        (["a" * 100_000] * 4, 4 * 8_192 * 130, 4),
        ([{"text": "a"}, {"text": "b"}], 2 * 8_192 * 130, 2),
        ([1.5, 2.5], 2 * 8_192 * 130, 2),
    ],
)
def test_embeddings_are_held_for_every_input(given: object, amount: int, inputs: int) -> None:
    request = parsed("embeddings", {"model": "m", "input": given})
    assert (held(request).amount, request.inputs) == (amount, inputs)


def test_a_batch_of_long_texts_covers_its_cost() -> None:
    """200 texts of 1,500 one-token words cost 39,000,000. One context window alone would be 1,064,960."""
    request = parsed("embeddings", {"model": "m", "input": ["word " * 1_500] * 200})
    assert 200 * 1_500 * 130 == 39_000_000
    # 200 × 7,500 bytes + 500 + 200 × 4
    assert held(request).amount == (1_500_000 + 500 + 800) * 130 == 195_169_000


def test_token_ids_are_typical_input_too() -> None:
    assert held(parsed("embeddings", {"model": "m", "input": [[5] * 400, [6] * 200]}), mode="typical").tokens == 601


@pytest.mark.parametrize(
    ("route", "field", "output"),
    [
        ("messages", "max_tokens", 0),
        ("chat", "max_tokens", 8_000),  # for Ollama, 0 means no maximum
        ("chat", "max_completion_tokens", 8_000),
        ("responses", "max_output_tokens", 8_000),
    ],
)
def test_a_maximum_of_0_is_accepted(route: str, field: str, output: int) -> None:
    request = parsed(route, {"model": "m@20260101", "input" if route == "responses" else "messages": [], field: 0})
    assert (request.model, request.max_output) == ("m@20260101", 0)
    estimated = held(request)
    assert (estimated.output_bound, estimated.insert_max) == (output, False)


def test_bedrock_accepts_a_name_with_an_at_sign() -> None:
    assert parsed("converse", {"messages": []}).model == "m@1"


@pytest.mark.parametrize(("choices", "output"), [(1, 8_000), (3, 24_000)])
@pytest.mark.parametrize("mode", ["strict", "typical"])
def test_a_provider_that_exceeded_a_maximum_is_held_in_full(choices: int, output: int, mode: EstimateMode) -> None:
    request = parsed("chat", {"model": "m", "messages": [], "max_tokens": 50, "n": choices})
    before, after = held(request, mode=mode), held(request, exceeds_maximum=True, mode=mode)
    assert (before.output_bound, after.output_bound) == (50 * choices, output)
    assert after.amount - before.amount == (output - 50 * choices) * 600


@pytest.mark.parametrize(
    ("name", "route", "removed", "tools"),
    [
        ("claude-code", "messages", (), 12),
        ("codex", "responses", ("web_search",), 9),  # in Codex: web_search = "disabled"; or hosted_tools = "remove"
    ],
)
def test_recorded_requests_of_agents_pass(name: str, route: str, removed: tuple[str, ...], tools: int) -> None:
    request = parsed(route, json.loads((RECORDED / f"{name}.json").read_text()))
    assert (request.hosted_tools, len(request.client_tools)) == (removed, tools)
    assert (request.unknown_members, request.hosted_feature, request.unbounded_input) == ((), None, None)
    request.remove_hosted_tools()
    assert held(request).amount > 0


def test_a_cache_of_an_hour_is_held_at_its_price_behind_openais_api() -> None:
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    request = parsed("chat", {"model": "m", "messages": [{"role": "user", "content": [part]}]})
    assert "cache_write_1h" in request.input_classes
