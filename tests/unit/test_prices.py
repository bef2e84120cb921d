"""The vendored price table agrees with genai-prices to the nano-dollar, calculated by the code that charges."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from typing import Final

import pytest
from genai_prices import types as source
from genai_prices.data import providers as packaged

from constructs_lib import price_generator
from constructs_lib.price_table import (
    PricePeriod,
    all_prices,
    find_price,
    provider_at,
    providers,
    similar_models,
    version,
)
from lambda_src.contract import NANO_PER_USD, STANDARD_TIER, TOKEN_CLASSES
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.tokens import Tokens

PACKAGED: Final = {provider.id: provider for provider in packaged}
CONTEXTS: Final = {
    "standard": None,
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
USAGES: Final = (
    Tokens(input=1),
    Tokens(input=1_234_567, output=7_654_321),
    Tokens(input=11_003, cache_read=90_001, output=4_099, reasoning=4_001),
    Tokens(input=17, cache_write_5m=70_003, cache_write_1h=30_011, output=5),
    Tokens(input=3_001, input_audio=2_003, output=1_009, output_audio=907),
    # At each threshold in the table, and one token above it.
    *(
        Tokens(input=above - 50_000, cache_read=50_000 + more, output=333)
        for above in (100_000, 128_000, 200_000, 272_000)
        for more in (0, 1)
    ),
)


def prices_of(provider: str, model: str) -> Prices:
    """Published prices of a model on the table's date."""
    price = find_price(provider, model)
    assert price is not None, f"{provider} {model} is not in the table"
    return as_charged(price.periods[0])


def as_charged(period: PricePeriod) -> Prices:
    """Prices as the gateway reads them from the ledger."""
    return Prices(
        {
            tier: tuple(Rates(step["above"], {name: step[name] for name in TOKEN_CLASSES}) for step in steps)
            for tier, steps in period.tiers.items()
        }
    )


def first_day(period: PricePeriod) -> datetime:
    return price_generator.AS_OF if period.start is None else datetime.combine(period.start, time(), UTC)


def expected(provider: str, model: source.ModelInfo, at: datetime, tokens: Tokens, tier: str) -> int:
    """Nano-USD at `at`, calculated by genai-prices."""
    usage = source.Usage(
        input_tokens=tokens.total_input,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write_5m + tokens.cache_write_1h,
        cache_write_5m_tokens=tokens.cache_write_5m,
        cache_write_1h_tokens=tokens.cache_write_1h,
        input_audio_tokens=tokens.input_audio,
        input_image_tokens=tokens.input_image,
        cache_audio_read_tokens=0,
        cache_image_read_tokens=0,
        output_tokens=tokens.total_output,
        output_audio_tokens=tokens.output_audio,
    )
    calculated = model.calc_price(usage, PACKAGED[provider], genai_request_timestamp=at, price_context=CONTEXTS[tier])
    return int((calculated.total_price * NANO_PER_USD).quantize(Decimal(1), ROUND_HALF_UP))


def comparable(model: source.ModelInfo, tokens: Tokens) -> bool:
    """False for cache writes that the package does not price; the table does, for Anthropic's models."""
    price = model.get_prices(price_generator.AS_OF)
    unpriced = (price.cache_write_mtok is None and tokens.cache_write_5m + tokens.cache_write_1h > 0) or (
        price.cache_write_1h_mtok is None and tokens.cache_write_1h > 0
    )
    return not (unpriced and ("claude" in model.id))


@pytest.mark.parametrize("provider", [name for name in price_generator.PROVIDERS if name != "deepseek"])
def test_costs_equal_those_of_the_package(provider: str) -> None:
    source_name = price_generator.PROVIDERS[provider]
    models = {model.id: model for model in PACKAGED[source_name].models}
    compared = 0
    for price in all_prices(provider):
        for period in price.periods:
            model, at, prices = models[price.model], first_day(period), as_charged(period)
            for tier, tokens in product(prices.tiers.keys() & CONTEXTS.keys(), USAGES):
                if comparable(model, tokens):
                    assert prices.cost(tokens, tier) == expected(source_name, model, at, tokens, tier), (
                        model.id,
                        at,
                        tier,
                        tokens,
                    )
                    compared += 1
    assert compared > 150


def test_usages_cover_every_class_and_both_sides_of_a_threshold() -> None:
    covered = {name for usage in USAGES for name, number in asdict(usage).items() if number}
    assert covered == {field.name for field in fields(Tokens)} - {"input_image"}
    at, above = USAGES[-2:]
    sonnet = prices_of("openai", "gpt-5.4")
    assert sonnet.rates("standard", at.total_input).above == 0
    assert sonnet.rates("standard", above.total_input).above == 272_000


