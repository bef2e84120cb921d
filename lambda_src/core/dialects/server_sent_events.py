"""Server-sent events, in which OpenAI's and Anthropic's APIs stream.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lambda_src.core.dialects.json_values import json_object, json_objects

SSE_MEDIA_TYPE: Final = "text/event-stream"
_DATA = b"data:"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK_LINE = re.compile(rb"(?:\r\n|\r(?!\n)|\n)(?:\r\n|\r|\n)")
_GROUP = 1_000
"""Events whose objects are in memory at the same time."""


def sse_events(body: bytes) -> list[bytes]:
    """The events of a stream, each with the blank line that ends it. The last may be truncated.

    Lines may end in LF, CRLF or CR.
    """
    newline = _newline(body)
    if newline is not None:
        parts = body.split(2 * newline)
        events = [part + 2 * newline for part in parts[:-1]]
    else:
        ends = [match.end() for match in _BLANK_LINE.finditer(body)]
        events = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        parts = [body[ends[-1] if ends else 0 :]]
    return [*events, parts[-1]] if parts[-1] else events


def _newline(body: bytes) -> bytes | None:
    """The end of all lines, if all are LF or all are CRLF; splitting at it is the fastest."""
    returns = body.count(b"\r")
    if not returns:
        return b"\n"
    return b"\r\n" if returns == body.count(b"\n") == body.count(b"\r\n") else None


def event_data(event: bytes) -> dict[str, object] | None:
    """The JSON object in an event's data lines; None for `[DONE]`, comments and truncated events."""
    return json_object(_data(event))


def event_objects(events: list[bytes]) -> Iterator[dict[str, object]]:
    """The JSON objects of a stream's events, in order."""
    return (value for _, value in indexed_objects(events))


def indexed_objects(events: list[bytes]) -> Iterator[tuple[int, dict[str, object]]]:
    """The JSON objects of a stream's events, in order, with the positions of the events."""
    for start in range(0, len(events), _GROUP):
        texts = {index: text for index, event in enumerate(events[start : start + _GROUP], start)
                 if (text := _data(event)).startswith((b"{", b" {"))}  # fmt: skip
        for index, value in zip(texts, json_objects(list(texts.values())), strict=True):
            if value is not None:
                yield index, value


def _data(event: bytes) -> bytes:
    """The data of an event, whose lines are joined."""
    line, _, rest = event.partition(b"\n")
    if line.startswith(_DATA) and rest in (b"\n", b"\r\n"):
        return line[5:]
    lines = [line[5:].strip() for line in event.removeprefix(BYTE_ORDER_MARK).splitlines() if line.startswith(_DATA)]
    return b"\n".join(lines)
