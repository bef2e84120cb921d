"""Names under which the price table finds models, and providers by their address."""

from __future__ import annotations

import pytest

from constructs_lib.price_table import find_price, provider_at, providers, similar_models


@pytest.mark.parametrize(
    ("provider", "name", "model"),
    [
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "GPT-5-mini-2025-08-07", "gpt-5-mini"),
        ("google", "models/gemini-2.5-flash", "gemini-2.5-flash"),
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
        ("openai", "gpt-4o-mini-audio-preview-2099"),  # its audio has no price
        ("openrouter", "openai/gpt-4o-search-preview"),  # searches cost extra, though no request asks for them
        ("google", "gemini-omni-1.1-flash"),  # video costs more than text, and counts as output
        ("bedrock", "eu.mistral.mistral-large-2402-v1:0"),  # only US prices are published
        ("bedrock", "us-gov.writer.palmyra-x5-v1:0"),
        ("azure", "model-router"),  # its output costs what the model behind it costs
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