@pytest.mark.parametrize(
    ("provider", "model", "tier", "dollars"),
    [
        # USD per million tokens of input, cached input and output, from the providers' own price lists.
        ("openai", "gpt-5", "standard", ("1.25", "0.125", "10")),
        ("openai", "gpt-5", "flex", ("0.625", "0.0625", "5")),
        ("openai", "gpt-5", "priority", ("2.50", "0.25", "20")),
        ("openai", "gpt-5-mini", "standard", ("0.25", "0.025", "2")),
        ("openai", "gpt-5-mini", "priority", ("0.45", "0.045", "3.60")),
        ("openai", "gpt-4.1", "priority", ("3.50", "0.875", "14")),
        ("openai", "gpt-4.1-mini", "priority", ("0.70", "0.175", "2.80")),
        ("openai", "gpt-4.1-nano", "priority", ("0.20", "0.05", "0.80")),
        ("openai", "gpt-4o", "standard", ("2.50", "1.25", "10")),
        ("openai", "gpt-4o", "priority", ("4.25", "2.125", "17")),
        ("openai", "gpt-4o-mini", "priority", ("0.25", "0.125", "1")),
        ("openai", "o3", "priority", ("3.50", "0.875", "14")),
        ("openai", "o4-mini", "priority", ("2", "0.50", "8")),
        ("openai", "text-embedding-3-small", "standard", ("0.02", "0.02", "0")),
        ("anthropic", "claude-haiku-4-5", "standard", ("1", "0.10", "5")),
        ("anthropic", "claude-haiku-4-5", "batch", ("0.50", "0.05", "2.50")),
        ("anthropic", "claude-opus-4-1", "standard", ("15", "1.50", "75")),
        ("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0", "standard", ("1", "0.10", "5")),
        ("bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0", "standard", ("1.10", "0.11", "5.50")),
        ("bedrock", "us.amazon.nova-micro-v1:0", "standard", ("0.035", "0.00875", "0.14")),
    ],
)
def test_known_prices(provider: str, model: str, tier: str, dollars: tuple[str, str, str]) -> None:
    per_class = prices_of(provider, model).tiers[tier][0].per_class
    nano = tuple(int(Decimal(price) * 10**9) for price in dollars)
    assert (per_class["input"], per_class["cache_read"], per_class["output"]) == nano


def test_prices_of_cache_writes_and_audio() -> None:
    claude = prices_of("anthropic", "claude-haiku-4-5").tiers["standard"][0].per_class
    assert (claude["cache_write_5m"], claude["cache_write_1h"]) == (1_250_000_000, 2_000_000_000)
    audio = prices_of("openai", "gpt-audio").tiers["standard"][0].per_class
    assert (audio["input_audio"], audio["output_audio"]) == (32_000_000_000, 64_000_000_000)


def test_fallback_prices() -> None:
    # Bedrock prices only input and output of Claude 3 Haiku.
    claude = prices_of("bedrock", "anthropic.claude-3-haiku-20240307-v1:0").tiers["standard"][0].per_class
    assert claude == {
        "input": 250_000_000,
        "cache_read": 250_000_000,
        "cache_write_5m": 312_500_000,
        "cache_write_1h": 500_000_000,
        "input_audio": 250_000_000,
        "input_image": 250_000_000,
        "output": 1_250_000_000,
        "output_audio": 1_250_000_000,
    }
    gpt = prices_of("openai", "gpt-4o").tiers["standard"][0].per_class
    assert gpt["cache_write_5m"] == gpt["cache_write_1h"] == gpt["input_audio"] == gpt["input"] == 2_500_000_000


def test_long_context_price_applies_to_the_whole_request() -> None:
    sonnet = prices_of("anthropic", "claude-sonnet-4-5")
    assert [rates.above for rates in sonnet.tiers["standard"]] == [0, 200_000]
    assert sonnet.cost(Tokens(input=200_000)) == 600_000_000  # $3 per million
    assert sonnet.cost(Tokens(input=200_001)) == 1_200_006_000  # $6 per million, for all tokens
    assert sonnet.cost(Tokens(input=1, cache_read=200_000, output=1_000)) == 6_000 + 120_000_000 + 22_500_000


