"""Responses near Lambda's limit of 6 MB. Lambda fails an invocation whose response is larger, after the charge."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from socket import socket

import pytest

from lambda_src.contract import Provider
from lambda_src.core.http_event import MAX_ENCODED_BYTES, HttpResponse, fitting_body
from tests.bench import Bench, chat, error_of, request
from tests.gateway.conftest import rows_of, send
from tests.gateway.test_provider_connection import serving
from tests.linear_time import linear_time

LAMBDA_LIMIT = 6_291_456
JSON = {"content-type": "application/json"}
EVENT_STREAM = {"content-type": "application/vnd.amazon.eventstream"}
FILLERS = {
    "letters": "a",
    "quotes": '"',
    "newlines": "\n",
    "controls": "\x01",
    "separators": "\u2028",
    "emoji": "\N{GRINNING FACE}",
    "mixed": 'é"\\\x1f\u2029\N{GRINNING FACE}',
}


def serialized(response: HttpResponse) -> int:
    """Bytes that Lambda's runtime writes for Python 3.13, at worst: simplejson without ensure_ascii.

    github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/lambda_runtime_marshaller.py
    """
    text = json.dumps(response.to_event(), ensure_ascii=False)
    return len(text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode())


def filled(encoded: int, filler: str, start: str = "", end: str = "") -> bytes:
    """`start`, as many `filler` as fit, and `end`: a body that takes `encoded` bytes in a serialized response."""
    envelope = serialized(HttpResponse(status=200, body=b""))

    def size(text: str) -> int:
        return serialized(HttpResponse(status=200, body=text.encode())) - envelope

    left = encoded - size(start + end)
    count, padding = divmod(left, size(filler))
    return (start + filler * count + "x" * padding + end).encode()


@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
def test_the_largest_body_fits_and_one_byte_more_does_not(filler: str) -> None:
    largest, larger = filled(MAX_ENCODED_BYTES, filler), filled(MAX_ENCODED_BYTES + 1, filler)
    headers = {f"x-header-{number}": "v" * 512 for number in range(20)}  # as much as API Gateway returns
    assert LAMBDA_LIMIT - 8_192 < serialized(HttpResponse(status=200, body=largest, headers=headers)) <= LAMBDA_LIMIT
    assert fitting_body(largest, JSON) == largest
    part = fitting_body(larger, JSON)
    assert part != larger
    assert larger.startswith(part)
    part.decode()  # no character is cut in two
    assert serialized(HttpResponse(status=200, body=part, headers=headers)) <= LAMBDA_LIMIT
    assert len(fitting_body(largest, JSON, room=1)) < len(largest)


@pytest.mark.parametrize(("body", "headers"), [(b"\x01", EVENT_STREAM), (b"\xff", JSON)])
def test_base64_is_counted(body: bytes, headers: dict[str, str]) -> None:
    largest = body * (MAX_ENCODED_BYTES // 4 * 3)
    event = HttpResponse(status=200, body=largest, headers=headers).to_event()
    assert event["body"] == base64.b64encode(largest).decode()
    assert len(str(event["body"])) == MAX_ENCODED_BYTES
    assert fitting_body(largest, headers) == largest
    assert len(fitting_body(largest + body, headers)) < len(largest)


@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
def test_large_bodies_are_fitted_in_linear_time(filler: str) -> None:
    body = filled(2 * MAX_ENCODED_BYTES, filler)
    with linear_time():
        fitting_body(body, JSON)


def test_ordinary_bodies_are_not_read() -> None:
    class Unread(bytes):
        def decode(self, *_: object, **__: object) -> str:
            raise AssertionError("decoded")

        translate = count = decode

    small = Unread(filled(MAX_ENCODED_BYTES // 6, "a"))
    assert fitting_body(small, JSON) is small


def answering(
    body: bytes, head: bytes = b"200 OK\r\ncontent-type: application/json"
) -> Callable[[socket, bytes], None]:
    """A provider that always sends `body`."""
    response = b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (head, len(body), body)
    return lambda connection, _: connection.sendall(response)


def answer(bench: Bench, port: int, body: object, path: str = "/v1/chat/completions") -> HttpResponse:
    gateway = bench.gateway()
    gateway.config.providers["openai"] = Provider(kind="openai", base_url=f"http://127.0.0.1:{port}/v1")
    return send(gateway, request("key-free", body, path=path))


START = '{"id": "c", "object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "'
END = '"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}'
IN_JSON = ['\\"', "\\n", "\\u0001", "\u2028", "\N{GRINNING FACE}", "a"]
"""Fillers as a JSON string has them: its quotes and backslashes are escaped once more in Lambda's response."""


@pytest.mark.parametrize("filler", IN_JSON)
@pytest.mark.parametrize("excess", [0, 1])
def test_caller_gets_the_largest_response_or_an_error(bench: Bench, filler: str, excess: int) -> None:
    body = filled(MAX_ENCODED_BYTES + excess, filler, START, END)
    with serving(answering(body)) as (port, _):
        response = answer(bench, port, chat())
    assert serialized(response) <= LAMBDA_LIMIT
    (row,) = rows_of(bench, response)
    assert (row["usage_source"], row["tokens_output"]) == ("reported", 5), "the provider's count is charged"
    assert int(str(row["cost_nano_usd"])) == 7 * 1_000 + 5 * 4_000
    if excess == 0:
        assert (response.status, response.body == body) == (200, True)
        assert row.get("error_code") is None
    else:
        assert row["error_code"] == error_of(response)["code"] == "answer_too_large"
        assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("filler", ['\\"', "\u2028", "a"])
def test_large_stream_ends_with_an_error_event(bench: Bench, filler: str) -> None:
    content = '{"object": "chat.completion.chunk", "choices": [{"delta": {"content": "' + filler * 3_000 + '"}}]}'
    usage = '{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}'
    events = [content] * (6_000_000 // len(content.encode())) + [usage, "[DONE]"]
    body = "".join(f"data: {event}\n\n" for event in events).replace("a" * 3_000, "a" * 3_400).encode()
    with serving(answering(body, b"200 OK\r\ncontent-type: text/event-stream")) as (port, _):
        response = answer(bench, port, chat(stream=True))
    assert response.status == 200
    assert LAMBDA_LIMIT * 0.9 < serialized(response) <= LAMBDA_LIMIT
    *_, last, end = response.body.split(b"\n\n")
    assert end == b""
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "answer_too_large"
    (row,) = rows_of(bench, response)
    assert row["error_code"] == "answer_too_large"


def test_stream_of_a_few_large_events_fits(bench: Bench) -> None:
    """The Responses API repeats the instructions in several events. Where the error event has no room either, the
    response is an error instead of a stream."""
    data = {"response": {"id": "r", "instructions": "a" * 4_000_000}}
    events = [{"type": f"response.{name}", **data} for name in ("created", "in_progress", "completed")]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
    asked = {"model": "standin-small", "input": "Say hello.", "stream": True}
    with serving(answering(body, b"200 OK\r\ncontent-type: text/event-stream")) as (port, _):
        response = answer(bench, port, asked, "/v1/responses")
    assert b"answer_too_large" in response.body
    assert serialized(response) <= LAMBDA_LIMIT


def test_large_error_response_is_cut(bench: Bench) -> None:
    body = b"\n" * 4_000_000
    with serving(answering(body, b"400 Bad Request\r\ncontent-type: application/json")) as (port, _):
        response = answer(bench, port, chat())
    assert response.status == 400
    assert serialized(response) <= LAMBDA_LIMIT
