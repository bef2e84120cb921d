"""Print the holds of coding agents: what the requests of Codex and Claude Code reserve, and what they cost.

    .venv/bin/python -m tests.clients.holds

`make clients` installs the agents. They call the stand-in provider, whose tokens have four bytes, at the prices of
tests/clients/environments/clients.toml. docs/accounting.md has this table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from constructs_lib.ledger_items import model_item
from constructs_lib.settings import load, runtime_config
from constructs_lib.settings.model_prices import model_prices
from lambda_src.contract import ROUTES, Config, EstimateMode
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import parse_json
from lambda_src.core.errors import BadRequest
from lambda_src.core.estimate import estimate
from lambda_src.core.policy import Model, Policy, model_from_item
from lambda_src.core.tokens import Tokens
from lambda_src.edges.dynamodb_attributes import deserialize_item
from local.demo.up import STANDIN_KEYS
from local.provider.server import ConnectionHandler, StandInProvider
from tests.clients.sandbox import sandbox
from tests.clients.sessions import finished

ENVIRONMENT: Final = load(Path(__file__).parent / "environments" / "clients.toml")
BUDGET: Final = 5_000_000_000
LIMIT: Final = 8_000
"""A consumer's `max_output_tokens`, and the same in the agent's own configuration."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of an agent, and what the provider billed for it."""

    path: str
    body: bytes
    tokens: Tokens


class RecordingHandler(ConnectionHandler):
    """Keeps the bodies of requests in `bodies`, in order of arrival."""

    bodies: list[tuple[str, bytes]] = []  # noqa: RUF012 - the server creates a handler for each connection

    def _body(self) -> bytes:
        body = super()._body()
        self.bodies.append((self.path.partition("?")[0], body))
        return body


def requests_of(model: str, variables: dict[str, str]) -> Iterator[Sent]:
    """What the agent for `model` sends for a question and its answer."""
    RecordingHandler.bodies.clear()
    with sandbox() as home, StandInProvider.start() as provider:
        provider.RequestHandlerClass = RecordingHandler
        if model.startswith("claude"):
            command = ["claude", "-p", "Say hello", "--model", model]
            variables = variables | {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": STANDIN_KEYS["anthropic"]}
        else:
            (home.home / ".codex").mkdir()
            (home.home / ".codex" / "config.toml").write_text(
                f'model = "{model}"\nmodel_provider = "standin"\n[features]\nplugins = false\n'
                f'[model_providers.standin]\nname = "S"\nbase_url = "{provider.url}/v1"\nenv_key = "KEY"\n'
            )
            command = ["codex", "exec", "Say hello"]
            variables = variables | {"KEY": STANDIN_KEYS["openai"]}
        code, out, err = finished(command, home, variables)
        assert code == 0, out + err
        for (path, body), call in zip(RecordingHandler.bodies, provider.calls(), strict=True):
            if call.operation in ("messages", "responses"):
                counts = {name: getattr(call.tokens, name) for name in ("input", "cache_read", "output")}
                yield Sent(path, body, Tokens(**counts))


def held(sent: Sent, model: Model, mode: EstimateMode, limit: int | None) -> int | str:
    """The amount that the gateway holds, or the code of its error. limit: the consumer's `max_output_tokens`."""
    route = next(route for route in ROUTES if sent.path == route.path)
    parsed = DIALECTS[route.dialect].parse_request(
        route, parse_json(sent.body, "application/json"), len(sent.body), None
    )
    parsed.remove_hosted_tools()
    config: Config = replace(runtime_config(ENVIRONMENT), estimate=mode)
    policy = Policy(consumer="c", plan="p", models=frozenset("*"), max_output_tokens=limit)
    try:
        return estimate(parsed, model, policy, config).amount
    except BadRequest as error:
        return error.code


def cell(amount: int | str) -> str:
    """A hold in USD, and how many of them a budget admits at once."""
    return f"${amount / 1e9:.3f} ({BUDGET // amount})" if isinstance(amount, int) else f"`{amount}`"


def main() -> int:
    print(
        f"| request | body | cost | `strict` | `strict`, `max_output_tokens = {LIMIT:_}` | `typical` |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    for name, variables in (
        ("claude-sonnet-4-5", {}),
        ("claude-sonnet-4-5", {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(LIMIT)}),
        ("gpt-5.5", {}),
        ("gpt-6.1-sol", {}),
    ):
        model = model_from_item(name, deserialize_item(model_item(ENVIRONMENT, name, model_prices(ENVIRONMENT, name))))
        for sent in requests_of(name, variables):
            cells = [
                " ".join((name, *map("=".join, variables.items()))),
                f"{len(sent.body):,} bytes",
                f"${model.prices.cost(sent.tokens) / 1e9:.3f}",
                cell(held(sent, model, "strict", None)),
                cell(held(sent, model, "strict", LIMIT)),
                cell(held(sent, model, "typical", None)),
            ]
            print("| " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
