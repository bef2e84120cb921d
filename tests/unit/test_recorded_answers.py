"""Real answers of providers, reduced to their facts, and the figures counted from them by hand.

tests/fixtures/answers/recorded/README.md describes the recordings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_src.contract import EVENT_STREAM_MEDIA_TYPE
from lambda_src.core.dialects.parsed_request import MEDIA_TYPE, ParsedRequest
from lambda_src.core.dialects.response_reader import parse_response
from lambda_src.core.dialects.server_sent_events import SSE_MEDIA_TYPE
from lambda_src.core.tokens import Tokens
from tests.unit.test_dialect_responses import frame
from tests.unit.test_parsed_request import ROUTE

RECORDED = Path(__file__).parent.parent / "fixtures" / "answers" / "recorded"
ANSWERS: list[dict[str, Any]] = [
    json.loads(line)
    for path in sorted(RECORDED.glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
FACTS = {
    "type", "object", "model", "service_tier", "finish_reason", "native_finish_reason", "stop_reason", "stopReason",
    "status", "role", "code", "speed", "inference_geo", "provider", "ttl", "reason", "phase", "truncation",
    "search_context_size", "currency", "embedding",
}  # fmt: skip
"""The fields whose strings are facts. Those of all others are filler."""


def body_of(answer: dict[str, Any]) -> tuple[bytes, str]:
    """The bytes and the media type of an answer."""
    if "body" in answer:
        return json.dumps(answer["body"]).encode(), MEDIA_TYPE
    if answer["route"] == "converse_stream":
        return b"".join(frame(kind, payload) for kind, payload in answer["events"]), EVENT_STREAM_MEDIA_TYPE
    return "".join(server_sent_event(kind, data) for kind, data in answer["events"]).encode(), SSE_MEDIA_TYPE


def server_sent_event(kind: str | None, data: object) -> str:
    if kind == ":":
        return ": comment\n\n"
    text = data if isinstance(data, str) else json.dumps(data)
    return f"event: {kind}\ndata: {text}\n\n" if kind else f"data: {text}\n\n"


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer["name"])
def test_recorded_answer_is_read_as_counted_by_hand(answer: dict[str, Any]) -> None:
    body, media_type = body_of(answer)
    route, expected = ROUTE[answer["route"]], answer["expected"]
    request = ParsedRequest(body={}, model="m", stream="events" in answer, usage_requested=True)
    response = parse_response(route, request, body, True)
    usage = response.usage
    assert usage.tokens == Tokens(**expected["tokens"])
    assert usage.reported == expected["reported"]
    assert usage.calls == expected.get("calls", {})
    assert usage.others == tuple((model, Tokens(**tokens)) for model, tokens in expected.get("others", []))
    assert (usage.model, usage.service_tier or "standard") == (expected["model"], expected["tier"])
    assert (response.failed, response.media_type, response.body) == (expected["failed"], media_type, body)


def test_recordings_are_of_many_providers() -> None:
    """Each with one name, so that a failure names its answer."""
    names = {answer["name"] for answer in ANSWERS}
    assert len(names) == len(ANSWERS) >= 200
    assert len({name.split()[0] for name in names}) >= 12
    assert {answer["route"] for answer in ANSWERS} >= {name for name, route in ROUTE.items() if route.billable}


def test_recordings_have_no_text() -> None:
    """Texts of other projects, and what a user wrote, do not belong in this repository."""
    for answer in ANSWERS:
        payloads = [answer["body"]] if "body" in answer else [data for _, data in answer["events"]]
        for field, text in strings(payloads):
            assert field in FACTS or text == "[DONE]" or not text.strip("x"), (answer["name"], field, text)


def strings(value: object, field: str = "") -> Iterator[tuple[str, str]]:
    """Each string of a document with the name of its field."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, field)
    elif isinstance(value, str):
        yield field, value