def test_announced_prices_are_in_the_table_with_their_day() -> None:
    # Introductory prices end on 2026-11-30 and 2026-12-31 (https://ai.google.dev/gemini-api/docs/pricing).
    flash = (("", 0.75, 0.075, 3.75), ("2027-01-01", 1.5, 0.15, 7.5))
    announced = {
        price.model: tuple(
            (
                "" if period.start is None else period.start.isoformat(),
                *(period.tiers["standard"][0][name] / NANO_PER_USD for name in ("input", "cache_read", "output")),
            )
            for period in price.periods
        )
        for provider in providers()
        for price in all_prices(provider)
        if len(price.periods) > 1
    }
    assert announced == {
        "gemini-3.6-flash": flash,
        "gemini-3.7-flash": flash,
        "gemini-3.8-flash": flash,
        "gemini-3.8-flash-lite-tts": (("", 0.5, 0.5, 6), ("2027-01-01", 1, 1, 12)),
        "gemini-3.8-flash-tts": (("", 0.5, 0.5, 9), ("2027-01-01", 1, 1, 18)),
        "gemini-4-argon": (("", 2, 0.1, 10), ("2026-12-01", 4, 0.2, 20)),
        "gemini-robotics-er-2-preview": (("", 1, 0.1, 5), ("2027-01-01", 2, 0.2, 10)),
        "gemini-robotics-er-2-streaming-preview": (("", 1, 1, 5), ("2027-01-01", 2, 2, 10)),
    }


def test_versions_name_the_period() -> None:
    argon, deepseek = find_price("google", "gemini-4-argon"), find_price("deepseek", "deepseek-v4-pro")
    assert argon is not None
    assert deepseek is not None
    assert [period.version for period in (*argon.periods, *deepseek.periods)] == [
        "2026-11-23/genai-prices-0.2.3",
        "2026-11-23/genai-prices-0.2.3/from-2026-12-01",
        "2026-11-23/genai-prices-0.2.3/peak",
    ]


def test_hourly_prices_use_the_highest() -> None:
    # deepseek-v4-pro: $0.66 and $1.98, twice as much at peak hours.
    rates = prices_of("deepseek", "deepseek-v4-pro").tiers["standard"][0].per_class
    assert (rates["input"], rates["output"]) == (1_320_000_000, 3_960_000_000)


@pytest.mark.parametrize(
    ("provider", "name", "model"),
    [
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "GPT-5-mini-2025-08-07", "gpt-5-mini"),
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("bedrock", "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
         "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ],
)  # fmt: skip
def test_dated_names_and_profiles(provider: str, name: str, model: str) -> None:
    price = find_price(provider, name)
    assert price is not None
    assert price.model == model


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-17"),
        ("nobody", "gpt-5"),
        ("openai", "whisper-1"),  # per hour
        ("openai", "tts-1"),  # per character
        ("openai", "moderation"),  # free: an environment file must state that
        ("openai", "gpt-4o-audio-preview"),  # its audio has no price
        ("openai", "gpt-4o-search-preview"),  # searches cost extra, though no request asks for them
        ("google", "gemini-2.5-flash"),  # cached audio costs more than cached text
    ],
)
def test_models_without_a_price(provider: str, name: str) -> None:
    assert find_price(provider, name) is None


def test_provider_at_url() -> None:
    assert provider_at("https://api.openai.com/v1") == "openai"
    assert provider_at("https://api.groq.com/openai/v1") == "groq"
    assert provider_at("https://bedrock-runtime.eu-west-1.amazonaws.com") == "bedrock"
    assert provider_at("http://127.0.0.1:8099/v1") is None
    assert {"openai", "anthropic", "bedrock"} <= set(providers())


def test_similar_models() -> None:
    assert similar_models("anthropic", "claude-haiku-4-6")[0] == "claude-haiku-4-5"
    assert similar_models("openai", "whisper-2") == []
    assert "anthropic.claude-haiku-4-5-20251001-v1:0" in similar_models("bedrock", "eu.anthropic.claude-haiku-4-5-v1:0")
    assert similar_models("nobody", "gpt-5") == []


def test_rates_have_an_integer_for_every_class() -> None:
    for price in (price for provider in providers() for price in all_prices(provider)):
        assert all(STANDARD_TIER in period.tiers for period in price.periods)
        for steps in (steps for period in price.periods for steps in period.tiers.values()):
            assert [step["above"] for step in steps] == sorted({0, *(step["above"] for step in steps)})
            for step in steps:
                assert set(step) == {"above", *TOKEN_CLASSES}
                assert all(type(value) is int for value in step.values())


def test_table_is_current() -> None:
    text = price_generator.TABLE.read_text(encoding="utf-8")
    assert text == price_generator.table(), "run `make prices` and review the difference"
    assert version() == "2026-11-23/genai-prices-0.2.3"
