"""One call of a provider: the request, its answer, or the reason there is none. Values only; the edge does the I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lambda_src.contract import Provider, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """What to send where. model: the provider's own name of it. headers: the caller's, of which few are passed on.

    trace: headers that name the trace.
    """

    provider: Provider
    route: Route
    model: str
    headers: Mapping[str, str]
    trace: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponse:
    """What came back. whole: False where the connection ended, or time ran out, before the answer did.

    cut_code: why it is not whole. Times are seconds since the first call.
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
    """No answer came. reached: the provider may have worked, and billed, all the same."""

    def __init__(self, code: str, *, reached: bool, retries: int, total_seconds: float) -> None:
        super().__init__(code)
        self.code = code
        self.reached = reached
        self.retries = retries
        self.total_seconds = total_seconds
