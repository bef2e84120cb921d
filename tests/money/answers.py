"""A gateway whose provider sends a given answer: what is charged, logged, booked and returned for it.

Prices in nano-USD per token: input 1,000, cache read 100, cache writes 1,250 and 2,000, audio 3,000, images 1,500,
output 4,000, audio output 9,000. A missing count is estimated at four bytes per token: 21 tokens of input for a chat.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import socket
from typing import Any

import pytest

from lambda_src.contract import Provider
from lambda_src.core.http_event import HttpResponse
from lambda_src.core.tokens import Tokens
from lambda_src.edges.dynamodb_attributes import deserialize_item
from tests.bench import PER_TOKEN, Bench, request
from tests.gateway.test_provider_connection import serving
from tests.unit.test_dialect_responses import frame

CHAT, RESPONSES, EMBEDDINGS, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"
CONVERSE, CONVERSE_STREAM = "/bedrock/model/{model}/converse", "/bedrock/model/{model}/converse-stream"
SSE, BINARY = "text/event-stream", "application/vnd.amazon.eventstream"

RATES = {"above": 0, **PER_TOKEN}
DOUBLE = {"above": 0, **{name: 2 * price for name, price in PER_TOKEN.items()}}
REQUESTS: dict[str, dict[str, object]] = {
    CHAT: {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 400},
    RESPONSES: {"model": "gpt", "input": "Hi", "max_output_tokens": 400},
    EMBEDDINGS: {"model": "gpt", "input": "Hi"},
    MESSAGES: {"model": "claude", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 400},
    CONVERSE: {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"maxTokens": 400},
    },
}  # fmt: skip
REQUESTS[CONVERSE_STREAM] = REQUESTS[CONVERSE]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The response to the caller, the usage row and the usage line of a request."""

    response: HttpResponse
    row: dict[str, Any]
    line: dict[str, Any]

    @property
    def cost(self) -> int:
        return int(self.row["cost_nano_usd"])

    @property
    def charge(self) -> tuple[int, str]:
        """Cost in nano-USD, and where the counts are from."""
        return self.cost, str(self.row["usage_source"])

    @property
    def tokens(self) -> Tokens:
        return Tokens(**{name[7:]: value for name, value in self.line.items() if name.startswith("tokens_")})


@dataclass
class Answers:
    """Sends requests to a gateway whose provider gives a chosen answer."""

    bench: Bench
    port: int
    capsys: pytest.CaptureFixture[str]
    sent: list[bytes] = field(default_factory=list)
    answer: bytes = b""
    cut: bool = False

    def ask(
        self,
        body: object,
        path: str = CHAT,
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        secret: str | None = None,
        cut: bool = False,
        **fields: object,
    ) -> Outcome:
        """The outcome of a request with `fields` that is answered with `body`: bytes, text or an object for JSON.

        config: fields of `Config`. secret: the name of the provider's secret. cut: without the last 30 bytes.
        """
        raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        lines = {"content-type": content_type, "content-length": str(len(raw)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.answer = f"HTTP/1.1 {status} S\r\n{head}\r\n".encode("latin-1") + raw
        self.answer, self.cut = self.answer[: -30 if cut else None], cut
        gateway = self.bench.gateway(upstream_retries=0, **(config or {}))
        for kind, suffix in (("openai", "/v1"), ("anthropic", ""), ("bedrock", "")):
            gateway.config.providers[kind] = Provider(
                kind=kind, base_url=f"http://127.0.0.1:{self.port}{suffix}", region="eu-west-1", secret=secret
            )
        self.capsys.readouterr()
        sent = REQUESTS[path] | fields
        model = "nova" if path.startswith("/bedrock") else None
        response = gateway.handle(request("key-free", sent, path=path, model=model), 29.0)
        (line,) = (_rfc_8259(text) for text in self.capsys.readouterr().out.splitlines() if '"kind":"usage"' in text)
        request_id = response.headers["x-tollgate-request-id"]
        items = self.bench.dynamodb.scan(TableName=self.bench.table, ConsistentRead=True)["Items"]
        (row,) = (
            deserialize_item(item) for item in items
            if item["pk"]["S"].startswith("USAGE#") and item["sk"]["S"].endswith(request_id)
        )  # fmt: skip
        assert {name: row.get(name) for name in ("cost_nano_usd", "usage_source", "error_code")} == {
            name: line[name] for name in ("cost_nano_usd", "usage_source", "error_code")
        }
        return Outcome(response, row, line)


def _rfc_8259(text: str) -> dict[str, Any]:
    """A line as strict JSON: no NaN, and UTF-8 without halves of surrogate pairs."""

    def reject(name: str) -> object:
        raise AssertionError(f"{name} is not JSON")

    text.encode()
    return dict(json.loads(text, parse_constant=reject))


def prepare(bench: Bench) -> None:
    """Add a model of each provider kind, and a consumer without limits."""
    for name, kind in (("gpt", "openai"), ("claude", "anthropic"), ("nova", "bedrock")):
        bench.add_model(
            name, kind, max_output_tokens=4_000, max_input_tokens=200_000,
            prices={"standard": [RATES], "priority": [DOUBLE]},
        )  # fmt: skip
    bench.add_consumer("free")


@contextmanager
def answers(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Answers]:
    """The provider of an environment that was prepared."""

    def behave(connection: socket, body: bytes) -> None:
        created.sent.append(body)
        connection.sendall(created.answer)
        if created.cut:
            connection.close()

    with serving(behave) as (port, _):
        created = Answers(bench, port, capsys)
        yield created


def sse(*events: object, end: str = "") -> str:
    """Events as a stream, each with its type in Anthropic's and the Responses API's manner if it has one."""
    texts = []
    for event in events:
        kind = event.get("type") if isinstance(event, dict) else None
        texts.append((f"event: {kind}\n" if kind else "") + f"data: {json.dumps(event)}\n\n")
    return "".join(texts) + end


DONE = "data: [DONE]\n\n"

USAGE = {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100}
COMPLETION = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
COUNT = {"choices": [], "usage": USAGE}
RESPONSE = {
    "object": "response",
    "status": "completed",
    "error": None,
    "output": [{"content": [{"text": "Hello"}]}],
    "usage": {"input_tokens": 70, "output_tokens": 30, "total_tokens": 100},
}
MESSAGE = {
    "type": "message",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 70, "output_tokens": 30},
}
CONVERSED = {
    "output": {"message": {"content": [{"text": "Hello"}]}},
    "usage": {"inputTokens": 70, "outputTokens": 30, "totalTokens": 100},
}
START = {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 70, "output_tokens": 1}}}
TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}}
MESSAGE_STREAM = sse(START, TEXT, END, {"type": "message_stop"})
RESPONSE_STREAM = sse(
    {"type": "response.output_text.delta", "delta": "Hello"}, {"type": "response.completed", "response": RESPONSE}
)
CONVERSE_EVENTS = frame("contentBlockDelta", {"delta": {"text": "Hello"}}) + frame(
    "metadata", {"usage": CONVERSED["usage"]}
)
FULL = (190_000, "reported")
"""70 × 1,000 + 30 × 4,000."""
