"""Measure how the time of every reader of a caller's or a provider's bytes grows with their number.

    .venv/bin/python -m benchmarks.readers [--bytes 200000]

Each reader gets bodies made to be slow, of N and of 4 N bytes. Requests are parsed, forwarded and, if they are
rejected, answered on every route. Responses are parsed, whole and truncated, booked as a line and a row, cut as
Lambda's limit requires, and joined and masked for the prompt log. Target: 4 times the
bytes take at most 6 times as long.
"""

from __future__ import annotations

import argparse
import gc
import json
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final
from zlib import crc32

from lambda_src.contract import ROUTES, Route
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import MEDIA_TYPE, ParsedRequest, parse_json
from lambda_src.core.dialects.response_reader import parse_response
from lambda_src.core.dialects.server_sent_events import sse_events
from lambda_src.core.errors import BadRequest
from lambda_src.core.http_event import MAX_ENCODED_BYTES, HttpRequest, fitting_body
from lambda_src.core.redaction import Redaction
from lambda_src.core.response_headers import parse_tags
from lambda_src.core.stream_text import stream_texts
from lambda_src.core.trace import parse_trace
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord

GROWTH: Final = 4
MAX_RATIO: Final = 6.0
ATTEMPTS: Final = 8
"""Measurements of a reader that seems too slow: other load on the machine affects single ones."""
SHORTEST: Final = 0.002
"""Seconds. Shorter times count as this, because they are mostly overhead and noise."""

Reader = Callable[[bytes], object]
Builder = Callable[[int], bytes]
"""A body of about the given number of bytes."""

EVENT: Final = b"\x0b:event-type\x07\x00\x11contentBlockDelta"
UNITS: Final = {
    "letters": "a", "escapes": "\\u00e9", "half surrogates": "\\ud800", "spaces": "a ", "digits": "1", "groups": "1 ",
    "addresses": "a@", "dots": "a.b", "keys": "sk-", "tokens": "eyJ.", "bearers": "bearer ", "secrets": "password:",
    "urls": "data:", "percents": "a%40", "key parts": "aA1", "no-break spaces": "\u00a0-", "commas": "a=1,",
}  # fmt: skip
"""Repeated as the text of a message."""
ELEMENTS: Final = {
    "numbers": "1e9", "long numbers": "9" * 4_000, "booleans": "true", "empty lists": "[]",
    "nested": "[" * 300 + "]" * 300,
    "parts": '{"type":"text","text":"a"}', "unknown parts": '{"type":"x","content":[{"type":"y"}]}',
    "images": '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}',
    "sources": '{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}',
    "results": '{"type":"tool_result","content":[{"type":"text","text":"a","cache_control":{"ttl":"1h"}}]}',
    "cache points": '{"cachePoint":{"type":"default"}}',
    "tools": '{"type":"function","name":"f"}', "other tools": '{"type":"web_search"}',
    "messages": '{"role":"user","content":[{"text":"a"}],"output":[{"type":"text"}],"delta":{"text":"a"}}',
}  # fmt: skip
"""Repeated in lists."""
LISTS: Final = ("messages", "input", "tools", "system", "content", "metadata", "choices", "output", "usage", "delta")
EVENTS: Final = {
    "chunks": '{"choices":[{"index":0,"delta":{"content":"a"}}],"model":"m","service_tier":"flex"}',
    "usages": '{"choices":[],"usage":{"prompt_tokens":1},"model":""}',
    "quoted names": '{"a":"\\"usage\\" \\"model\\"","usage":1,"model":null,"service_tier":null}',
    "deltas": '{"type":"content_block_delta","index":0,"delta":{"text":"a"}}',
    "starts": '{"type":"message_start","message":{"usage":{"input_tokens":1}}}',
    "counts": '{"type":"message_delta","usage":{"output_tokens":1,"x":2},"delta":{"stop_reason":"end"}}',
    "completed": '{"type":"response.completed","response":{"usage":{"input_tokens":1},"model":"m"}}',
    "responses": '{"type":"response.output_text.delta","output_index":0,"delta":"a"}',
    "usages of choices": '{"choices":[{"index":0,"usage":{"prompt_tokens":1,"x":{"y":{"z":1}}}}]}',
    "usages of Groq": '{"x_groq":{"usage":{"prompt_tokens":1}},"choices":[]}',
    "iterations": '{"type":"message_delta","usage":{"iterations":[{"type":"advisor_message","model":"m"}]}}',
    "errors": '{"error":{"message":["a",{"b":"c"}]}}',
    "several values": '{},{}', "no JSON": "{", "empty": "",
}  # fmt: skip
"""Repeated as the data of events."""


