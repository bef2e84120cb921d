"""Reads a provider's response while it arrives: what it states, and what the caller may get of it already."""

from __future__ import annotations

from typing import Final

from lambda_src.contract import Route
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse, unreadable
from lambda_src.core.dialects.response_body import BodyReader, Part
from lambda_src.core.tokens import as_object

_RESPONSES: Final = "responses"


class ResponseReader:
    """Reads a response. The parts that `feed` and `finish` return are, joined, what the caller gets.

    body: the body's form. started: the response object of a stream of the Responses API, for an error event at its end.
    """

    def __init__(self, route: Route, request: ParsedRequest) -> None:
        self.body = BodyReader()
        self.started: JsonObject = {}
        self._responses = route.name == _RESPONSES
        self._facts = DIALECTS[route.dialect].response_facts(route, request)
        self._streams = request.stream
        self._held = bytearray()

    @property
    def held(self) -> int:
        """Bytes in memory: what was received and was not returned."""
        return len(self._held) + self.body.pending

    def feed(self, received: bytes) -> bytes:
        """Read more of the body. Returns what the caller may get now: complete events of a stream.

        Nothing is returned before the first event that is no error, since the response may still become an error with
        a status of its own, and nothing after an error.
        """
        ready = self._read(self.body.feed(received))
        if not (self._streams and self.body.is_stream and self._facts.found) or self._facts.error is not None:
            self._held += ready
            return b""
        if self._held:
            ready, self._held = bytes(self._held) + ready, bytearray()
        return ready

    def finish(self, complete: bool) -> ParsedResponse:
        """The response, with the rest of its body. complete: False if it was truncated.

        The rest of a truncated stream has only complete events: clients fail on an incomplete one before they read the
        error after it.
        """
        whole = not self.body.is_stream
        for part in self.body.close():
            whole = whole or not self.body.is_stream
            raw = self._read(part)
            if complete or whole:
                self._held += raw
        rest, self._held = bytes(self._held), bytearray()
        if not self._facts.found and (complete or not self.body.is_stream):
            return unreadable(rest, complete)
        return self._facts.parsed(self.body, rest, complete)

    def _read(self, part: Part) -> bytes:
        """The bytes of a part for the caller."""
        hidden = set()
        for index, kind, value in part.values:
            if self._responses and not self.started:
                self.started = as_object(value.get("response"))
            if self._facts.read(kind, value):
                hidden.add(index)
        if not hidden or not self.body.is_stream:
            return b"".join(part.events)
        return b"".join([event for index, event in enumerate(part.events) if index not in hidden])


def parse_response(route: Route, request: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    """Parse a whole success response to `request`. complete: False if it was truncated."""
    reader = ResponseReader(route, request)
    first = reader.feed(body)
    parsed = reader.finish(complete)
    parsed.body = first + parsed.body
    return parsed
