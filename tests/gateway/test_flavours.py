"""Flavours through the real gateway: what a server receives, what is held and charged, and budgets that hold."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lambda_src.core.http_event import HttpResponse
from lambda_src.gateway import Gateway
from local.provider.server import StandInProvider
from tests.bench import PER_TOKEN, Bench, chat, error_of, request
from tests.gateway.conftest import rows_of, send

# Flavour of the provider → a server of the stand-in that behaves so.
SERVERS = {
    "openai": "openai",
    "azure": "openai",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "groq": "groq",
    "xai": "xai",
    "gemini": "openai",
    "openrouter": "deepseek",
    "perplexity": "perplexity",
    "together": "deepseek",
    "fireworks": "openai",
    "vllm": "newest",
    "ollama": "llamacpp",
    "llamacpp": "llamacpp",
    "generic": "deepseek",
}
LIMIT = 50
"""Maximum output of the requests. Their models would generate 5,000 tokens."""
HIGHEST_INPUT = 1_250
"""Nano-USD per token of the most expensive class of a chat's input, a cache write."""


def gateway(bench: Bench, flavour: str, **changes: object) -> Gateway:
    providers = bench.config().providers
    return bench.gateway(providers=providers | {"openai": replace(providers["openai"], flavour=flavour)}, **changes)


@pytest.fixture(scope="module", autouse=True)
def _models(bench: Bench) -> None:
    """A model of 5,000 output tokens at each kind of server, named after it."""
    for server in set(SERVERS.values()):
        bench.add_model(server, upstream=f"standin-small+as-{server}+long-5000")


def succeeds(response: HttpResponse) -> HttpResponse:
    assert response.status == 200, response.body
    return response


@pytest.mark.parametrize("field", [None, "max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("flavour", SERVERS)
def test_every_server_bounds_the_output(
    bench: Bench, provider: StandInProvider, flavour: str, field: str | None
) -> None:
    """The caller's maximum, under either name, or the one that the gateway inserts. An ignored one would be 5,000."""
    provider.clear()
    body = chat(SERVERS[flavour]) | ({} if field is None else {field: LIMIT})
    running = gateway(bench, flavour, default_max_output_tokens=LIMIT)
    response = succeeds(send(running, request("key-free", body)))
    (call,) = provider.calls()
    received = json.loads(call.body)
    assert {received.get(name) for name in ("max_tokens", "max_completion_tokens")} - {None} == {LIMIT}
    assert call.tokens.output == LIMIT
    (row,) = rows_of(bench, response)
    size = len(json.dumps(body).encode())
    assert row["held_nano_usd"] == (size + 500) * HIGHEST_INPUT + LIMIT * 4_000
    assert row["cost_nano_usd"] == call.tokens.input * 1_000 + LIMIT * 4_000
    assert (row["usage_source"], row["tokens_output"]) == ("reported", LIMIT)


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
@pytest.mark.parametrize("flavour", SERVERS)
def test_usage_of_every_server_is_read_from_a_stream(
    bench: Bench, provider: StandInProvider, flavour: str, options: dict[str, object]
) -> None:
    provider.clear()
    body = chat(SERVERS[flavour], max_tokens=LIMIT, stream=True) | options
    response = succeeds(send(gateway(bench, flavour), request("key-free", body)))
    (call,), (row,) = provider.calls(), rows_of(bench, response)
    expected = None if flavour in ("mistral", "perplexity") else {"include_usage": True}
    assert json.loads(call.body).get("stream_options") == expected
    assert (row["usage_source"], row["tokens_output"]) == ("reported", LIMIT)
    assert row["cost_nano_usd"] == call.tokens.input * 1_000 + LIMIT * 4_000


@pytest.mark.parametrize("body", [{}, {"max_completion_tokens": 1_000}])
@pytest.mark.parametrize(
    ("flavour", "server"), [("deepseek", "deepseek"), ("llamacpp", "llamacpp"), ("generic", "llamacpp")]
)
def test_a_budget_is_not_exceeded_at_a_server_that_ignores_max_completion_tokens(
    bench: Bench, flavour: str, server: str, body: dict[str, int]
) -> None:
    """$0.10 at $0.000004 per output token: 24 answers of 1,000 tokens. Of 5,000, each would cost over $0.02."""
    name = f"tenth-{flavour}-{len(body)}"
    key = bench.add_consumer(name, budgets=[{"usd_nano": 100_000_000, "per": "total"}])
    running = gateway(bench, flavour, default_max_output_tokens=1_000)
    responses = []
    while not responses or responses[-1].status == 200:
        responses.append(send(running, request(key, chat(server) | body)))
        bench.aggregate()
    assert error_of(responses[-1])["code"] == "budget_exceeded"
    costs = [row["cost_nano_usd"] for response in responses[:-1] for row in rows_of(bench, response)]
    assert len(costs) == 24
    assert sum(int(str(cost)) for cost in costs) <= 100_000_000
    assert all(4_000_000 < int(str(cost)) < 4_100_000 for cost in costs)


def test_mistral_rejects_what_other_servers_are_sent(bench: Bench) -> None:
    """Without its flavour, a request without a maximum works (max_tokens), and a stream shows Mistral's own error."""
    running = gateway(bench, "generic")
    succeeds(send(running, request("key-free", chat("mistral"))))
    response = send(running, request("key-free", chat("mistral", stream=True)))
    assert response.status == 422
    detail = {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}
    error = error_of(response)
    assert (json.loads(error["message"]), error["type"]) == ([detail], "invalid_request_error")
    assert rows_of(bench, response)[0]["cost_nano_usd"] == 0


@pytest.mark.parametrize("requested", [{}, {"service_tier": "on_demand"}, {"service_tier": "flex"}])
def test_groqs_standard_tier(bench: Bench, requested: dict[str, str]) -> None:
    """A model with a more expensive tier, too. `on_demand` is the standard tier; `flex` costs as much."""
    rates = {"above": 0, **PER_TOKEN}
    dear = {name: price * 2 for name, price in PER_TOKEN.items()}
    tiers = {"standard": [rates], "priority": [{"above": 0, **dear}]}
    bench.add_model("groq-tiers", upstream="standin-small+as-groq+long-5000+tier-on_demand", prices=tiers)
    body = chat("groq-tiers", max_tokens=LIMIT) | requested
    (row,) = rows_of(bench, succeeds(send(gateway(bench, "groq"), request("key-free", body))))
    assert row["service_tier"] == "standard"
    assert row["cost_nano_usd"] == int(str(row["tokens_input"])) * 1_000 + LIMIT * 4_000
