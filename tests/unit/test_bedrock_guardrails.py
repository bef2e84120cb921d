"""Bedrock's guardrails: a blocked prompt costs no tokens, and the row has the units that AWS charges for."""

from __future__ import annotations

import json

import pytest

from lambda_src.contract import ROUTES
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord
from tests.metering import meter
from tests.unit.test_dialect_responses import frame
from tests.unit.test_metering import ESTIMATE, MODEL, response

MESSAGE = "Sorry, the assistant cannot answer this."
NO_TOKENS = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


def trace(**units: int) -> dict[str, object]:
    assessment = {"gr1": {"invocationMetrics": {"guardrailProcessingLatency": 240, "usage": units}}}
    return {"guardrail": {"inputAssessment": assessment}}


def metered(usage: dict[str, int] | None, units: dict[str, object], reason: str, *, stream: bool) -> UsageRecord:
    document = {"stopReason": reason, "trace": units} | ({} if usage is None else {"usage": usage})
    body = json.dumps({"output": {"message": {"content": [{"text": MESSAGE}]}}, **document}).encode()
    if stream:
        metadata = {"trace": units} | ({} if usage is None else {"usage": usage})
        body = frame("contentBlockDelta", {"delta": {"text": MESSAGE}, "contentBlockIndex": 0})
        body += frame("messageStop", {"stopReason": reason}) + frame("metadata", metadata)
    name = "converse_stream" if stream else "converse"
    route = next(route for route in ROUTES if route.name == name)
    record = UsageRecord(request_id="r", at_ms=0, environment="e")
    meter(record, route, ParsedRequest(body={}, model="m", stream=stream), MODEL, ESTIMATE, response(body))
    return record


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_prompt_costs_no_tokens(stream: bool) -> None:
    units = trace(topicPolicyUnits=1, contentPolicyUnits=2, wordPolicyUnits=0)
    record = metered(NO_TOKENS, units, "guardrail_intervened", stream=stream)
    assert (record.cost_nano_usd, record.tokens, record.usage_source) == (0, Tokens(), "reported")
    assert (record.status, record.error_code) == (200, None)
    assert record.usage_raw == {**NO_TOKENS, "guardrailUnits": {"topicPolicyUnits": 1, "contentPolicyUnits": 2}}


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_response_is_charged(stream: bool) -> None:
    """Units of the prompt's and the response's assessments are added."""
    guardrail = {
        "inputAssessment": {"gr1": {"invocationMetrics": {"usage": {"topicPolicyUnits": 3}}}},
        "outputAssessments": {"gr1": [{"invocationMetrics": {"usage": {"topicPolicyUnits": 4}}}]},
    }
    counts = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
    record = metered(counts, {"guardrail": guardrail}, "guardrail_intervened", stream=stream)
    assert (record.cost_nano_usd, record.usage_source) == (39_000, "reported")  # 11 × 1,000 + 7 × 4,000
    assert record.usage_raw == {**counts, "guardrailUnits": {"topicPolicyUnits": 7}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("usage", "reason"), [(NO_TOKENS, "end_turn"), (None, "guardrail_intervened")])
def test_missing_counts_are_still_estimated(usage: dict[str, int] | None, reason: str, stream: bool) -> None:
    record = metered(usage, {}, reason, stream=stream)
    assert (record.cost_nano_usd, record.usage_source) == (80_000, "estimated")  # 40 × 1,000 + 10 × 4,000
