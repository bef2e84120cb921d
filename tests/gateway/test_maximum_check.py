"""`tollgate providers check` against servers that respect, ignore or reject a maximum, through the real gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from admin.providers.maximum import Answer, check
from local.provider.server import StandInProvider
from tests.bench import Bench, request
from tests.gateway.conftest import send


def checked(
    bench: Bench, provider: StandInProvider, flavour: str, words: str
) -> tuple[tuple[str | None, int | None, str | None, str | None], list[dict[str, object]]]:
    """Field, output tokens, error and advice of a check, and the bodies that reached the server."""
    providers = bench.config().providers
    running = bench.gateway(providers=providers | {"openai": replace(providers["openai"], flavour=flavour)})
    bench.add_model("checked", upstream=f"standin-small+{words}")

    def answer(body: Mapping[str, object]) -> Answer:
        response = send(running, request("key-free", body))
        error = None if response.status == 200 else str(json.loads(response.body)["error"]["message"])
        return Answer(response.status, response.body, 1, 1, "id", error)

    provider.clear()
    verdict = check(answer, "checked", flavour)
    bodies = [json.loads(call.body) for call in provider.calls()]
    return (verdict.field, verdict.output_tokens, verdict.error, verdict.advice), bodies


@pytest.mark.parametrize(
    ("flavour", "server", "field"),
    [
        ("openai", "openai", "max_completion_tokens"),
        ("mistral", "mistral", "max_tokens"),
        ("deepseek", "deepseek", "max_tokens"),
        ("perplexity", "perplexity", "max_tokens"),
        ("vllm", "newest", "max_completion_tokens"),
        ("generic", "llamacpp", "max_tokens"),
    ],
)
def test_a_fitting_flavour(bench: Bench, provider: StandInProvider, flavour: str, server: str, field: str) -> None:
    verdict, bodies = checked(bench, provider, flavour, f"as-{server}")
    assert verdict == (field, 16, None, None)
    assert [body.get("stream", False) for body in bodies] == [False, True]


def test_an_ignored_field_whose_alternative_works(bench: Bench, provider: StandInProvider) -> None:
    verdict, bodies = checked(bench, provider, "openai", "as-deepseek")
    assert verdict == (
        "max_tokens",
        26,
        "max_completion_tokens was 16, and the response has 26 output tokens: the provider ignores it",
        'set flavour = "generic", which sends max_tokens alone, or another in docs/providers.md',
    )
    assert [body.get("max_tokens") for body in bodies] == [None, 16]


def test_a_rejected_field_whose_alternative_works(bench: Bench, provider: StandInProvider) -> None:
    (field, tokens, error, advice), bodies = checked(bench, provider, "openai", "as-mistral")
    assert (field, tokens) == ("max_tokens", None)
    assert error is not None
    assert '"loc":["body","max_completion_tokens"]' in error
    assert advice == 'set flavour = "generic", which sends max_tokens alone, or another in docs/providers.md'
    assert len(bodies) == 2


def test_rejected_stream_options(bench: Bench, provider: StandInProvider) -> None:
    (field, tokens, error, advice), _ = checked(bench, provider, "generic", "as-mistral")
    assert (field, tokens) == ("max_tokens", 16)
    assert error is not None
    assert error.startswith("in a stream: ")
    assert advice == 'set flavour = "mistral", which sends no stream_options'


def test_an_ignored_field_that_the_gateway_translates_to(bench: Bench, provider: StandInProvider) -> None:
    verdict, bodies = checked(bench, provider, "generic", "as-newest")
    assert verdict == (
        None,
        26,
        "max_tokens was 16, and the response has 26 output tokens: the provider ignores it",
        'set flavour = "openai", which sends max_completion_tokens alone, or another in docs/providers.md',
    )
    assert len(bodies) == 1, "the other name would be translated"


def test_a_server_that_rejects_both_names_together(bench: Bench, provider: StandInProvider) -> None:
    verdict, _ = checked(bench, provider, "vllm", "as-openai")
    assert verdict == (
        None,
        None,
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        'set flavour = "generic", which sends max_tokens alone, or another in docs/providers.md',
    )


@pytest.mark.parametrize("flavour", ["openai", "vllm"])
def test_a_server_that_ignores_both_names(bench: Bench, provider: StandInProvider, flavour: str) -> None:
    (field, tokens, error, advice), _ = checked(bench, provider, flavour, "as-llamacpp+heedless")
    assert (field, tokens) == (None, 26)
    assert error is not None
    assert advice is not None
    assert advice.startswith("the provider respects neither max_tokens nor max_completion_tokens")


def test_without_usage_nothing_is_known(bench: Bench, provider: StandInProvider) -> None:
    verdict, bodies = checked(bench, provider, "openai", "nousage")
    assert verdict[:3] == (None, None, None)
    assert verdict[3] == "the provider reports no usage, so whether it respects the maximum is unknown"
    assert len(bodies) == 1


def test_another_error_is_no_matter_of_names(bench: Bench, provider: StandInProvider) -> None:
    (field, _, error, advice), bodies = checked(bench, provider, "openai", "404")
    assert (field, error, advice) == (None, "The model name asks for status 404.", None)
    assert len(bodies) == 1
