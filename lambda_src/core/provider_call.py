"""A call to a provider: the request, and its response or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from lambda_src.contract import Provider, Route

RETRIED_STATUS: Final = frozenset({429, 500, 502, 503, 529})
"""Statuses after which the gateway repeats a call. A provider that responds with another 5xx, such as 504, or with 408
may have billed the request."""

ANSWER_TOO_LARGE: Final = "answer_too_large"
REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id")
"""Response headers with the provider's id of a request: OpenAI's, Anthropic's, Bedrock's and Azure's."""
_MAX_ID = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """A request to send. model: the provider's name for it. headers: the caller's, of which few are forwarded."""

    provider: Provider
    route: Route
    model: str
    headers: Mapping[str, str]
    trace_headers: Mapping[str, str]
    body: bytes


class Receiver(Protocol):
    """Takes a success while it arrives."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the status and the headers."""

    def receive(self, part: bytes) -> str:
        """Take a part of the body. Returns the error code with which to end the call early; "" to go on."""

    def wait(self) -> None:
        """Called every few seconds while nothing arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponse:
    """A provider's response, after its end. complete: False if it was truncated. truncation_code: the error code of the
    truncation.

    body: of an error, or of a success without a receiver. total_seconds: since the first attempt.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool
    truncation_code: str
    retries: int
    total_seconds: float

    @property
    def request_id(self) -> str | None:
        """The provider's own id of the request, truncated; None if no header has a printable one."""
        values = (self.headers.get(name, "") for name in REQUEST_ID_HEADERS)
        return next((value[:_MAX_ID] for value in values if value and value.isascii() and value.isprintable()), None)


class NoResponse(Exception):
    """The provider sent no response. code: the error code. reached: it may have received and billed the request."""

    def __init__(self, code: str, *, reached: bool, retries: int, total_seconds: float) -> None:
        super().__init__(code)
        self.code = code
        self.reached = reached
        self.retries = retries
        self.total_seconds = total_seconds