def repeated(unit: str, size: int, separator: str = "") -> str:
    return separator.join([unit] * max(1, size // len((unit + separator).encode())))


def around(before: str, unit: str, after: str = "") -> Builder:
    """Builds bodies of `unit` repeated between `before` and `after`."""
    return lambda size: (before + repeated(unit, size) + after).encode()


def request_bodies() -> Iterator[tuple[str, Builder]]:
    """Bodies of requests, also used as JSON responses."""
    for name, unit in UNITS.items():
        yield f"text of {name}", around(f'{START}"messages":[{{"content":"', unit, '"}]}')
    for name, element in ELEMENTS.items():
        yield f"lists of {name}", lists(element)
    yield "fields", lambda size: f"{START}{fields(size)}}}".encode()
    yield "fields of a field", lambda size: f'{START}"usage":{{{fields(size)}}}}}'.encode()
    yield "duplicate field", lambda size: f'{START}{fields(size)},"model":""}}'.encode()
    yield "long field", around(f'{START}"', "K", '":["a"]}')
    yield "long type", around(f'{START}"tools":[{{"type":"', "t", '"}]}')
    yield "long model", around('{"model":"', "m", '"}')
    yield "long paths", lambda size: f'{START}"delta":{long_paths(size)}}}'.encode()
    for name, data in EVENTS.items():
        yield f"array of {name}", around("[", data + ",", "1]")
    yield "no JSON", around("", "{")
    yield "brackets", around("", "[")
    yield "unfinished", around(f'{START}"a":"', "a")
    yield "not UTF-8", lambda size: b"\xff" * size
    yield "lines", around("", "\n", "x")


START: Final = '{"model":"m","max_tokens":9,"stream":true,'


def lists(element: str) -> Builder:
    """Builds bodies with lists of `element` in all of `LISTS`."""

    def build(size: int) -> bytes:
        part = repeated(element, size // len(LISTS), ",")
        return (START + ",".join(f'"{name}":[{part}]' for name in LISTS) + "}").encode()

    return build


def fields(size: int) -> str:
    return ",".join(f'"a{number}":0' for number in range(size // 11))


def long_paths(size: int) -> str:
    """An object with many texts in a field with a long name."""
    return '{"' + "k" * (size // 2) + '":[' + repeated('"a"', size // 2, ",") + "]}"


def streams() -> Iterator[tuple[str, Builder]]:
    """Bodies of server-sent events."""
    for name, data in EVENTS.items():
        for end, newline in (("LF", "\n"), ("CRLF", "\r\n"), ("CR", "\r")):
            yield f"{end} stream of {name}", around("", f"data: {data}{newline * 2}")
    only = {"line ends": "\n", "carriage returns": "\r", "CRLF": "\r\n", "lines": "data:\n", "text": "a"}
    for name, line in only.items():
        yield f"stream of only {name}", around("data: {}\n\n", line)
    yield "stream with an event of many lines", around("", 'data: {"a":\n', "\n\n")
    yield "stream with long paths", lambda size: f'data: {{"delta":{long_paths(size)}}}\n\n'.encode()


def binary_streams() -> Iterator[tuple[str, Builder]]:
    """Bodies of AWS event streams."""
    small = frame(EVENT, b'{"delta":{"text":"a"},"contentBlockIndex":0}')
    yield "binary stream of deltas", lambda size: small * (size // len(small))
    yield "binary stream of empty messages", lambda size: frame(b"", b"") * (size // 16)
    yield "binary stream of headers", lambda size: frame(b"\x01a\x00" * (size // 3), b"{}")
    yield "binary stream of one message", lambda size: frame(EVENT, lists('"a"')(size))
    yield "damaged binary stream", lambda size: small * (size // len(small)) + b"\0" * size


def frame(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def read_request(route: Route) -> Reader:
    """Parse and forward a request, or write its error."""

    def read(body: bytes) -> None:
        try:
            parsed = DIALECTS[route.dialect].parse_request(route, parse_json(body, MEDIA_TYPE), len(body), "m")
            parsed.overrides["x"] = 1
            parsed.forwarded_body(body)
        except BadRequest as error:
            error.body(route.dialect, "id")
        except RecursionError:
            pass

    return read


def read_response(route: Route, stream: bool) -> Reader:
    """Parse a response, and write the usage line and row, the truncated stream and the texts of the prompt log."""
    parsed = ParsedRequest(body={}, model="m", stream=stream, usage_requested=False)

    def read(body: bytes) -> None:
        for complete in (True, False):
            response = parse_response(route, parsed, body, complete)
        record = UsageRecord(request_id="id", at_ms=0, environment="bench", usage_raw=response.usage.raw)
        usage_line(record, per_consumer=False)
        record.row()
        sse_events(response.body)
        stream_texts(route, body)

    return read


def read_prompt(body: bytes) -> None:
    """Mask a body for the prompt log. Its limit is above the size, so that all of it is searched."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = body.decode(errors="replace")
    Redaction().redact_and_truncate(value, 2 * len(body))


def read_headers(body: bytes) -> None:
    """Read headers that have the body's text, on one line and on many."""
    text = body.decode(errors="replace")
    names = ("x-tollgate-tags", "traceparent", "tracestate", "x-amzn-trace-id", "x-api-key")
    event = {
        "httpMethod": "GET",
        "requestContext": {"requestId": "id", "requestTimeEpoch": 0, "resourcePath": "/v1/models"},
        "headers": dict.fromkeys(names, text),
        "multiValueHeaders": {name: text.split(",") for name in names},
    }
    headers = HttpRequest.from_event(event).headers
    parse_trace(headers, "id")
    try:
        parse_tags(headers)
    except BadRequest as error:
        error.body("openai", "id")


def fit(body: bytes) -> None:
    """Cut a body to half its size, as if Lambda could return no more."""
    fitting_body(body, {"content-type": "application/json"}, room=MAX_ENCODED_BYTES - len(body) // 2)


def cases() -> Iterator[tuple[str, Reader, Builder]]:
    for route in ROUTES:
        if route.method != "POST":
            continue
        for name, body in request_bodies():
            yield f"{route.name} request, {name}", read_request(route), body
            yield f"{route.name} response, {name}", read_response(route, stream=False), body
        for name, body in binary_streams() if route.dialect == "bedrock" else streams():
            yield f"{route.name} response, {name}", read_response(route, stream=True), body
    for name, body in request_bodies():
        yield f"prompt log, {name}", read_prompt, body
    for name, unit in UNITS.items():
        yield f"headers of {name}", read_headers, around("", unit)
        yield f"large response of {name}", fit, around("", unit)


def seconds(read: Reader, body: bytes) -> float:
    """The CPU time of a read."""
    started = time.process_time()
    read(body)
    return max(SHORTEST, time.process_time() - started)


def growth(read: Reader, build: Builder, size: int) -> tuple[float, float]:
    """Seconds for `GROWTH` times `size` bytes, and their ratio to those for `size` bytes."""
    bodies = build(size), build(GROWTH * size)
    small, large = (seconds(read, body) for body in bodies)
    for _ in range(ATTEMPTS - 1):
        if large / small <= MAX_RATIO:
            break
        small, large = max(small, seconds(read, bodies[0])), min(large, seconds(read, bodies[1]))
    return large, large / small


def main() -> int:
    """Exit code: 0 if no reader exceeds the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--bytes", type=int, default=200_000, help="bytes of the smaller bodies; small ones fit into the CPU's caches"
    )
    size = parser.parse_args().bytes
    gc.disable()
    failed, worst = 0, 0.0
    for name, read, build in cases():
        took, ratio = growth(read, build, size)
        worst = max(worst, ratio)
        failed += ratio > MAX_RATIO
        print(f"{name:62} {took * 1000:7.0f} ms {ratio:5.1f}{'  TOO SLOW' if ratio > MAX_RATIO else ''}", flush=True)
        gc.collect()
    print(
        f"{GROWTH} times the bytes take at most {worst:.1f} times as long (target: {MAX_RATIO:.0f}); too slow: {failed}"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
