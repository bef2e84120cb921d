"""Flavours of OpenAI's API: the fields that each provider receives, and the settings and hosts that select it."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.settings import EnvironmentErrors, load
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.model_prices import model_prices
from constructs_lib.settings.runtime import runtime_config
from lambda_src.contract import ROUTES
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.flavours import FLAVOURS, FlavourName, adapt, flavour_at
from lambda_src.core.dialects.openai_errors import openai_error
from lambda_src.core.dialects.parsed_request import ParsedRequest, set_max_output

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CHAT, RESPONSES = (next(route for route in ROUTES if route.name == name) for name in ("chat", "responses"))
OLD, NEW = "max_tokens", "max_completion_tokens"

# Flavour → what it receives from a caller who sends no maximum (the gateway inserts 9), max_tokens = 5,
# max_completion_tokens = 7, and both.
FORWARDED: dict[str, tuple[dict[str, int], dict[str, int], dict[str, int], dict[str, int]]] = {
    "openai": ({NEW: 9}, {OLD: 5}, {NEW: 7}, {OLD: 5, NEW: 7}),
    "azure": ({NEW: 9}, {OLD: 5}, {NEW: 7}, {OLD: 5, NEW: 7}),
    "mistral": ({OLD: 9}, {OLD: 5}, {OLD: 7}, {OLD: 5}),
    "deepseek": ({OLD: 9}, {OLD: 5}, {OLD: 7}, {OLD: 5}),
    "groq": ({NEW: 9}, {OLD: 5}, {NEW: 7}, {OLD: 5, NEW: 7}),
    "xai": ({NEW: 9}, {OLD: 5}, {NEW: 7}, {OLD: 5, NEW: 7}),
    "gemini": ({NEW: 9}, {OLD: 5}, {NEW: 7}, {OLD: 5, NEW: 7}),
    "openrouter": ({OLD: 9}, {OLD: 5}, {OLD: 7}, {OLD: 5}),
    "perplexity": ({OLD: 9}, {OLD: 5}, {OLD: 7}, {OLD: 5}),
    "together": ({OLD: 9}, {OLD: 5}, {OLD: 7}, {OLD: 5}),
    "fireworks": ({OLD: 9}, {OLD: 5}, {NEW: 7}, {OLD: 5, NEW: 7}),
    "vllm": ({OLD: 9, NEW: 9}, {OLD: 5, NEW: 5}, {OLD: 7, NEW: 7}, {OLD: 5, NEW: 5}),
    "ollama": ({OLD: 9, NEW: 9}, {OLD: 5, NEW: 5}, {OLD: 7, NEW: 7}, {OLD: 5, NEW: 5}),
    "llamacpp": ({OLD: 9, NEW: 9}, {OLD: 5, NEW: 5}, {OLD: 7, NEW: 7}, {OLD: 5, NEW: 5}),
    "generic": ({OLD: 9}, {OLD: 5}, {OLD: 7}, {OLD: 5}),
}


def adapted(flavour: str, route: Any = CHAT, **body: object) -> ParsedRequest:
    """A request, parsed and adapted to `flavour`, of a model with prices for the standard tier only."""
    parsed = DIALECTS["openai"].parse_request(route, {"model": "m", **body}, 100, None)
    adapt(parsed, route.name, FLAVOURS[flavour], {"standard"})
    return parsed


def forwarded(parsed: ParsedRequest) -> dict[str, object]:
    """The fields that the provider receives, without the model."""
    fields = json.loads(parsed.forwarded_body(json.dumps(parsed.body).encode()))
    return {name: value for name, value in fields.items() if name != "model"}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_maximum_has_the_name_that_the_provider_knows(flavour: str) -> None:
    inserted, old, new, both = FORWARDED[flavour]
    without = adapted(flavour)
    set_max_output(without, "chat", 9)
    assert forwarded(without) == inserted
    assert forwarded(adapted(flavour, **{OLD: 5})) == old
    assert forwarded(adapted(flavour, **{NEW: 7})) == new
    assert forwarded(adapted(flavour, **{OLD: 5, NEW: 7})) == both


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_bound_is_the_maximum_that_the_provider_receives(flavour: str) -> None:
    """Of two that reach a provider, either may apply, so the larger is held."""
    bounds = [adapted(flavour, **body).max_output for body in ({OLD: 5}, {NEW: 7}, {OLD: 5, NEW: 7})]
    assert bounds == [max(fields.values()) for fields in FORWARDED[flavour][1:]]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_responses_api_has_one_name_for_the_maximum(flavour: str) -> None:
    parsed = adapted(flavour, RESPONSES)
    set_max_output(parsed, "responses", 9)
    assert forwarded(parsed) == {"max_output_tokens": 9}
    assert forwarded(adapted(flavour, RESPONSES, max_output_tokens=5)) == {"max_output_tokens": 5}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_usage_of_a_stream_is_requested_from_those_who_know_the_field(flavour: str) -> None:
    options = {} if flavour in ("mistral", "perplexity") else {"stream_options": {"include_usage": True}}
    assert forwarded(adapted(flavour, stream=True)) == {"stream": True, **options}
    asked = adapted(flavour, stream=True, stream_options={"include_usage": True})
    assert forwarded(asked) == {"stream": True, **options}
    assert asked.usage_requested is True


def test_fields_without_a_value_do_not_reach_a_provider_that_rejects_them() -> None:
    assert forwarded(adapted("mistral", **{OLD: 5, NEW: None}, stream_options=None)) == {OLD: 5}
    assert forwarded(adapted("openai", **{OLD: 5, NEW: None})) == {OLD: 5, NEW: None}


def test_removed_tools_stay_removed() -> None:
    parsed = adapted("mistral", **{NEW: 7}, tools=[{"type": "web_search"}], tool_choice="auto")
    parsed.remove_hosted_tools()
    assert forwarded(parsed) == {OLD: 7}


@pytest.mark.parametrize(
    ("flavour", "requested", "tier", "varies"),
    [
        ("groq", "on_demand", "standard", False),
        ("groq", "flex", "standard", False),  # at the same price
        ("groq", "performance", "performance", False),
        ("groq", "auto", None, True),
        ("openai", "flex", "flex", False),
        ("xai", "default", "standard", False),
        ("gemini", "standard", "standard", False),
    ],
)
def test_names_of_service_tiers(flavour: str, requested: str, tier: str | None, varies: bool) -> None:
    parsed = adapted(flavour, service_tier=requested)
    assert (parsed.service_tier, parsed.may_vary_tier) == (tier, varies)


def test_a_tier_with_a_price_of_its_own_keeps_it() -> None:
    parsed = DIALECTS["openai"].parse_request(CHAT, {"model": "m", "service_tier": "flex"}, 100, None)
    adapt(parsed, "chat", FLAVOURS["groq"], {"standard", "flex"})
    assert parsed.service_tier == "flex"


@pytest.mark.parametrize(
    ("url", "flavour"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://acme.openai.azure.com/openai/v1", "azure"),
        ("https://acme.services.ai.azure.com/openai/v1", "azure"),
        ("https://acme.cognitiveservices.azure.com/openai/v1", "azure"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://API.DEEPSEEK.COM/v1", "deepseek"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.x.ai/v1", "xai"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.perplexity.ai", "perplexity"),
        ("https://api.together.xyz/v1", "together"),
        ("https://api.together.ai/v1", "together"),
        ("https://api.fireworks.ai/inference/v1", "fireworks"),
        ("http://localhost:11434/v1", None),
        ("https://api.openai.com.example.com/v1", None),
        ("https://example.com/api.openai.com", None),
        ("https://fakeapi.openai.com/v1", None),
    ],
)
def test_flavour_of_a_well_known_host(url: str, flavour: str | None) -> None:
    assert flavour_at(url) == flavour


ENVIRONMENT = """\
[aws]
region = "eu-west-1"
[providers.p]
kind = "openai"
{settings}
[models."{model}"]
provider = "p"
{prices}
[plans.starter]
rate = 10
burst = 5
[consumers.acme]
plan = "starter"
"""
PRICES = 'prices = { input = "0.25", output = "2.00" }'


def environment(tmp_path: Path, settings: str, *, model: str = "m", prices: str = PRICES) -> Environment:
    file = tmp_path / "test.toml"
    file.write_text(ENVIRONMENT.format(settings=settings, model=model, prices=prices))
    return load(file)


@pytest.mark.parametrize(
    ("settings", "flavour"),
    [
        ("", "openai"),
        ('base_url = "https://api.deepseek.com"', "deepseek"),
        ('base_url = "https://llm.example.com/v1"', "generic"),
        ('base_url = "https://llm.example.com/v1"\nflavour = "vllm"', "vllm"),
        ('base_url = "https://api.mistral.ai/v1"\nflavour = "mistral"', "mistral"),
        ('base_url = "https://acme.services.ai.azure.com/openai/v1"\nflavour = "mistral"', "mistral"),
    ],
)
def test_the_flavour_reaches_the_lambda(tmp_path: Path, settings: str, flavour: str) -> None:
    assert runtime_config(environment(tmp_path, settings)).providers["p"].flavour == flavour


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('flavour = "mistrel"', ['"mistrel"', 'did you mean "mistral"?']),
        (
            'flavour = "mistral"',
            ['"mistral"', '"openai", the flavour of https://api.openai.com/v1', "correct base_url"],
        ),
        (
            'base_url = "https://api.deepseek.com"\nflavour = "openai"',
            ['"openai"', '"deepseek", the flavour of https://api.deepseek.com'],
        ),
        ('flavour = "generic"\nbase_url = "https://api.groq.com/openai/v1"', ['"generic"', '"groq", the flavour of']),
    ],
)
def test_errors_of_a_flavour(tmp_path: Path, settings: str, words: list[str]) -> None:
    with pytest.raises(EnvironmentErrors) as caught:
        environment(tmp_path, settings)
    (error,) = caught.value.errors
    assert error.key_path == ("providers", "p", "flavour")
    assert all(word in error.text() for word in words), error.text()


def test_a_flavour_needs_openais_api(tmp_path: Path) -> None:
    text = ENVIRONMENT.format(settings='flavour = "vllm"', model="m", prices='prices = { input = "1", output = "1" }')
    file = tmp_path / "test.toml"
    file.write_text(text.replace('kind = "openai"', 'kind = "bedrock"'))
    with pytest.raises(EnvironmentErrors) as caught:
        load(file)
    (error,) = caught.value.errors
    assert (error.key_path, error.given) == (("providers", "p", "flavour"), '"vllm"')
    assert (error.accepted, error.fix) == ('only with kind = "openai"', "remove it")


def test_an_explicit_flavour_has_its_price_list(tmp_path: Path) -> None:
    """A proxy at an unknown host: DeepSeek's price list applies once the file says that DeepSeek is behind it."""
    url = 'base_url = "https://llm.example.com/v1"'
    with pytest.raises(EnvironmentErrors, match="the vendored price table has none"):
        environment(tmp_path, url, model="deepseek-chat", prices="")
    proxied = environment(tmp_path, f'{url}\nflavour = "deepseek"', model="deepseek-chat", prices="")
    direct = environment(tmp_path, 'base_url = "https://api.deepseek.com"', model="deepseek-chat", prices="")
    assert model_prices(proxied, "deepseek-chat") == model_prices(direct, "deepseek-chat")
    regional = 'base_url = "https://eu.api.openai.com/v1"\nflavour = "openai"'
    with pytest.raises(EnvironmentErrors, match="the vendored price table has none"):  # OpenAI has surcharges there
        environment(tmp_path, regional, model="gpt-5-mini", prices="")


