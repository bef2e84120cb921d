"""What a response's body is, by its own bytes: JSON, server-sent events or AWS's binary event stream.

The request does not decide it: some servers ignore `stream`, and some always stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lambda_src.contract import EVENT_STREAM_MEDIA_TYPE
from lambda_src.core.dialects.event_stream import begins_event_stream, stream_events
from lambda_src.core.dialects.json_values import json_value
from lambda_src.core.dialects.parsed_request import MEDIA_TYPE, JsonObject
from lambda_src.core.dialects.server_sent_events import BYTE_ORDER_MARK, SSE_MEDIA_TYPE, indexed_objects, sse_events

_FIELD = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n])(?:data|event|id|retry)?:")
"""The beginning of a line of server-sent events. JSON has line breaks only between values, where no field can be."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body's documents: a JSON object, the objects of a JSON array, or the events of a stream.

    media_type: None if the body is neither JSON nor a stream of its API. events: the parts of a stream of server-sent
    events, which joined are the body. objects: by position in `events`, with the event's type for binary streams.
    """

    media_type: str | None
    events: list[bytes]
    objects: Iterator[tuple[int, str, JsonObject]]

    @property
    def is_stream(self) -> bool:
        return self.media_type in (SSE_MEDIA_TYPE, EVENT_STREAM_MEDIA_TYPE)


def parse_body(body: bytes) -> Body:
    """The documents of a body. Damaged events are left out."""
    if begins_json(body):
        value = json_value(body)
        if isinstance(value, dict):
            return Body(MEDIA_TYPE, [], iter([(0, "", value)]))
        if isinstance(value, list):
            return Body(MEDIA_TYPE, [], ((0, "", item) for item in value if isinstance(item, dict)))
    elif begins_event_stream(body):
        return Body(EVENT_STREAM_MEDIA_TYPE, [], ((0, kind, payload) for kind, payload in stream_events(body)))
    elif _FIELD.search(body):
        events = sse_events(body)
        return Body(SSE_MEDIA_TYPE, events, ((index, "", value) for index, value in indexed_objects(events)))
    return Body(None, [], iter(()))


def begins_json(body: bytes) -> bool:
    """Whether a body, complete or not, begins like a JSON object or array."""
    return body[:64].removeprefix(BYTE_ORDER_MARK).lstrip().startswith((b"{", b"["))
