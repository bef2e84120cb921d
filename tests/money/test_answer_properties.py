"""Whatever a usage object says: a consistent one is charged exactly, any other at least at each of its plausible
readings and at most at what the request could cost."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lambda_src.contract import STANDARD_TIER, Config, Route
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.usage_fields import ANTHROPIC, BEDROCK, OPENAI, Table
from lambda_src.core.estimate import Estimate, estimate
from lambda_src.core.policy import Model, Policy
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from tests.bench import PER_TOKEN
from tests.metering import meter
from tests.money.answers import CHAT, CONVERSE, MESSAGES, REQUESTS
from tests.unit.test_metering import ROUTE, response

MODEL = Model(
    name="m", provider="p", upstream="m", prices=Prices({STANDARD_TIER: (Rates(0, PER_TOKEN),)}), price_version="1",
    max_output_tokens=4_000, max_input_tokens=200_000,
)  # fmt: skip
POLICY = Policy(consumer="c", plan="p", models=frozenset("m"))
MAX_OUTPUT = 400
APIS: dict[str, tuple[str, Table]] = {
    "chat": (CHAT, OPENAI), "messages": (MESSAGES, ANTHROPIC), "converse": (CONVERSE, BEDROCK)
}  # fmt: skip


def charged(route: Route, usage: object, text: str = "Hello") -> tuple[UsageRecord, Estimate]:
    """The record of an answer with this usage to a request of two letters, and the estimate for it."""
    path, _ = APIS[route.name]
    body = REQUESTS[path]
    parsed = DIALECTS[route.dialect].parse_request(route, body, len(json.dumps(body)), "m")
    held = estimate(parsed, MODEL, POLICY, Config(environment="e", table="t", providers={}))
    message = {
        "chat": {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]},
        "messages": {"type": "message", "content": [{"type": "text", "text": text}]},
        "converse": {"output": {"message": {"content": [{"text": text}]}}},
    }[route.name]
    record = UsageRecord(request_id="r", at_ms=0, environment="e", held_nano_usd=held.amount)
    meter(record, route, parsed, MODEL, held, response(json.dumps({**message, "usage": usage}).encode()))
    return record, held


counts = st.integers(0, 500)
few = st.integers(1, 500)


@given(few, few, st.sampled_from(OPENAI["cache_read"]), st.data())
def test_consistent_counts_of_openai_are_exact(
    prompt: int, completion: int, spelling: Any, data: st.DataObject
) -> None:
    cached = data.draw(st.integers(0, prompt))
    reasoning = data.draw(st.integers(0, completion))
    usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    usage |= {"total_tokens": prompt + completion} if data.draw(st.booleans()) else {}
    usage |= {"completion_tokens_details": {"reasoning_tokens": reasoning}} if data.draw(st.booleans()) else {}
    place = usage
    for name in spelling.path[:-1]:
        place = place.setdefault(name, {})
    place[spelling.path[-1]] = cached
    record, _ = charged(ROUTE["chat"], usage)
    assert record.usage_source == "reported"
    assert record.cost_nano_usd == (prompt - cached) * 1_000 + cached * 100 + completion * 4_000


@given(few, counts, counts, few)
def test_consistent_counts_of_the_others_are_exact(plain: int, read: int, written: int, output: int) -> None:
    cost = plain * 1_000 + read * 100 + written * 1_250 + output * 4_000
    message = {"input_tokens": plain, "cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    record, _ = charged(ROUTE["messages"], {**message, "output_tokens": output})
    assert (record.cost_nano_usd, record.usage_source) == (cost, "reported")
    converse = {"inputTokens": plain, "cacheReadInputTokens": read, "cacheWriteInputTokens": written}
    total = plain + read + written + output
    record, _ = charged(ROUTE["converse"], {**converse, "outputTokens": output, "totalTokens": total})
    assert (record.cost_nano_usd, record.usage_source) == (cost, "reported")


@given(few, few, counts, counts, counts, counts)
def test_contradictory_counts_cost_at_least_every_plausible_reading(
    prompt: int, completion: int, cached: int, audio: int, reasoning: int, total: int
) -> None:
    usage = {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": audio},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }  # fmt: skip
    record, held = charged(ROUTE["chat"], usage)
    parts = Tokens(cache_read=cached, input_audio=audio)
    inputs = [parts + Tokens(input=max(0, prompt - parts.total_input))]
    inputs += [parts + Tokens(input=prompt)] if parts.total_input > prompt else []
    outputs = [completion, total - prompt if total > prompt + completion else 0]
    outputs += [completion + reasoning] if reasoning > completion else []
    readings = [each + Tokens(output=output) for each in inputs for output in outputs]
    if record.usage_source == "reported":
        assert parts.total_input <= prompt
        assert total in (0, prompt + completion, prompt + completion + reasoning)
    for reading in readings:
        if parts.total_input <= prompt or reading.total_input > prompt:
            limited = reading.limited(held.input_bound, held.output_bound)
            assert record.cost_nano_usd >= min(held.amount, MODEL.prices.cost(limited))


def reject_constant(name: str) -> object:
    raise AssertionError(f"{name} is not JSON")


NAMES = st.sampled_from(["cached_tokens", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | counts | counts.map(str),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@given(st.sampled_from(sorted(APIS)), st.data())
def test_any_usage_costs_something_and_an_estimate_at_most_the_held_amount(name: str, data: st.DataObject) -> None:
    fields = sorted({spelling.path[0] for spellings in APIS[name][1].values() for spelling in spellings})
    usage = data.draw(st.dictionaries(st.sampled_from(fields), JSON) | JSON)
    record, held = charged(ROUTE[name], usage)
    assert record.cost_nano_usd > 0
    assert record.tokens.total_input > 0
    if record.usage_source == "estimated":
        assert record.cost_nano_usd <= held.amount
        assert record.tokens.total_output <= MAX_OUTPUT
    json.loads(usage_line(record, per_consumer=True), parse_constant=reject_constant)
