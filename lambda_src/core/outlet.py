"""Where a response to the caller goes: into one whole response, or to the caller while it arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from lambda_src.core.http_event import MAX_ENCODED_BYTES, HttpResponse, encoded_bytes, is_text

ERROR_EVENT_BYTES: Final = 16_384
"""Kept free for the error event at the end of a truncated stream."""


class Outlet(Protocol):
    """A response to the caller. begun: whether the status was sent, after which it cannot change.

    max_held: largest body in bytes that is not passed on in parts. body: what was written, or its beginning.
    first_byte: when the caller could get the first byte of the body, in time.monotonic seconds; None: not yet.
    """

    @property
    def begun(self) -> bool: ...

    @property
    def max_held(self) -> int: ...

    @property
    def body(self) -> bytes: ...

    @property
    def first_byte(self) -> float | None: ...

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""

    def fits(self, part: bytes, *, last: bool = False) -> bool:
        """Whether the response can have one more part. last: it may use the room that is kept free for the end."""

    def write(self, part: bytes) -> None:
        """Send a part of the body."""

    def wait(self) -> None:
        """Called while the provider is silent."""

    def finish(self, headers: Mapping[str, str]) -> None:
        """Send headers whose values are known only now, if the response can still have them."""


class WholeResponse:
    """An outlet that keeps the response until it is complete, for integrations that do not stream."""

    max_held = MAX_ENCODED_BYTES
    first_byte = None

    def __init__(self) -> None:
        self.begun = False
        self._response = HttpResponse(status=0, body=b"")
        self._parts: list[bytes] = []
        self._bytes = self._text_bytes = 0
        self._is_text = True

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.begun = True
        self._response = HttpResponse(status=status, body=b"", headers=dict(headers))

    def fits(self, part: bytes, *, last: bool = False) -> bool:
        text = self._is_text and is_text(part, self._response.headers)
        size = self._text_bytes + encoded_bytes(part, text=True) if text else -(-(self._bytes + len(part)) // 3) * 4
        return size <= MAX_ENCODED_BYTES - (0 if last else ERROR_EVENT_BYTES)

    def write(self, part: bytes) -> None:
        self._is_text = self._is_text and is_text(part, self._response.headers)
        self._bytes += len(part)
        self._text_bytes += encoded_bytes(part, text=True) if self._is_text else 0
        self._parts.append(part)

    def wait(self) -> None:
        """Nothing can be sent before the response is complete."""

    def finish(self, headers: Mapping[str, str]) -> None:
        self._response.headers.update(headers)

    def response(self) -> HttpResponse:
        """The response."""
        self._response.body = self.body
        return self._response
