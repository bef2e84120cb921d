"""Which path is whose: the operations of the stand-in provider and the dialects that know them."""

from __future__ import annotations

import re
from typing import Final, Protocol
from urllib.parse import unquote

from local.provider import anthropic, bedrock, openai
from local.provider.script import Script
from local.provider.wire import JsonObject, Keys, ProviderError, Received, Reply


class ServedDialect(Protocol):
    """What a module per provider knows."""

    def check(self, received: Received, keys: Keys) -> None:
        """Refusal where the credentials are wrong."""

    def answer(self, operation: str, body: JsonObject, size: int, script: Script, request_id: str) -> Reply:
        """The answer, or Refusal."""

    def error(self, refusal: ProviderError, request_id: str) -> tuple[bytes, dict[str, str]]:
        """Body and headers of an error."""

    def success_headers(self, request_id: str) -> dict[str, str]:
        """Headers of every success."""


DIALECTS: Final[dict[str, ServedDialect]] = {
    "openai": openai,
    "anthropic": anthropic,
    "bedrock": bedrock,
}
_MODEL = r"(?P<model>[^/]+)"
_ROUTES: Final = tuple(
    (method, re.compile(path), dialect, operation)
    for method, path, dialect, operation in (
        ("POST", "/v1/chat/completions", "openai", "chat"),
        ("POST", "/v1/messages", "anthropic", "messages"),
        ("POST", "/v1/responses", "openai", "responses"),
        ("POST", "/v1/embeddings", "openai", "embeddings"),
        ("POST", f"/model/{_MODEL}/converse", "bedrock", "converse"),
        ("POST", f"/model/{_MODEL}/converse-stream", "bedrock", "converse_stream"),
        ("POST", "/v1/messages/count_tokens", "anthropic", "count_tokens"),
        ("GET", "/v1/models", "openai", "models"),
        ("GET", f"/v1/models/{_MODEL}", "openai", "model"),
    )
)


def route_of(received: Received) -> tuple[str, str, str | None]:
    """Dialect, operation ("": none) and the model in the path."""
    for method, path, dialect, operation in _ROUTES:
        if method == received.method and (found := path.fullmatch(received.path)):
            model = found.groupdict().get("model")
            return dialect, operation, None if model is None else unquote(model)
    return "openai", "", None
