"""The amount held for a request, with the sums written out."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_src.contract import TOKEN_CLASSES, Config
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.errors import BadRequest
from lambda_src.core.estimate import estimate
from lambda_src.core.policy import Model, Policy
from lambda_src.core.pricing import Prices, Rates
from tests.bench import PER_TOKEN

FLEX = {name: price // 2 for name, price in PER_TOKEN.items()}
PRIORITY = {name: price * 2 for name, price in PER_TOKEN.items()}
TABLE = Prices({"standard": (Rates(0, PER_TOKEN),), "flex": (Rates(0, FLEX),), "priority": (Rates(0, PRIORITY),)})


def model(**changes: Any) -> Model:
    values = {"prices": Prices({"standard": (Rates(0, PER_TOKEN),)}), "max_output_tokens": 8_000, **changes}
    return Model(name="m", provider="p", upstream="m", price_version="1", **values)


def policy(**changes: Any) -> Policy:
    return Policy(consumer="c", plan="p", models=frozenset("*"), **changes)


def config(**changes: Any) -> Config:
    return Config(environment="t", table="t", providers={}, default_max_output_tokens=2_000, **changes)


def request(**changes: Any) -> ParsedRequest:
    return ParsedRequest(body={}, model="m", **{"text_bytes": 1_000, "input_classes": {"input"}, **changes})


def test_strict_holds_a_token_per_byte_and_the_maximum_output() -> None:
    # (1000 + 500 of overhead) × 1000 + 300 × 4000
    held = estimate(request(max_output=300), model(), policy(), config())
    assert (held.amount, held.max_output, held.insert_max) == (2_700_000, 300, False)
    assert (held.typical_input, held.tokens, held.output_bound) == (250, 550, 300)


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({"input_classes": {"input", "cache_write_5m"}}, 1_500 * 1_250 + 1_200_000),
        ({"input_classes": {"input", "cache_read"}}, 1_500_000 + 1_200_000),
        ({"output_classes": {"output", "output_audio"}}, 1_500_000 + 300 * 9_000),
        ({"choices": 3}, 1_500_000 + 3 * 1_200_000),
        ({"extra_output": 7}, 1_500_000 + 307 * 4_000),
        ({"extra_output": 7, "choices": 2}, 1_500_000 + 2 * 307 * 4_000),
        ({"images": 2}, (1_500 + 2 * 50_000) * 1_000 + 1_200_000),
        ({"added_tokens": 2_000}, 3_500_000 + 1_200_000),
        ({"text_bytes": -40}, 500_000 + 1_200_000),
        ({"unbounded_input": "a file"}, 2_000_000 * 3_000 + 1_200_000),  # at the price of audio, which it may contain
    ],
)
def test_strict_holds_the_most_expensive_case(changes: dict[str, Any], amount: int) -> None:
    assert estimate(request(max_output=300, **changes), model(), policy(), config()).amount == amount


def test_context_window_bounds_the_input() -> None:
    long = request(max_output=0, text_bytes=90_000)
    assert estimate(long, model(max_input_tokens=40_000), policy(), config()).amount == 40_000_000
    long.unbounded_input = "a file"
    long.input_classes = {"input"}
    assert estimate(long, model(max_input_tokens=40_000), policy(), config()).amount == 40_000 * 3_000
    long.extended_context = True
    assert estimate(long, model(max_input_tokens=40_000), policy(), config()).amount == 2_000_000 * 3_000


@pytest.mark.parametrize(
    ("limits", "settings", "max_output", "insert"),
    [
        ({}, {}, 2_000, True),
        ({"max_output_tokens": 600}, {}, 600, True),
        ({"max_output_tokens": 60_000}, {}, 2_000, True),
        ({}, {"estimate": "typical"}, 2_000, False),
        ({"max_output_tokens": 600}, {"estimate": "typical"}, 600, True),
    ],
)
def test_request_without_a_maximum_gets_one(
    limits: dict[str, Any], settings: dict[str, Any], max_output: int, insert: bool
) -> None:
    held = estimate(request(), model(), policy(**limits), config(**settings))
    assert (held.max_output, held.insert_max) == (max_output, insert)
    assert held.output_bound == (max_output if insert else 8_000)


def test_default_is_capped_at_the_models_maximum() -> None:
    assert estimate(request(), model(max_output_tokens=500), policy(), config()).max_output == 500


def test_maximum_above_the_policys_is_rejected() -> None:
    assert estimate(request(max_output=600), model(), policy(max_output_tokens=600), config()).max_output == 600
    with pytest.raises(
        BadRequest, match="maximum is 601 output tokens; accepted: at most 600, this key's limit"
    ) as rejected:
        estimate(request(max_output=601), model(), policy(max_output_tokens=600), config())
    assert (rejected.value.code, rejected.value.param) == ("max_output_tokens_exceeded", "max_tokens")


def test_typical_holds_the_usual_cost() -> None:
    # 1000 bytes are 250 tokens, two images 1600 each, and 1024 tokens of output if the request has no maximum
    typical = estimate(request(images=2), model(), policy(), config(estimate="typical"))
    assert typical.amount == (250 + 3_200) * 1_000 + 1_024 * 4_000
    assert typical.tokens == 250 + 3_200 + 1_024
    limited = estimate(request(max_output=100, choices=2), model(), policy(), config(estimate="typical"))
    assert limited.amount == 250_000 + 200 * 4_000
    assert limited.tokens == 450
    long = estimate(request(max_output=5_000), model(), policy(), config(estimate="typical"))
    assert long.amount == 250_000 + 5_000 * 4_000


def test_typical_accepts_hosted_tools() -> None:
    assert estimate(request(hosted_feature="a tool"), model(), policy(), config(estimate="typical")).amount > 0


def test_strict_rejects_hosted_tools_unless_the_model_is_free() -> None:
    with pytest.raises(BadRequest, match="a tool runs at the provider, where its cost has no bound") as rejected:
        estimate(request(hosted_feature="a tool"), model(), policy(), config())
    assert rejected.value.code == "unbounded_cost"
    free = model(free=True, prices=Prices({"standard": (Rates(0, dict.fromkeys(TOKEN_CLASSES, 0)),)}))
    assert estimate(request(hosted_feature="a tool"), free, policy(), config()).amount == 0


@pytest.mark.parametrize(
    ("tier", "may_vary", "per_input"),
    [
        (None, False, 1_000),
        (None, True, 2_000),
        ("standard", False, 1_000),
        ("flex", False, 1_000),  # it may be served at the standard tier
        ("priority", False, 2_000),
    ],
)
def test_strict_holds_the_most_expensive_tier_that_may_serve_it(
    tier: str | None, may_vary: bool, per_input: int
) -> None:
    tiered = request(service_tier=tier, may_vary_tier=may_vary, max_output=0)
    assert estimate(tiered, model(prices=TABLE), policy(), config()).amount == 1_500 * per_input


@pytest.mark.parametrize(("tier", "per_input"), [(None, 1_000), ("flex", 500), ("priority", 2_000)])
def test_typical_holds_the_requested_tier(tier: str | None, per_input: int) -> None:
    tiered = request(service_tier=tier, may_vary_tier=tier is None, max_output=0)
    assert estimate(tiered, model(prices=TABLE), policy(), config(estimate="typical")).amount == 250 * per_input


def test_tier_without_prices_is_rejected() -> None:
    with pytest.raises(
        BadRequest, match=r"m has no prices for service tier 'fast'; accepted: standard, flex, priority\."
    ) as rejected:
        estimate(request(service_tier="fast"), model(prices=TABLE), policy(), config())
    assert (rejected.value.code, rejected.value.param) == ("service_tier_not_priced", "service_tier")
