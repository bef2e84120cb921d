"""Requests, responses and errors of the stand-in provider, and their encodings: what all its dialects share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Final

JsonObject = dict[str, object]

JSON: Final = "application/json"
SSE: Final = "text/event-stream; charset=utf-8"
CREATED: Final = 1_760_000_000
"""The creation time in every response, so that equal requests get equal responses, except for their ids."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens by disjoint class, as in `contract.TOKEN_CLASSES`. reasoning is part of output."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    output: int = 0
    output_audio: int = 0
    reasoning: int = 0

    @property
    def total_input(self) -> int:
        """All input tokens, cached or not."""
        cache = self.cache_read + self.cache_write_5m + self.cache_write_1h
        return self.input + cache + self.input_audio + self.input_image

    @property
    def total_output(self) -> int:
        """All output tokens, reasoning included."""
        return self.output + self.output_audio


@dataclass(frozen=True, slots=True)
class StandInKeys:
    """Accepted credentials. aws_secret: the secret key that signs Bedrock requests."""

    openai: frozenset[str] = frozenset({"sk-standin-openai"})
    anthropic: frozenset[str] = frozenset({"sk-standin-anthropic"})
    aws_secret: str = "test"


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """An HTTP request. path: as sent, still percent-encoded, without the query string."""

    method: str
    path: str
    headers: Message
    body: bytes


class ProviderError(Exception):
    """An error response. code: the dialect's error code, if it has one. body: in place of the dialect's error body."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        body: JsonObject | None = None,
    ) -> None:
        super().__init__(message)
        self.body = body
        self.headers = headers or {}
        self.status = status
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class SuccessResponse:
    """A successful response in its dialect's shape.

    body: the whole response. events: the events of a stream instead; error_event: the one that ends it with an error.
    tokens: what is billed. usage_reported: whether the response contains them. user_text: the last user message.
    """

    content_type: str
    body: bytes = b""
    events: tuple[bytes, ...] | None = None
    error_event: bytes = b""
    tokens: TokenCounts = TokenCounts()
    usage_reported: bool = False
    service_tier: str | None = None
    user_text: str = ""


def integer_field(body: JsonObject, name: str, minimum: int = 1, maximum: int = 10**9) -> int | None:
    """An integer in a request body; None if absent. Raises ProviderError (400) unless it is within the limits."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise ProviderError(
            400, f"Invalid value for '{name}': expected an integer from {minimum} to {maximum}, got {value!r}."
        )
    return value


def json_bytes(value: Mapping[str, object]) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")


def sse_data(value: Mapping[str, object]) -> bytes:
    """A server-sent event without a name, as in chat completion streams."""
    return b"data: " + json_bytes(value) + b"\n\n"


def sse_event(value: Mapping[str, object]) -> bytes:
    """A server-sent event named by its `type`, as in streams of responses and of Anthropic's messages."""
    return f"event: {value['type']}\n".encode() + sse_data(value)
