"""How each AI API asks, answers and reports usage. Pure: bytes in, facts out."""

from __future__ import annotations

from typing import Final, Protocol

from lambda_src.contract import ProviderKind, Route
from lambda_src.core.dialects import anthropic, bedrock, openai
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse


class Dialect(Protocol):
    """The two verbs of a dialect."""

    def parse_request(self, route: Route, body: dict[str, object], size: int, path_model: str | None) -> ParsedRequest:
        """What a request asks for; BadRequest where it cannot be told."""

    def parse_response(self, route: Route, ask: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
        """What a successful answer says; `whole` is False where the connection ended early."""


DIALECTS: Final[dict[ProviderKind, Dialect]] = {
    "openai": openai,
    "anthropic": anthropic,
    "bedrock": bedrock,
}
