"""Tools that the provider runs: refused with the client's switch in the message, or left out of the request."""

from __future__ import annotations

from dataclasses import replace

from local.provider.server import StandInProvider
from tests.bench import Bench, error_of, request
from tests.gateway.conftest import rows_of, send

TOOLS = [{"type": "function", "name": "f", "parameters": {}}, {"type": "web_search", "external_web_access": False}]
BODY = {"model": "standin-small", "input": "Hi", "tools": TOOLS, "tool_choice": "auto"}


def test_refusal_names_the_setting_of_the_client_and_of_the_operator(bench: Bench) -> None:
    response = send(bench.gateway(), request("key-free", BODY, path="/v1/responses"))
    error = error_of(response)
    assert (response.status, error["code"]) == (400, "unbounded_cost")
    assert 'in Codex: web_search = "disabled"' in error["message"]
    assert 'hosted_tools = "remove" or "allow" in [providers.openai]' in error["message"]


def test_removed_tools_do_not_reach_the_provider(bench: Bench, provider: StandInProvider) -> None:
    providers = bench.config().providers
    removing = providers | {"openai": replace(providers["openai"], remove_hosted_tools=True)}
    provider.clear()
    send(bench.gateway(), request("key-free", BODY | {"tools": TOOLS[:1]}, path="/v1/responses"))
    for estimate in ("strict", "typical"):
        response = send(
            bench.gateway(providers=removing, estimate=estimate), request("key-free", BODY, path="/v1/responses")
        )
        assert response.status == 200
        assert response.headers["x-tollgate-removed-tools"] == "web_search"
        assert rows_of(bench, response)[0]["usage_source"] == "reported"
    without, strict, typical = (call.tokens for call in provider.calls())
    assert without == strict == typical, "the provider received the same request"
