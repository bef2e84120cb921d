"""AWS's binary event stream, in which Bedrock sends streamed responses.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html describes the framing. botocore's reader
copies the rest of the stream for each message, so its time is quadratic.
"""

from __future__ import annotations

import struct
from zlib import crc32

from lambda_src.core.dialects.json_values import json_objects
from lambda_src.core.dialects.parsed_request import JsonObject
from lambda_src.core.json_text import json_text

_PRELUDE = struct.Struct(">III")
"""Length of the message, length of its headers, and the checksum of these two."""
PRELUDE_BYTES = _PRELUDE.size
_CHECKSUM_BYTES = 4
_STRING = 7
_VALUE_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by type. The other types, bytes and strings, have a length of two bytes."""
_MOST_KINDS = 100
_KIND_HEADERS = (b":event-type", b":exception-type", b":error-code")


class MessageReader:
    """Splits a stream into messages while it arrives. pending: bytes of an incomplete or damaged message."""

    def __init__(self) -> None:
        self.pending = bytearray()
        self._kinds: dict[bytes, str | None] = {}  # streams repeat the same few headers
        self._needed = PRELUDE_BYTES
        self._damaged = False

    def feed(self, received: bytes) -> list[tuple[bytes, str, JsonObject]]:
        """The messages that are complete now, as (bytes, type, payload). None comes after a damaged one."""
        self.pending += received
        if self._damaged or len(self.pending) < self._needed:
            return []
        body, start = bytes(self.pending), 0
        found: list[tuple[bytes, str]] = []
        payloads: list[bytes] = []
        while (message := self._message(body, start)) is not None:
            kind, payload, end = message
            found.append((body[start : end + _CHECKSUM_BYTES], kind))
            payloads.append(body[payload:end] or b"{}")
            start = end + _CHECKSUM_BYTES
        self.pending = bytearray(body[start:])
        values = json_objects(payloads)
        return [(raw, kind, value or {}) for (raw, kind), value in zip(found, values, strict=True)]

    def close(self) -> bytes:
        """The rest, which is no complete message."""
        rest, self.pending = bytes(self.pending), bytearray()
        return rest

    def _message(self, body: bytes, start: int) -> tuple[str, int, int] | None:
        """Type, and start and end of the payload, of the message at `start`; None if it is incomplete or damaged."""
        self._needed = PRELUDE_BYTES
        if len(body) - start < PRELUDE_BYTES:
            return None
        length, headers_length, checksum = _PRELUDE.unpack_from(body, start)
        payload, end = start + PRELUDE_BYTES + headers_length, start + length - _CHECKSUM_BYTES
        self._damaged = payload > end or crc32(body[start : start + 8]) != checksum
        self._needed = length
        if self._damaged or end + _CHECKSUM_BYTES > len(body):
            return None
        self._damaged = crc32(memoryview(body)[start:end]) != int.from_bytes(body[end : end + _CHECKSUM_BYTES], "big")
        headers = body[start + PRELUDE_BYTES : payload]
        if headers not in self._kinds:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            self._kinds[headers] = _kind(headers)
        kind = self._kinds[headers]
        self._damaged |= kind is None
        return None if self._damaged or kind is None else (kind, payload, end)


def stream_events(body: bytes) -> list[tuple[str, JsonObject]]:
    """The events of a stream as (type, payload), up to the first truncated or damaged one."""
    return [(kind, payload) for _, kind, payload in MessageReader().feed(body)]


def begins_event_stream(body: bytes | bytearray) -> bool:
    """Whether a body, complete or not, begins with the prelude of a message."""
    return len(body) >= PRELUDE_BYTES and crc32(body[:8]) == int.from_bytes(body[8:PRELUDE_BYTES], "big")


def exception_message(exception: str, payload: JsonObject) -> bytes:
    """The message that makes clients raise `exception`."""
    headers = b"".join(
        bytes([len(name)]) + name + bytes([_STRING]) + len(value).to_bytes(2, "big") + value
        for name, value in (
            (b":exception-type", exception.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", b"exception"),
        )
    )
    content = json_text(payload).encode()
    length = PRELUDE_BYTES + len(headers) + len(content) + _CHECKSUM_BYTES
    lengths = struct.pack(">II", length, len(headers))
    message = lengths + crc32(lengths).to_bytes(4, "big") + headers + content
    return message + crc32(message).to_bytes(4, "big")


def _kind(headers: bytes) -> str | None:
    """The type of an event or an exception, "" for other messages; None if the headers are malformed."""
    kinds: dict[bytes, str] = {}
    position = 0
    try:
        while position < len(headers):
            value = position + 2 + headers[position]
            name, value_type = headers[position + 1 : value - 1], headers[value - 1]
            if value_type in _VALUE_BYTES:
                position = value + _VALUE_BYTES[value_type]
                continue
            position = value + 2 + int.from_bytes(headers[value : value + 2], "big")
            if value_type == _STRING and name in _KIND_HEADERS:
                kinds[name] = headers[value + 2 : position].decode()
    except (IndexError, UnicodeDecodeError):
        return None
    return next((kinds[name] for name in _KIND_HEADERS if name in kinds), "") if position == len(headers) else None
