"""The API dialects: what a request asks for, and what a response reports. No I/O."""

from __future__ import annotations

from typing import Final, Protocol

from lambda_src.contract import ProviderKind, Route
from lambda_src.core.dialects import anthropic, bedrock, openai
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ResponseFacts


class Dialect(Protocol):
    """The functions that each dialect's module has."""

    def parse_request(self, route: Route, body: dict[str, object], size: int, path_model: str | None) -> ParsedRequest:
        """Parse a request. BadRequest if it is invalid or its cost cannot be bounded. size: bytes of the raw body."""

    def response_facts(self, route: Route, parsed: ParsedRequest) -> ResponseFacts:
        """What a success response to `parsed` states, to be read."""


DIALECTS: Final[dict[ProviderKind, Dialect]] = {"openai": openai, "anthropic": anthropic, "bedrock": bedrock}
