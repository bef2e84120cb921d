"""Map request paths to the dialects and operations of the stand-in provider."""

from __future__ import annotations

import re
from typing import Final, Protocol
from urllib.parse import unquote

from local.provider import anthropic, bedrock, openai
from local.provider.protocol import JsonObject, ProviderError, ReceivedRequest, StandInKeys, SuccessResponse
from local.provider.script import Script


class ServedDialect(Protocol):
    """The functions of a dialect's module."""

    def authenticate(self, request: ReceivedRequest, keys: StandInKeys) -> None:
        """Raise ProviderError if the credentials are wrong."""

    def respond(
        self, operation: str, body: JsonObject, body_size: int, script: Script, request_id: str
    ) -> SuccessResponse:
        """The response to a request. Raises ProviderError if the request is invalid."""

    def error_response(self, error: ProviderError, request_id: str) -> tuple[bytes, dict[str, str]]:
        """Body and headers of an error response."""

    def success_headers(self, request_id: str) -> dict[str, str]:
        """Headers of every successful response."""


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


def route_of(request: ReceivedRequest) -> tuple[str, str, str | None]:
    """Dialect, operation ("" if the path is unknown) and the model named in the path, if any."""
    for method, path, dialect, operation in _ROUTES:
        if method == request.method and (match := path.fullmatch(request.path)):
            model = match.groupdict().get("model")
            return dialect, operation, None if model is None else unquote(model)
    return "openai", "", None
