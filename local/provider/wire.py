"""What the dialects of the stand-in provider share: requests, refusals, replies, and how they go on the wire."""

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
"""Every answer was made at this second, so that the same request has the same answer (but for its id)."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Disjoint classes, as in `contract.TOKEN_CLASSES`; reasoning lies inside output."""

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
        """All input, cached or not."""
        cache = self.cache_read + self.cache_write_5m + self.cache_write_1h
        return self.input + cache + self.input_audio + self.input_image

    @property
    def total_output(self) -> int:
        """All output, reasoning included."""
        return self.output + self.output_audio


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials that are accepted. aws_secret: the secret key every Bedrock request must be signed with."""

    openai: frozenset[str] = frozenset({"sk-standin-openai"})
    anthropic: frozenset[str] = frozenset({"sk-standin-anthropic"})
    aws_secret: str = "test"


@dataclass(frozen=True, slots=True)
class Received:
    """One HTTP request. path: as it was sent, percent-encoding and all, without the query."""

    method: str
    path: str
    headers: Message
    body: bytes


class ProviderError(Exception):
    """An error a provider answers with. code: its own name for it, where the dialect has one."""

    def __init__(
        self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.headers = headers or {}
        self.status = status
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer in its dialect's shape.

    body: the whole answer; or events: the parts of a stream, and failure: the event that ends it in an error.
    usage_shown: whether the answer says what `tokens` it took.
    """

    content_type: str
    body: bytes = b""
    events: tuple[bytes, ...] | None = None
    failure: bytes = b""
    tokens: TokenCounts = TokenCounts()
    usage_shown: bool = False
    service_tier: str | None = None
    question: str = ""


def whole_number(body: JsonObject, name: str, least: int = 1) -> int | None:
    """A number of a request; Refusal with status 400 where it is no whole number of at least `least`."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ProviderError(400, f"Invalid value for '{name}': expected an integer >= {least}, got {value!r}.")
    return value


def dump(value: Mapping[str, object]) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")


def data_event(value: Mapping[str, object]) -> bytes:
    """A server-sent event without a name, as chat completions stream."""
    return b"data: " + dump(value) + b"\n\n"


def named_event(value: Mapping[str, object]) -> bytes:
    """A server-sent event named like its `type`, as responses and Anthropic's messages stream."""
    return f"event: {value['type']}\n".encode() + data_event(value)
