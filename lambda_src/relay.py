"""Passes a provider's success on to the caller while it arrives, and reads what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from lambda_src.core.dialects.parsed_response import ParsedResponse
from lambda_src.core.dialects.response_reader import ResponseReader
from lambda_src.core.dialects.server_sent_events import SSE_MEDIA_TYPE
from lambda_src.core.error_events import error_event
from lambda_src.core.error_responses import returned_headers
from lambda_src.core.errors import GatewayError
from lambda_src.core.outlet import ERROR_EVENT_BYTES, Outlet
from lambda_src.core.provider_call import ANSWER_TOO_LARGE
from lambda_src.core.request_context import AdmittedRequest, RequestContext


class Relay:
    """Receives a success.

    own_headers: the gateway's, in addition to the provider's, once the response begins.
    wait_seconds: how often `wait` is called while the caller gets nothing.
    """

    def __init__(
        self,
        context: RequestContext,
        admitted: AdmittedRequest,
        outlet: Outlet,
        own_headers: Callable[[], dict[str, str]],
        wait_seconds: float,
    ) -> None:
        self._route, self._request_id = context.route, context.request.request_id
        self._reader = ResponseReader(context.route, admitted.parsed)
        self._outlet, self._own_headers = outlet, own_headers
        self._streams = admitted.parsed.stream
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._heard, self._wait_seconds = time.monotonic(), wait_seconds

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the status and the headers."""
        self._status, self._headers = status, headers

    def receive(self, part: bytes) -> str:
        """Take a part of the body. Returns the error code with which to end the call early; "" to go on."""
        ready = self._reader.feed(part)
        if not ready:
            if time.monotonic() - self._heard >= self._wait_seconds:  # comments, or a part of a long event
                self.wait()
            return ANSWER_TOO_LARGE if self._reader.held > self._outlet.max_held else ""
        if not self._outlet.fits(ready):
            return ANSWER_TOO_LARGE
        self._heard = time.monotonic()
        if self._outlet.begun:
            self._outlet.write(ready)
        else:
            self._send(ready, self._reader.body.media_type)
        return ""

    def wait(self) -> None:
        """Called while nothing arrives for the caller. A stream that the provider has begun begins, so that it can be
        kept alive."""
        self._heard = time.monotonic()
        kind = self._headers.get("content-type", "")
        if self._streams and kind.startswith(SSE_MEDIA_TYPE) and not self._outlet.begun:
            self._send(b"", None)
        self._outlet.wait()

    def finish(self, complete: bool) -> ParsedResponse:
        """What the response states. complete: False if it was truncated."""
        return self._reader.finish(complete)

    def send_rest(self, parsed: ParsedResponse) -> None:
        """Send what is left of a response."""
        self._send(parsed.body, parsed.media_type)

    def send_error(self, error: GatewayError) -> None:
        """End a stream that has begun by an error."""
        started, events = self._reader.started, self._reader.body.events
        event = error_event(self._route, error, self._request_id, started, events)
        if len(event) > ERROR_EVENT_BYTES:  # it repeats the request's instructions, for which there may be no room
            event = error_event(self._route, error, self._request_id, {}, events)
        self._outlet.write(event)

    def _send(self, part: bytes, media_type: str | None) -> None:
        if not self._outlet.begun:
            self._outlet.begin(self._status, returned_headers(self._headers, media_type) | self._own_headers())
        self._outlet.write(part)
        self._heard = time.monotonic()
