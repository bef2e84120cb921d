"""What an answer is: its bytes decide, never the request or the content type."""

from __future__ import annotations

import json

import pytest

from tests.money.answers import (
    BINARY,
    CHAT,
    CHUNK,
    COMPLETION,
    CONVERSE,
    CONVERSE_EVENTS,
    CONVERSE_STREAM,
    CONVERSED,
    COUNT,
    DONE,
    FULL,
    MESSAGE,
    MESSAGE_STREAM,
    MESSAGES,
    RESPONSE,
    RESPONSE_STREAM,
    RESPONSES,
    SSE,
    STOP,
    USAGE,
    Answers,
    sse,
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body", "media_type"),
    [
        (CHAT, json.dumps(COMPLETION), "application/json"),
        (CHAT, json.dumps([COMPLETION]), "application/json"),
        (CHAT, "\ufeff" + json.dumps(COMPLETION), "application/json"),
        (CHAT, sse(CHUNK, STOP, COUNT, end=DONE), SSE),
        (CHAT, sse(CHUNK, {**STOP, "usage": USAGE}), SSE),
        (CHAT, ": OPENROUTER PROCESSING\n\n" + sse(CHUNK, STOP, COUNT, end=DONE), SSE),
        (CHAT, "\n" + sse(CHUNK, STOP, COUNT, end=DONE), SSE),
        (CHAT, "\ufeff" + sse(CHUNK, STOP, COUNT, end=DONE), SSE),
        (CHAT, sse(CHUNK, STOP, COUNT, end=DONE).replace("\n", "\r\n"), SSE),
        (CHAT, sse(CHUNK, STOP, COUNT, end=DONE).replace("\n", "\r"), SSE),
        (CHAT, "id: 1\n" + sse(CHUNK, STOP, COUNT, end=DONE), SSE),
        (CHAT, sse(COMPLETION, end=DONE), SSE),
        (RESPONSES, json.dumps(RESPONSE), "application/json"),
        (RESPONSES, RESPONSE_STREAM, SSE),
        (MESSAGES, json.dumps(MESSAGE), "application/json"),
        (MESSAGES, MESSAGE_STREAM, SSE),
        (MESSAGES, "retry: 5\n" + MESSAGE_STREAM, SSE),
    ],
)
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/event-stream; charset=utf-8", "text/plain", ""]
)
def test_the_bytes_decide_what_an_answer_is(
    asked: Answers, path: str, body: str, media_type: str, stream: bool, content_type: str
) -> None:
    outcome = asked.ask(
        body, path, content_type=content_type, stream=stream,
        **({"stream_options": {"include_usage": True}} if stream and path == CHAT else {}),
    )  # fmt: skip
    assert (outcome.charge, outcome.row.get("error_code")) == (FULL, None)
    assert (outcome.tokens.input, outcome.tokens.output) == (70, 30)
    assert outcome.response.status == 200
    assert outcome.response.headers["content-type"].split(";")[0] == media_type
    assert outcome.response.body == body.encode()


@pytest.mark.parametrize("path", [CONVERSE, CONVERSE_STREAM])
@pytest.mark.parametrize(
    ("body", "media_type"), [(json.dumps(CONVERSED).encode(), "application/json"), (CONVERSE_EVENTS, BINARY)]
)
@pytest.mark.parametrize("content_type", ["application/json", BINARY])
def test_the_bytes_of_bedrock_decide_too(
    asked: Answers, path: str, body: bytes, media_type: str, content_type: str
) -> None:
    outcome = asked.ask(body, path, content_type=content_type)
    assert (outcome.charge, outcome.row.get("error_code")) == (FULL, None)
    assert outcome.response.headers["content-type"] == media_type
    assert outcome.response.body == body


@pytest.mark.parametrize("body", ["<html>", "[]", "[1, 2]", "null", '"text"', "data: [DONE]\n\n", ": ping\n\n", ""])
def test_what_is_no_answer_of_the_api_is_estimated(asked: Answers, body: str) -> None:
    outcome = asked.ask(body)
    assert (outcome.row["error_code"], outcome.row["status"]) == ("upstream_invalid", 502)
    assert outcome.row["usage_source"] == "estimated"
    assert outcome.cost >= 20 * 1_000


@pytest.mark.parametrize(
    ("events", "cost", "source", "code"),
    [
        ((CHUNK, {**STOP, "usage": USAGE}), 190_000, "reported", None),  # without [DONE]
        ((CHUNK, STOP), 33_000, "estimated", None),  # 25 typical tokens and 5 bytes of text
        ((CHUNK,), 33_000, "estimated", "upstream_incomplete"),
        ((CHUNK, {**CHUNK, "usage": USAGE}), 190_000, "estimated", "upstream_incomplete"),  # a running count
        ((CHUNK, COUNT), 190_000, "reported", None),
        (({"choices": [{"index": 0, "delta": {"content": "[DONE]"}, "finish_reason": None}], "usage": USAGE},),
         190_000, "estimated", "upstream_incomplete"),  # the text is no end
        (({"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"},
                       {"index": 1, "delta": {"content": "Hel"}, "finish_reason": None}]},),
         33_000, "estimated", "upstream_incomplete"),
    ],
)  # fmt: skip
def test_the_end_of_a_chat_stream(
    asked: Answers, events: tuple[object, ...], cost: int, source: str, code: str | None
) -> None:
    outcome = asked.ask(sse(*events), content_type=SSE, stream=True)
    assert (*outcome.charge, outcome.row.get("error_code")) == (cost, source, code)
