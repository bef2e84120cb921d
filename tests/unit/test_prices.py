"""The vendored price table agrees with genai-prices to the nano-dollar, calculated by the code that charges."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from typing import Final

import pytest
from genai_prices import types as source
from genai_prices.data import providers as packaged

from constructs_lib.price_table import (
    PricePeriod,
    all_prices,
    find_price,
    providers,
    version,
)
from lambda_src.contract import NANO_PER_USD, STANDARD_TIER, TOKEN_CLASSES
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.tokens import Tokens
from tools.prices import disagreements, genai, table
from tools.prices.listed import LISTS

AS_OF: Final = date.fromisoformat(version()[:10])
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
    return datetime.combine(period.start or AS_OF, time(), UTC)


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
    """False for what the table prices differently on purpose: cache writes of Claude that the package does not price,
    output of models that also write images, prices with more than nine decimals, and requests above the window."""
    price = model.get_prices(datetime.combine(AS_OF, time(), UTC))
    written = tokens.cache_write_5m + tokens.cache_write_1h
    if "claude" in model.id and (
        (price.cache_write_mtok is None and written) or (price.cache_write_1h_mtok is None and tokens.cache_write_1h)
    ):
        return False
    if price.requests_kcount is not None:  # a fee per request is no price of tokens
        return False
    if price.output_image_mtok is not None or tokens.total_input > (model.context_window or tokens.total_input):
        return False
    return all(not isinstance(value, Decimal) or value == round(value, 9) for value in vars(price).values())


@pytest.mark.parametrize("provider", [name for name in LISTS if name not in ("deepseek", "openrouter")])
def test_costs_equal_those_of_the_package(provider: str) -> None:
    source_name = LISTS[provider][0]
    models = {model.id: model for model in PACKAGED[source_name].models}
    # Names of the second source come first, so the last entry of a name is the first source's.
    by_name = {price.model: price for price in all_prices(provider)}
    compared = 0
    for listed in (listed for listed in genai.listed(provider, AS_OF) if listed.periods):
        for period in by_name[listed.name].periods:
            model, at, prices = models[listed.name], first_day(period), as_charged(period)
            for tier, tokens in product(prices.tiers.keys() & CONTEXTS.keys(), USAGES):
                if comparable(model, tokens):
                    assert prices.cost(tokens, tier) == expected(source_name, model, at, tokens, tier), (
                        model.id,
                        at,
                        tier,
                        tokens,
                    )
                    compared += 1
    assert compared > 40


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
        # Geographies: 1.3 times the US price, and 1.2 times that of the commercial regions' global profile.
        ("bedrock", "eu.amazon.nova-lite-v1:0", "standard", ("0.078", "0.0195", "0.312")),
        ("bedrock", "apac.amazon.nova-pro-v1:0", "standard", ("0.84", "0.21", "3.36")),
        ("bedrock", "jp.amazon.nova-2-lite-v1:0", "standard", ("0.396", "0.099", "3.311")),
        ("bedrock", "au.anthropic.claude-sonnet-4-6", "standard", ("3.30", "0.33", "16.50")),
        ("bedrock", "global.anthropic.claude-opus-5", "standard", ("5", "0.50", "25")),
        ("bedrock", "eu.anthropic.claude-opus-5", "standard", ("5.50", "0.55", "27.50")),
        ("bedrock", "us-gov.anthropic.claude-opus-5", "standard", ("6", "0.60", "30")),
        ("bedrock", "us-gov.amazon.nova-pro-v1:0", "standard", ("0.96", "0.24", "3.84")),
        ("bedrock", "amazon.nova-pro-v1:0", "flex", ("0.40", "0.10", "1.60")),
        ("bedrock", "amazon.nova-pro-v1:0", "priority", ("1.40", "0.35", "5.60")),
        ("bedrock", "openai.gpt-oss-120b-1:0", "priority", ("0.2625", "0.2625", "1.05")),
        ("google", "gemini-2.5-flash", "standard", ("0.30", "0.03", "2.50")),
        ("google", "gemini-2.5-flash", "flex", ("0.15", "0.03", "1.25")),
        ("google", "gemini-2.5-flash", "priority", ("0.54", "0.054", "4.50")),
        ("google", "gemini-2.5-flash-image", "standard", ("0.30", "0.30", "30")),
        ("azure", "gpt-5", "standard", ("1.25", "0.125", "10")),
        ("openrouter", "anthropic/claude-sonnet-4.5", "standard", ("3", "0.30", "15")),
        ("x-ai", "grok-4.20-reasoning", "standard", ("1.25", "0.20", "2.50")),
        ("x-ai", "grok-4", "standard", ("1.25", "0.20", "2.50")),  # served by grok-4.3 since 2026-05-15
        ("mistral", "mistral-large-latest", "standard", ("0.50", "0.05", "1.50")),  # Mistral Large 3
        ("deepseek", "deepseek-chat", "standard", ("0.30", "0.006", "1.20")),  # deepseek-v4-flash at peak hours
        # Not settled by a page: the dearer of $2 / $5 and $1.50 / $7.50.
        ("mistral", "magistral-medium-latest", "standard", ("2", "0.15", "7.50")),
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


@pytest.mark.parametrize(
    ("name", "region", "dollars"),
    [
        ("amazon.nova-lite-v1:0", None, "0.06"),
        ("amazon.nova-lite-v1:0", "us-west-2", "0.06"),
        ("amazon.nova-lite-v1:0", "eu-west-1", "0.078"),
        ("amazon.nova-lite-v1:0", "ap-southeast-1", "0.063"),
        ("amazon.nova-lite-v1:0", "us-gov-west-1", "0.072"),
        ("meta.llama3-70b-instruct-v1:0", "eu-west-2", "3.45"),
        ("meta.llama3-70b-instruct-v1:0", "eu-west-1", "2.86"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-lite-v1:0", "eu-west-1", "0.078"),
    ],
)
def test_prices_of_bedrock_depend_on_the_region(name: str, region: str | None, dollars: str) -> None:
    price = find_price("bedrock", name, region)
    assert price is not None
    assert price.periods[0].tiers["standard"][0]["input"] == int(Decimal(dollars) * 10**9)


def test_us_prices_never_stand_for_govcloud() -> None:
    assert find_price("bedrock", "writer.palmyra-x5-v1:0", "us-east-1") is not None
    assert find_price("bedrock", "writer.palmyra-x5-v1:0", "us-gov-west-1") is None


@pytest.mark.parametrize(
    ("provider", "name", "dollars"),
    [
        # Input, cache writes for 5 minutes and for an hour.
        ("bedrock", "anthropic.claude-opus-5", ("5.50", "6.875", "11")),
        ("bedrock", "us-gov.anthropic.claude-opus-5", ("6", "7.50", "12")),
        ("azure", "claude-opus-5-5", ("4", "5", "8")),
        ("google", "claude-3-5-haiku@20241022", ("0.80", "1", "1.60")),
        ("openrouter", "anthropic/claude-sonnet-4.5", ("3", "3.75", "6")),
    ],
)
def test_claude_writes_to_the_cache_at_a_higher_price_everywhere(
    provider: str, name: str, dollars: tuple[str, str, str]
) -> None:
    per_class = prices_of(provider, name).tiers["standard"][0].per_class
    nano = tuple(int(Decimal(price) * 10**9) for price in dollars)
    assert (per_class["input"], per_class["cache_write_5m"], per_class["cache_write_1h"]) == nano


def test_steps_end_at_the_context_window() -> None:
    # The long-context beta of Claude Sonnet 4.5 ended on 2026-04-30: its window is 200,000 tokens again.
    for provider, name in (
        ("anthropic", "claude-sonnet-4-5"),
        ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ):
        assert [rates.above for rates in prices_of(provider, name).tiers["standard"]] == [0]


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
    haiku = prices_of("anthropic", "claude-haiku-5-5")
    assert [rates.above for rates in haiku.tiers["standard"]] == [0, 100_000]
    assert haiku.cost(Tokens(input=100_000)) == 10_000_000  # $0.10 per million
    assert haiku.cost(Tokens(input=100_001)) == 50_000_500  # $0.50 per million, for all tokens
    assert haiku.cost(Tokens(input=1, cache_read=100_000, output=1_000)) == 500 + 5_000_000 + 2_500_000


def test_gemini_on_openrouter_charges_input_for_cache_writes() -> None:
    """OpenRouter lists the storage of five minutes, $4.50 per hour, without the tokens."""
    price = find_price("openrouter", "google/gemini-2.5-pro")
    assert price is not None
    assert [
        {name: rates[name] / 10**9 for name in ("input", "cache_read", "cache_write_5m")}
        for rates in price.periods[0].tiers["standard"]
    ] == [
        {"input": 1.25, "cache_read": 0.125, "cache_write_5m": 1.625},
        {"input": 2.5, "cache_read": 0.25, "cache_write_5m": 2.875},
    ]
    claude = find_price("openrouter", "anthropic/claude-sonnet-4.5")
    assert claude is not None
    assert claude.periods[0].tiers["standard"][0]["cache_write_5m"] == 3_750_000_000


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
        "2026-11-26/genai-prices-0.2.3/litellm-1.110.2",
        "2026-11-26/genai-prices-0.2.3/litellm-1.110.2/from-2026-12-01",
        "2026-11-26/genai-prices-0.2.3/litellm-1.110.2/peak",
    ]


def test_hourly_prices_use_the_highest() -> None:
    # deepseek-v4-pro: $0.66 and $1.98, twice as much at peak hours.
    rates = prices_of("deepseek", "deepseek-v4-pro").tiers["standard"][0].per_class
    assert (rates["input"], rates["output"]) == (1_320_000_000, 3_960_000_000)


def test_rates_have_an_integer_for_every_class() -> None:
    for price in (price for provider in providers() for price in all_prices(provider)):
        assert all(STANDARD_TIER in period.tiers for period in price.periods)
        for steps in (steps for period in price.periods for steps in period.tiers.values()):
            assert [step["above"] for step in steps] == sorted({0, *(step["above"] for step in steps)})
            for step in steps:
                assert set(step) == {"above", *TOKEN_CLASSES}
                assert all(type(value) is int for value in step.values())


def test_table_is_current() -> None:
    text = table.TABLE.read_text(encoding="utf-8")
    assert text == table.table(AS_OF, disagreements.read()), "run `make prices` and review the difference"
    assert version() == "2026-11-26/genai-prices-0.2.3/litellm-1.110.2"