@pytest.mark.parametrize(
    ("received", "error"),
    [
        (
            {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "param": None, "code": "1500"},
            {"message": "Invalid model: x", "type": "invalid_model", "param": None, "code": "1500"},
        ),
        (
            {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}},
            {
                "message": '[{"type":"extra_forbidden","loc":["body","seed"]}]',
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            },
        ),
        (
            {"detail": "Not found"},
            {"message": "Not found", "type": "invalid_request_error", "param": None, "code": None},
        ),
        (
            {"code": "The model does not exist", "error": "The model x does not exist"},
            {
                "message": "The model x does not exist",
                "type": "invalid_request_error",
                "param": None,
                "code": "The model does not exist",
            },
        ),
        (
            [{"error": {"code": 400, "message": "Unknown name", "status": "INVALID_ARGUMENT"}}],
            {"code": 400, "message": "Unknown name", "status": "INVALID_ARGUMENT"},
        ),
    ],
)
def test_errors_of_other_servers_have_openais_shape(received: object, error: dict[str, object]) -> None:
    assert json.loads(openai_error(json.dumps(received).encode())) == {"error": error}


@pytest.mark.parametrize("body", [b'{ "error":{"message":"No"}}', b"<html>", b"", b"[]", b"[1]", b"{}", b"[" * 100_000])
def test_other_error_responses_are_unchanged(body: bytes) -> None:
    assert openai_error(body) == body


def test_every_flavour_is_a_setting_and_is_documented() -> None:
    assert set(FLAVOURS) == set(typing.get_args(FlavourName)) == set(FORWARDED)
    page = (CHECKOUT / "docs" / "providers.md").read_text()
    for name, flavour in FLAVOURS.items():
        sent = " and ".join(f"`{field}`" for field in flavour.maximum)
        usage = "requested" if flavour.stream_options else "not requested"
        hosts = ", ".join(f"`{'*' if host.startswith('.') else ''}{host}`" for host in flavour.hosts) or "–"
        assert f"| [`{name}`]({flavour.documentation}) | {hosts} | {sent} | {usage} |" in page
