"""Headers on several lines are joined if they are lists, and rejected if they must have one value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_src.core.http_event import HttpRequest
from lambda_src.gateway import Gateway
from tests.bench import chat
from tests.gateway.conftest import send


def event(body: str, **headers: list[str]) -> dict[str, Any]:
    """An event with `headers` on several lines."""
    lines = {name.replace("_", "-"): values for name, values in headers.items()}
    return {
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"} | {name: values[-1] for name, values in lines.items()},
        "multiValueHeaders": {"Content-Type": ["application/json"]} | lines,
        "body": body,
        "requestContext": {
            "requestId": "r", "requestTimeEpoch": 0, "resourcePath": "/v1/chat/completions",
            "identity": {"apiKeyId": "key-free"},
        },
    }  # fmt: skip


def test_lines_of_a_repeated_header_are_joined() -> None:
    received = HttpRequest.from_event(
        event("{}", anthropic_beta=["a", "b,c"], x_tollgate_tags=["a=1", "b=2"], X_Tollgate_Tags=["c=3"])
    )
    assert received.headers["anthropic-beta"] == "a, b,c"
    assert received.headers["x-tollgate-tags"] == "a=1, b=2, c=3"
    assert received.invalid is None


@pytest.mark.parametrize("missing", [None, {}])
def test_headers_are_read_without_multi_value_headers(missing: dict[str, Any] | None) -> None:
    received = HttpRequest.from_event(event("{}", a=["1"]) | {"multiValueHeaders": missing})
    assert received.headers == {"content-type": "application/json", "a": "1"}


@pytest.mark.parametrize(
    "name", ["x_api_key", "X_Api_Key", "content_type", "authorization", "anthropic_version", "idempotency_key"]
)
def test_headers_with_one_value_are_not_repeated(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    secret = "canary-of-a-header"
    repeated = {name: ["other", secret], "Content-Type": ["application/json"]}
    response = send(gateway, HttpRequest.from_event(event(json.dumps(chat()), **repeated)))
    error = json.loads(response.body)["error"]
    assert (response.status, error["code"]) == (400, "repeated_header")
    assert error["param"] == name.lower().replace("_", "-")
    assert secret not in capsys.readouterr().out + response.body.decode()
    same = HttpRequest.from_event(event(json.dumps(chat()), **{name: ["application/json"] * 2}))
    assert same.invalid is None


def test_invalid_base64_is_rejected(gateway: Gateway) -> None:
    received = HttpRequest.from_event(event("no base64!") | {"isBase64Encoded": True})
    response = send(gateway, received)
    assert (response.status, json.loads(response.body)["error"]["code"]) == (400, "invalid_encoding")
