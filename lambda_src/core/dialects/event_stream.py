"""AWS's binary event stream, in which Bedrock sends streamed responses.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html describes the framing. botocore's reader
copies the rest of the stream for each message, so its time is quadratic.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from zlib import crc32

from lambda_src.core.dialects.json_values import json_objects
from lambda_src.core.dialects.parsed_request import JsonObject
from lambda_src.core.json_text import json_text

_PRELUDE = struct.Struct(">III")
"""Length of the message, length of its headers, and the checksum of these two."""
_CHECKSUM_BYTES = 4
_STRING = 7
_VALUE_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by type. The other types, bytes and strings, have a length of two bytes."""
_KIND_HEADERS = (b":event-type", b":exception-type", b":error-code")


def stream_events(body: bytes) -> list[tuple[str, JsonObject]]:
    """The events of a stream as (type, payload), up to the first truncated or damaged one."""
    messages = [(kind, body[start:end]) for kind, start, end in _messages(body)]
    payloads = json_objects([payload or b"{}" for _, payload in messages])
    return [(kind, payload or {}) for (kind, _), payload in zip(messages, payloads, strict=True)]


def begins_event_stream(body: bytes) -> bool:
    """Whether a body, complete or not, begins with the prelude of a message."""
    return len(body) >= _PRELUDE.size and crc32(body[:8]) == int.from_bytes(body[8 : _PRELUDE.size], "big")


def complete_length(body: bytes) -> int:
    """Bytes of the stream's complete messages, which come first."""
    return max((end + _CHECKSUM_BYTES for _, _, end in _messages(body)), default=0)


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
    length = _PRELUDE.size + len(headers) + len(content) + _CHECKSUM_BYTES
    lengths = struct.pack(">II", length, len(headers))
    message = lengths + crc32(lengths).to_bytes(4, "big") + headers + content
    return message + crc32(message).to_bytes(4, "big")


def _messages(body: bytes) -> Iterator[tuple[str, int, int]]:
    """Type, and start and end of the payload, of each message up to the first truncated or damaged one."""
    view, start = memoryview(body), 0
    kinds: dict[bytes, str | None] = {}  # streams repeat the same few headers
    while len(body) - start >= _PRELUDE.size:
        length, headers_length, checksum = _PRELUDE.unpack_from(view, start)
        payload, end = start + _PRELUDE.size + headers_length, start + length - _CHECKSUM_BYTES
        if payload > end or end + _CHECKSUM_BYTES > len(body) or crc32(view[start : start + 8]) != checksum:
            break
        if crc32(view[start:end]) != int.from_bytes(view[end : start + length], "big"):
            break
        headers = body[start + _PRELUDE.size : payload]
        if headers not in kinds:
            kinds[headers] = _kind(headers)
        kind = kinds[headers]
        if kind is None:
            break
        yield kind, payload, end
        start += length


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
