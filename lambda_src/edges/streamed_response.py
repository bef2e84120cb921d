"""A response that reaches the caller while it arrives, over Lambda's Runtime API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from lambda_src.core.dialects.server_sent_events import BLANK_LINE, LONGEST_BLANK_LINE, SSE_MEDIA_TYPE
from lambda_src.core.http_event import valid_headers
from lambda_src.core.outlet import ERROR_EVENT_BYTES
from lambda_src.edges.runtime_api import ResponseStream

MAX_BYTES: Final = 200_000_000
"""Largest response that Lambda streams: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""
MAX_HELD_BYTES: Final = 24_000_000
"""Largest body that is not a stream. It is parsed as a whole, in the function's memory."""
IDLE_SECONDS: Final = 295.0
"""API Gateway ends a response after 300 seconds without a byte:
docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html."""
KEEP_ALIVE: Final = b": keep-alive\n\n"
_COMMENTED: Final = "x-tollgate-"


class StreamedResponse:
    """An outlet that sends each part at once.

    body: its first `kept_bytes`, for the prompt log. Comments, which clients of server-sent events ignore, keep a
    silent stream alive, and contain at its end what would be in headers of a whole response. wait_seconds: between two
    calls of `wait`.
    """

    max_held = MAX_HELD_BYTES

    def __init__(self, stream: ResponseStream, kept_bytes: int = 0, wait_seconds: float = 15.0) -> None:
        self.begun = False
        self._head: tuple[int, Mapping[str, str]] = 0, {}
        self._stream = stream
        self._kept, self._kept_bytes = bytearray(), kept_bytes
        self._max_idle = IDLE_SECONDS - wait_seconds
        self._sent = 0
        self._commented = False
        self._end = b""
        self._last = time.monotonic()
        self.first_byte: float | None = None

    @property
    def body(self) -> bytes:
        return bytes(self._kept)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.begun = True
        self._commented = headers.get("content-type", "").startswith(SSE_MEDIA_TYPE)
        self._head = status, valid_headers(headers)  # sent together with the first part

    def fits(self, part: bytes, *, last: bool = False) -> bool:
        return self._sent + len(part) <= MAX_BYTES - (1 if last else 2) * ERROR_EVENT_BYTES

    def write(self, part: bytes) -> None:
        if not self._stream.begun:
            self._stream.begin(*self._head, part)
        elif part:
            self._stream.write(part)
        self._last = time.monotonic()
        if not part:
            return
        self._sent += len(part)
        self._end = part[-LONGEST_BLANK_LINE:]
        if self.first_byte is None:
            self.first_byte = self._last
        if len(self._kept) < self._kept_bytes:
            self._kept += part[: self._kept_bytes - len(self._kept)]

    def wait(self) -> None:
        if self.begun and self._commented:
            self._stream.write(KEEP_ALIVE)
            self._sent += len(KEEP_ALIVE)
        elif time.monotonic() - self._last > self._max_idle:
            raise TimeoutError("API Gateway ends a response that is silent for so long")

    def finish(self, headers: Mapping[str, str]) -> None:
        if self._commented and BLANK_LINE.search(self._end):  # else clients would read an event that has no end
            valid = valid_headers(headers).items()
            lines = [f": {name}: {value}\n" for name, value in valid if name.startswith(_COMMENTED)]
            self._stream.write("".join([*lines, "\n"]).encode())
