"""Server-sent events, in which OpenAI's and Anthropic's APIs stream.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from lambda_src.core.dialects.json_values import json_object, json_objects, text_object

SSE_MEDIA_TYPE: Final = "text/event-stream"
_DATA = b"data:"
_NAME = b"event:"
_OBJECT = (b"{", b" {")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANK_LINE = re.compile(rb"(?:\r\n|\r(?!\n)|\n)(?:\r\n|\r|\n)")
LONGEST_BLANK_LINE = 4
_GROUP = 1_000
"""Events whose objects are in memory at the same time."""


def sse_events(body: bytes) -> list[bytes]:
    """The events of a stream, each with the blank line that ends it. The last may be truncated.

    Lines may end in LF, CRLF or CR.
    """
    events, rest = _split(body)
    return [*events, rest] if rest else events


class EventReader:
    """Splits a stream into events while it arrives.

    pending: bytes of an event that is not complete, or may not be: a CR at its end may be half of a CRLF.
    """

    def __init__(self) -> None:
        self.pending = bytearray()
        self._searched = 0

    def feed(self, received: bytes) -> list[bytes]:
        """The events that are complete now, each with the blank line that ends it."""
        if not self.pending:
            single = received.endswith(b"\n\n") and received.find(b"\n\n") == len(received) - 2
            if single and b"\r" not in received:
                return [received]
        else:
            self.pending += received
            if not BLANK_LINE.search(self.pending, max(0, self._searched - LONGEST_BLANK_LINE)):
                self._searched = len(self.pending)
                return []
            received = bytes(self.pending)
        events, rest = _split(received)
        if events and not rest and received.endswith(b"\r"):
            rest = events.pop()
        self.pending, self._searched = bytearray(rest), len(rest)
        return events

    def close(self) -> bytes:
        """The rest, which ends no event."""
        rest, self.pending = bytes(self.pending), bytearray()
        return rest


def _split(body: bytes) -> tuple[list[bytes], bytes]:
    """The events that end in a blank line, and the rest."""
    newline = _newline(body) if b"\r" in body else b"\n"
    if newline is not None:
        blank = 2 * newline
        *parts, rest = body.split(blank)
        return [part + blank for part in parts], rest
    ends = [match.end() for match in BLANK_LINE.finditer(body)]
    events = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return events, body[ends[-1] if ends else 0 :]


def _newline(body: bytes) -> bytes | None:
    """The end of all lines of a body with CRs, if it is the same everywhere; splitting at it is the fastest."""
    returns, feeds = body.count(b"\r"), body.count(b"\n")
    if not feeds:
        return b"\r"
    return b"\r\n" if returns == feeds == body.count(b"\r\n") else None


def event_data(event: bytes) -> dict[str, object] | None:
    """The JSON object in an event's data lines; None for `[DONE]`, comments and truncated events."""
    return json_object(_data(event))


def event_objects(events: list[bytes]) -> Iterator[dict[str, object]]:
    """The JSON objects of a stream's events, in order."""
    return (value for _, _, value in indexed_objects(events))


def indexed_objects(events: list[bytes]) -> Iterable[tuple[int, str, dict[str, object]]]:
    """The JSON objects of a stream's events, in order, as (position of the event, "", object)."""
    if len(events) != 1:
        return _grouped(events)
    text = _data(events[0]) if b"{" in events[0] else b""
    value = text_object(text) if text.startswith(_OBJECT) else None
    return () if value is None else ((0, "", value),)


def _grouped(events: list[bytes]) -> Iterator[tuple[int, str, dict[str, object]]]:
    for start in range(0, len(events), _GROUP):
        indexes, texts = [], []
        for index, event in enumerate(events[start : start + _GROUP], start):
            if b"{" in event and (text := _data(event)).startswith(_OBJECT):
                indexes.append(index)
                texts.append(text)
        for index, value in zip(indexes, json_objects(texts), strict=True):
            if value is not None:
                yield index, "", value


def _data(event: bytes) -> bytes:
    """The data of an event, whose lines are joined."""
    text = event.rstrip(b"\r\n")
    if text.startswith(_NAME):
        text = text.partition(b"\n")[2]
    if text.startswith(_DATA) and b"\n" not in text and b"\r" not in text:
        return text[5:]
    if _DATA not in event:
        return b""
    lines = [line[5:].strip() for line in event.removeprefix(BYTE_ORDER_MARK).splitlines() if line.startswith(_DATA)]
    return b"\n".join(lines)
