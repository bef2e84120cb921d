"""Reading of AWS's binary event streams. botocore's reader is the reference."""

from __future__ import annotations

import json
import struct
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer

from lambda_src.core.dialects.event_stream import stream_events
from tests.linear_time import linear_time

EVENT = b"\x0b:event-type\x07\x00\x01k"
OTHER_HEADERS = (
    b"\x01a\x00", b"\x01b\x01", b"\x01c\x02\x09", b"\x01d\x03\x00\x09", b"\x01e\x04\x00\x00\x00\x09",
    b"\x01f\x05" + bytes(8), b"\x01g\x06\x00\x02\xff\xfe", b"\x01h\x07\x00\x02ok", b"\x01i\x08" + bytes(8),
    b"\x01j\x09" + bytes(16),
)  # fmt: skip


def frame(headers: bytes, payload: bytes = b"{}") -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def test_events_equal_those_of_botocore() -> None:
    payload = json.dumps({"delta": {"text": "é"}}).encode()
    body = frame(b"".join(OTHER_HEADERS) + EVENT, payload) + frame(EVENT + OTHER_HEADERS[6], payload) + frame(b"")
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    expected = [message.to_response_dict() for message in buffer]
    assert stream_events(body) == [
        (message["headers"].get(":event-type", ""), json.loads(message["body"])) for message in expected
    ]


@pytest.mark.parametrize(
    "damaged",
    [
        b"", b"\0" * 12, b"\0" * 100, b"\xff" * 100,
        frame(EVENT)[:-1],
        frame(EVENT)[:-1] + b"x",
        b"x" + frame(EVENT)[1:],
        frame(EVENT[:-1]), frame(b"\x01a\x0a"), frame(b"\xff"), frame(b"\x0b:event-type\x07\x00\x01\xff"),
        struct.pack(">III", 12, 0, crc32(struct.pack(">II", 12, 0))),
        struct.pack(">III", 16, 9, crc32(struct.pack(">II", 16, 9))) + b"x" * 4,
    ],
)  # fmt: skip
def test_stream_ends_at_the_first_truncated_or_damaged_message(damaged: bytes) -> None:
    assert stream_events(frame(EVENT) + damaged) == [("k", {})]
    assert stream_events(damaged + frame(EVENT)) in ([], [("k", {})])


@pytest.mark.parametrize("body", [frame(EVENT) * 130_000, frame(b"\x01a\x00" * 1_300_000)])
def test_time_is_linear(body: bytes) -> None:
    with linear_time():
        assert stream_events(body)
