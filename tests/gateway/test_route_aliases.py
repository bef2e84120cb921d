"""OpenAI's routes under /openai/v1, to which some clients append their paths, are the routes under /v1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, error_of, request
from tests.gateway.conftest import UsageLog, rows_of, send

RESPONSES = {"model": "standin-small", "input": "Say hello."}
EMBEDDINGS = {"model": "standin-embedding", "input": "Say hello."}


@pytest.mark.parametrize(
    ("path", "body", "route"),
    [
        ("/openai/v1/chat/completions", chat(), "chat"),
        ("/openai/v1/responses", RESPONSES, "responses"),
        ("/openai/v1/embeddings", EMBEDDINGS, "embeddings"),
    ],
)
def test_rows_and_lines_name_the_route(
    bench: Bench, gateway: Gateway, log: UsageLog, path: str, body: dict[str, Any], route: str
) -> None:
    """Reports by route would otherwise split one route's spend."""
    bench.add_model("standin-embedding", max_output_tokens=0)
    gateway.policy_cache._cached.clear()  # as if the cached models had expired
    response = send(gateway, request("key-free", body, path=path))
    (row,) = rows_of(bench, response)
    (line,) = log.lines()
    assert (response.status, row["route"], line["route"]) == (200, route, route)
    assert row["usage_source"] == "reported"


def test_the_model_lists_are_the_same(gateway: Gateway) -> None:
    for path, model in (("/v1/models", None), ("/v1/models/{model}", "alias")):
        bodies = [
            json.loads(send(gateway, request("key-free", {}, path=prefix + path, method="GET", model=model)).body)
            for prefix in ("", "/openai")
        ]
        assert bodies[0] == bodies[1]
        assert bodies[0]["object"] in ("list", "model")


def test_errors_are_the_same(gateway: Gateway) -> None:
    """In OpenAI's format, whatever the SDK."""
    first, second = (
        send(gateway, request("key-free", chat("no-such-model"), path=f"{prefix}/v1/chat/completions"))
        for prefix in ("", "/openai")
    )
    assert (first.status, error_of(first)) == (second.status, error_of(second))
    assert error_of(second)["code"] == "model_not_found"
