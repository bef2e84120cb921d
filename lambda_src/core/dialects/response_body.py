"""What a response's body is, by its own bytes: JSON, server-sent events or AWS's binary event stream.

The request does not decide it: some servers ignore `stream`, and some always stream. A body is read once, while it
arrives, and only its incomplete last part stays in memory.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from lambda_src.contract import EVENT_STREAM_MEDIA_TYPE
from lambda_src.core.dialects.event_stream import PRELUDE_BYTES, MessageReader, begins_event_stream
from lambda_src.core.dialects.json_values import json_value
from lambda_src.core.dialects.parsed_request import MEDIA_TYPE, JsonObject
from lambda_src.core.dialects.server_sent_events import BYTE_ORDER_MARK, SSE_MEDIA_TYPE, EventReader, indexed_objects

_FIELD = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n])(?:data|event|id|retry)?:")
"""The beginning of a line of server-sent events. JSON has line breaks only between values, where no field can be."""
_LONGEST_FIELD: Final = 10
_JSON_START: Final = 64
"""Bytes of white space before JSON begins."""
_MARK: Final = b"[DONE]"
_LAST: Final = 3
"""Events at the end of a stream, of which one may be the mark of its end."""
_DONE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]")


class Part(NamedTuple):
    """A part of a body: events of a stream, or a whole document. values: their JSON objects, in order, each with the
    index of its event and, in binary streams, the event's type. Events without an object have none, and damaged ones.
    """

    events: list[bytes]
    values: Iterable[tuple[int, str, JsonObject]] = ()


class BodyReader:
    """Splits a body into its parts while it arrives. Joined, the parts of a stream are the body.

    media_type: None until it is known, and if the body is neither JSON nor a stream of its API.
    """

    def __init__(self) -> None:
        self.media_type: str | None = None
        self.is_stream = False
        self.events = 0
        self._start = bytearray()  # of a body whose form is not known, or a whole JSON document
        self._searched = 0
        self._last_done: deque[bool] = deque(maxlen=_LAST)
        self._events: EventReader | MessageReader | None = None

    @property
    def done(self) -> bool:
        """Whether one of the last events of a stream of server-sent events is `[DONE]`."""
        return any(self._last_done)

    @property
    def pending(self) -> int:
        """Bytes that were read and belong to no part yet."""
        return len(self._start) + (len(self._events.pending) if self._events else 0)

    def feed(self, received: bytes) -> Part:
        """What is complete now."""
        if isinstance(self._events, EventReader):
            return self._sse(self._events.feed(received))
        if self._events is None:
            self._start += received
            if self.media_type is not None or not self._recognize(last=False):
                return Part([])
            received, self._start = bytes(self._start), bytearray()
        return self._split(received)

    def close(self) -> Iterator[Part]:
        """The last parts: a whole document, or an event that is incomplete or lacks its end."""
        if self._events is None and self.media_type is None and self._recognize(last=True):
            received, self._start = bytes(self._start), bytearray()
            yield self._split(received)
        if self._events is not None:
            rest = self._events.close()
            yield self._sse([rest]) if rest and isinstance(self._events, EventReader) else Part([rest])
            return
        body, self._start = bytes(self._start), bytearray()
        value = None if self.media_type is None else json_value(body)
        if not isinstance(value, dict | list):
            self.media_type = None
        documents = value if isinstance(value, list) else [value]
        yield Part([body], ((0, "", document) for document in documents if isinstance(document, dict)))

    def _recognize(self, *, last: bool) -> bool:
        """Set the form of the body as soon as its first bytes tell; true if it is a stream.

        last: no more bytes will come.
        """
        start = self._start
        if begins_json(start):
            self.media_type = MEDIA_TYPE
            return False
        if not last and (len(start) < PRELUDE_BYTES or (len(start) < _JSON_START and not start.strip())):
            return False
        if begins_event_stream(start):
            self.media_type, self._events = EVENT_STREAM_MEDIA_TYPE, MessageReader()
        elif _FIELD.search(start, max(0, self._searched - _LONGEST_FIELD)):
            self.media_type, self._events = SSE_MEDIA_TYPE, EventReader()
        self._searched = len(start)
        self.is_stream = self._events is not None
        return self.is_stream

    def _split(self, received: bytes) -> Part:
        if isinstance(self._events, EventReader):
            return self._sse(self._events.feed(received))
        messages = [] if self._events is None else self._events.feed(received)
        self.events += len(messages)
        values = ((index, kind, value) for index, (_, kind, value) in enumerate(messages))
        return Part([raw for raw, _, _ in messages], values)

    def _sse(self, events: list[bytes]) -> Part:
        self.events += len(events)
        for event in events[-_LAST:]:
            self._last_done.append(_MARK in event and _DONE.search(event) is not None)
        return Part(events, indexed_objects(events))


def begins_json(body: bytes | bytearray) -> bool:
    """Whether a body, complete or not, begins like a JSON object or array."""
    return bytes(body[:_JSON_START]).removeprefix(BYTE_ORDER_MARK).lstrip().startswith((b"{", b"["))
