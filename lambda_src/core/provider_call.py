"""A call to a provider: the request, and its response or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lambda_src.contract import Provider, Route

RETRIED_STATUS: Final = frozenset({429, 500, 502, 503, 529})
"""Statuses after which the gateway repeats a call. A provider that responds with another 5xx, such as 504, or with 408
may have billed the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """A request to send. model: the provider's name for it. headers: the caller's, of which few are forwarded."""

    provider: Provider
    route: Route
    model: str
    headers: Mapping[str, str]
    trace_headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponse:
    """A provider's response. complete: False if it was truncated. truncation_code: the error code of the truncation.

    first_byte_seconds, total_seconds: since the first attempt.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool
    truncation_code: str
    retries: int
    first_byte_seconds: float
    total_seconds: float


class NoResponse(Exception):
    """The provider sent no response. code: the error code. reached: it may have received and billed the request."""

    def __init__(self, code: str, *, reached: bool, retries: int, total_seconds: float) -> None:
        super().__init__(code)
        self.code = code
        self.reached = reached
        self.retries = retries
        self.total_seconds = total_seconds
