"""Errors and refusals: which cost nothing, which are billed, and what log and metrics see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.money.answers import (
    BINARY,
    CHAT,
    CHUNK,
    COMPLETION,
    CONVERSE,
    CONVERSE_STREAM,
    COUNT,
    DONE,
    END,
    MESSAGE,
    MESSAGES,
    RESPONSE,
    RESPONSES,
    SSE,
    START,
    STOP,
    TEXT,
    USAGE,
    Answers,
    sse,
)
from tests.unit.test_dialect_responses import frame


def error(code: object = 429, **fields: object) -> dict[str, Any]:
    return {"error": {"message": "Provider returned error", "code": code, **fields}}


FAILED = {
    **RESPONSE,
    "status": "failed",
    "output": [],
    "usage": None,
    "error": {"code": "server_error", "message": "m"},
}
ERROR_CHUNK = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}], **error(502)}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("path", "body", "code", "status"),
    [
        (CHAT, error(429), "upstream_throttled", 429),
        (CHAT, error("429"), "upstream_throttled", 429),
        (CHAT, error("rate_limit_exceeded"), "upstream_throttled", 429),
        (CHAT, error(None, status="RESOURCE_EXHAUSTED"), "upstream_throttled", 429),
        (CHAT, error(400), "upstream_refused", 400),
        (CHAT, error(None, type="invalid_request_error"), "upstream_refused", 400),
        (CHAT, error(503), "upstream_error", 503),
        (CHAT, error(7), "upstream_error", 502),
        (CHAT, error(10**400), "upstream_error", 502),
        (CHAT, {"error": "model is loading"}, "upstream_error", 502),
        (CHAT, {"object": "error", "message": "m", "code": 400}, "upstream_refused", 400),  # vLLM
        (CHAT, {"base_resp": {"status_code": 1002, "status_msg": "m"}, "choices": None}, "upstream_error", 502),
        (CHAT, [error(429)], "upstream_throttled", 429),  # Gemini
        (CHAT, {"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "error", **error(502)}]},
         "upstream_error", 502),
        (CHAT, {**error(429), "usage": {"prompt_tokens": 0, "completion_tokens": 0}}, "upstream_throttled", 429),
        (CHAT, sse(error(429), end=DONE), "upstream_throttled", 429),
        (CHAT, sse({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}, ERROR_CHUNK, end=DONE),
         "upstream_error", 502),
        (RESPONSES, FAILED, "upstream_error", 500),
        (RESPONSES, sse({"type": "response.created", "response": {"status": "in_progress", "output": []}},
                        {"type": "response.failed", "response": FAILED}), "upstream_error", 500),
        (RESPONSES, sse({"type": "error", "code": "rate_limit_exceeded", "message": "m"}), "upstream_throttled", 429),
        (MESSAGES, OVERLOADED, "upstream_error", 529),
        (MESSAGES, sse(START, OVERLOADED), "upstream_error", 529),
        (MESSAGES, sse({"type": "error", "error": {"type": "rate_limit_error"}}), "upstream_throttled", 429),
        (CONVERSE, {"message": "Too many requests"}, "upstream_error", 502),
        (CONVERSE, {"__type": "com.amazon.coral#ThrottlingException", "message": "m"}, "upstream_throttled", 429),
        (CONVERSE_STREAM, frame("throttlingException", {"message": "m"}, ":exception-type"), "upstream_throttled", 429),
        (CONVERSE_STREAM, frame("messageStart", {"role": "assistant"})
         + frame("validationException", {"message": "m"}, ":exception-type"), "upstream_refused", 400),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_before_any_output_costs_nothing(
    asked: Answers, path: str, body: object, code: str, status: int, stream: bool
) -> None:
    outcome = asked.ask(body, path, content_type=BINARY if path == CONVERSE_STREAM else "application/json",
                        **({} if path.startswith("/bedrock") else {"stream": stream}))  # fmt: skip
    assert outcome.charge == (0, "none")
    assert (outcome.row["error_code"], outcome.row["status"], outcome.row["upstream_status"]) == (code, status, 200)
    assert outcome.tokens.total == 0
    assert (outcome.line["Errors"], outcome.line["level"]) == ((1, "ERROR") if status >= 500 else (0, "INFO"))
    assert outcome.line["UpstreamErrors"] == int(status == 429 or status >= 500)
    assert outcome.line.get("UpstreamThrottles", 0) == int(status == 429)
    assert outcome.response.status == 200, "the caller gets the provider's response as it is"


@pytest.mark.parametrize("body", [error(401), error(402), error("insufficient_quota"), sse(error(401)), [error(402)]])
def test_an_error_about_our_account_is_ours(asked: Answers, body: object) -> None:
    outcome = asked.ask(body)
    assert (outcome.charge, outcome.row["error_code"]) == ((0, "none"), "provider_account_rejected")
    assert (outcome.response.status, outcome.row["status"]) == (502, 502)
    assert b"Provider returned error" not in outcome.response.body


@pytest.mark.parametrize(
    ("path", "body", "cost", "source"),
    [
        (CHAT, {**COMPLETION, **error(502)}, 190_000, "reported"),
        (CHAT, {**error(502), "usage": USAGE}, 190_000, "reported"),  # billed, since it is counted
        (CHAT, sse(CHUNK, ERROR_CHUNK, COUNT, end=DONE), 190_000, "reported"),
        (CHAT, sse(CHUNK, ERROR_CHUNK, end=DONE), 33_000, "estimated"),  # 25 typical tokens and 5 bytes of text
        (RESPONSES, {**FAILED, "usage": RESPONSE["usage"]}, 190_000, "reported"),
        (RESPONSES, {**FAILED, "output": RESPONSE["output"]}, 27_000, "estimated"),
        (MESSAGES, sse(START, TEXT, OVERLOADED), 78_000, "estimated"),  # 70 counted tokens and 5 bytes of text
    ],
)
def test_an_error_after_output_is_charged(asked: Answers, path: str, body: object, cost: int, source: str) -> None:
    outcome = asked.ask(body, path, content_type=SSE if isinstance(body, str) else "application/json", stream=True)
    assert (*outcome.charge, outcome.row["error_code"]) == (cost, source, "upstream_incomplete")


FILTERED = {"message": "filtered", "type": None, "param": "prompt", "code": "content_filter", "status": 400}
POLICY = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        (FILTERED, 21_000),
        ({**FILTERED, "innererror": POLICY}, 21_000),
        ({**FILTERED, "code": "invalid_request_error", "innererror": POLICY}, 21_000),
        ({**FILTERED, "code": "invalid_request_error"}, 0),
        ({**FILTERED, "code": "content_policy_violation"}, 0),
    ],
)
def test_azure_bills_the_prompt_that_its_filter_refused(
    asked: Answers, status: int, fields: dict[str, Any], cost: int
) -> None:
    outcome = asked.ask({"error": fields}, status=status)
    assert outcome.charge == (cost, "estimated" if cost else "none")
    assert (outcome.row["error_code"], outcome.row["status"]) == ("upstream_refused", 400)
    assert outcome.tokens.output == 0
    assert outcome.response.status == status


def test_no_other_api_bills_a_refused_request(asked: Answers) -> None:
    for path in (MESSAGES, CONVERSE):
        assert asked.ask({"error": FILTERED}, path, status=400).charge == (0, "none")


def refused(*content: dict[str, Any]) -> dict[str, Any]:
    return {**MESSAGE, "content": list(content), "stop_reason": "refusal"}


REFUSED = {**END, "delta": {"stop_reason": "refusal"}}
EMPTY = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
THINKING = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}
STOPPED = {"type": "message_stop"}


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        (refused(), 0),
        (refused({"type": "text", "text": ""}), 0),
        (refused({"type": "text", "text": "I"}), 190_000),
        (refused({"type": "thinking", "thinking": "", "signature": "s"}), 190_000),
        (refused({"type": "tool_use", "name": "f", "input": {}}), 190_000),
        (sse(START, REFUSED, STOPPED), 0),
        (sse(START, EMPTY, REFUSED, STOPPED), 0),
        (sse(START, TEXT, REFUSED, STOPPED), 190_000),
        (sse(START, THINKING, REFUSED, STOPPED), 190_000),
        (sse(START, END, STOPPED), 190_000),  # no text, and no refusal
    ],
)
def test_a_refusal_before_any_output_is_not_billed(asked: Answers, body: object, cost: int) -> None:
    outcome = asked.ask(body, MESSAGES, stream=isinstance(body, str))
    assert (*outcome.charge, outcome.row.get("error_code")) == (cost, "reported", None)
    assert outcome.tokens.total == (100 if cost else 0)
    assert json.loads(outcome.row["usage_raw"])["input_tokens"] == 70, "the provider's count stays visible"


def test_a_truncated_answer_is_a_stream_only_if_the_provider_sent_one(asked: Answers) -> None:
    outcome = asked.ask(COMPLETION, stream=True, cut=True)
    assert (outcome.response.status, outcome.row["error_code"]) == (400, "upstream_cut")
    assert json.loads(outcome.response.body)["error"]["code"] == "upstream_cut"
    assert outcome.response.headers["content-type"] == "application/json"
    outcome = asked.ask(sse(CHUNK, STOP, COUNT, end=DONE), stream=True, cut=True)  # with the content type of JSON
    assert (outcome.response.status, outcome.row["error_code"]) == (200, "upstream_cut")
    assert outcome.response.headers["content-type"] == SSE
    assert b"ended before it was complete" in outcome.response.body
