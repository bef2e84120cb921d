"""Token counts under every name and in every place, placeholders, and counts that contradict each other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_src.core.tokens import Tokens
from tests.money.answers import (
    CHUNK,
    COMPLETION,
    CONVERSE,
    CONVERSED,
    DONE,
    EMBEDDINGS,
    END,
    FULL,
    MESSAGE,
    MESSAGES,
    RATES,
    SSE,
    START,
    STOP,
    TEXT,
    USAGE,
    Answers,
    sse,
)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"num_cached_tokens": 60}, 136_000),  # Mistral: 10 × 1,000 + 60 × 100 + 30 × 4,000
        ({"prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 10}, 136_000),  # DeepSeek
        ({"cached_tokens": 60}, 136_000),  # Moonshot, Together
        ({"prompt_tokens_details": {"cached_tokens": 60}}, 136_000),
        ({"input_tokens_details": {"cached_tokens": 60}}, 136_000),
        ({"cached_tokens": 60, "prompt_tokens_details": {"cached_tokens": 60}}, 136_000),  # twice is once
        ({"cached_tokens": 60, "prompt_tokens_details": {"cached_tokens": 0}}, 136_000),  # 0 is a placeholder
        ({"cached_tokens": 60, "prompt_tokens_details": None}, 136_000),
        ({"prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 70}, 190_000),
        ({"prompt_tokens_details": {"cache_write_tokens": 60}}, 205_000),  # 10 × 1,000 + 60 × 1,250 + 120,000
        ({"prompt_tokens_details": {"cache_creation_input_tokens": 60}}, 205_000),  # Alibaba
        ({"cache_creation_input_tokens": 60}, 205_000),  # LiteLLM
        ({"prompt_tokens_details": {"cached_tokens": 0}, "cache_read_input_tokens": 60}, 136_000),
        ({"prompt_tokens_details": {  # 10 × 1,000 + 20 × 1,250 + 40 × 2,000
            "cache_creation_tokens": 60, "cache_creation_token_details": {"ephemeral_1h_input_tokens": 40}}}, 235_000),
        ({"prompt_tokens_details": {"audio_tokens": 60}}, 310_000),
        ({"completion_tokens_details": {"reasoning_tokens": 25}}, 190_000),  # inside the completion
        ({"input_tokens": 70, "output_tokens": 30}, 190_000),  # both spellings
        ({"total_tokens": 0}, 190_000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["usage", "x_groq", "choices"])
def test_spellings_and_places(asked: Answers, usage: dict[str, object], cost: int, place: str) -> None:
    counts: dict[str, object] = {**USAGE, **usage}
    last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if place == "choices":  # Moonshot
        last["choices"][0]["usage"] = counts
    else:
        last |= {"usage": counts} if place == "usage" else {"x_groq": {"id": "r", "usage": counts}}
    outcome = asked.ask(sse(CHUNK, last, end=DONE), content_type=SSE, stream=True)
    assert outcome.charge == (cost, "reported")
    assert json.loads(outcome.row["usage_raw"]) == counts


def test_writes_to_a_cache_of_an_hour_without_a_breakdown_cost_that(asked: Answers) -> None:
    """OpenRouter counts Claude's cache writes together: 10 × 1,000 + 60 × 2,000 + 30 × 4,000."""
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    usage = {**USAGE, "prompt_tokens_details": {"cache_write_tokens": 60}}
    outcome = asked.ask({**COMPLETION, "usage": usage}, messages=[{"role": "user", "content": [part]}])
    assert outcome.charge == (250_000, "estimated")
    assert outcome.tokens == Tokens(10, cache_write_1h=60, output=30)


ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize(
    "counts",
    [
        [ZERO, USAGE],
        [USAGE, ZERO],
        [None, USAGE, None],
        [ZERO, {"prompt_tokens": 70, "completion_tokens": 1, "total_tokens": 71}, USAGE, ZERO],
        [{"prompt_tokens": 70, "completion_tokens": 0}, {"prompt_tokens": 0, "completion_tokens": 30}],
        [{**USAGE, "prompt_tokens": None}, USAGE],
    ],
)
def test_placeholders_before_and_after_the_count(asked: Answers, counts: list[dict[str, Any] | None]) -> None:
    chunks = [{**CHUNK, "usage": usage} for usage in counts]
    outcome = asked.ask(sse(*chunks, STOP, end=DONE), content_type=SSE, stream=True)
    assert outcome.charge == FULL


@pytest.mark.parametrize(
    ("start", "delta", "charge"),
    [
        ({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 70, "output_tokens": 30}, FULL),
        ({"input_tokens": 70, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 30}, FULL),
        ({"input_tokens": 70, "output_tokens": 1}, {"input_tokens": None, "output_tokens": 30}, FULL),
        ({}, {"input_tokens": 70, "output_tokens": 30}, FULL),
        ({"input_tokens": 0, "output_tokens": 0}, {"output_tokens": 9}, (62_000, "estimated")),  # 26 typical tokens
        ({"input_tokens": 70, "output_tokens": 0}, {"output_tokens": 0}, (78_000, "estimated")),  # 5 bytes of text
    ],
)
def test_placeholders_of_messages(
    asked: Answers, start: dict[str, Any], delta: dict[str, Any], charge: tuple[int, str]
) -> None:
    events = ({**START, "message": {"usage": start}}, TEXT, {**END, "usage": delta}, {"type": "message_stop"})
    assert asked.ask(sse(*events), MESSAGES, content_type=SSE, stream=True).charge == charge


@pytest.mark.parametrize(
    ("usage", "cost", "source"),
    [
        ({"total_tokens": 3}, 3_000, "reported"),
        ({"prompt_tokens": 3, "total_tokens": 3}, 3_000, "reported"),
        ({"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}, 3_000, "reported"),
        ({"prompt_tokens": 0, "total_tokens": 3}, 3_000, "reported"),
        ({"prompt_tokens": 3, "total_tokens": 0}, 3_000, "reported"),
        ({"prompt_tokens": 3, "total_tokens": 5}, 5_000, "estimated"),
        ({"prompt_tokens": 5, "total_tokens": 3}, 5_000, "estimated"),
        ({"prompt_tokens": 0, "total_tokens": 0}, None, "estimated"),
        ({}, None, "estimated"),
    ],
)
def test_embeddings_have_input_only(asked: Answers, usage: dict[str, int], cost: int | None, source: str) -> None:
    body = {"object": "list", "data": [{"embedding": [0.25] * 9}], "usage": usage}
    outcome = asked.ask(body, EMBEDDINGS)
    assert outcome.row["usage_source"] == source
    if cost is None:
        assert 1_000 <= outcome.cost <= outcome.row["held_nano_usd"]
    else:
        assert outcome.cost == cost


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        # parts larger than the whole lie beside it
        ({"prompt_tokens_details": {"cached_tokens": 90}}, Tokens(70, 90, output=30)),
        ({"prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 40}},
         Tokens(70, 40, input_audio=40, output=30)),
        ({"prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 20}, Tokens(20, 60, output=30)),
        ({"prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 5}, Tokens(10, 60, output=30)),
        ({"completion_tokens_details": {"reasoning_tokens": 45}}, Tokens(70, output=75, reasoning=45)),
        ({"completion_tokens_details": {"audio_tokens": 45}}, Tokens(70, output=30, output_audio=45)),
        # two values: the smaller cache, the larger count
        ({"cached_tokens": 60, "num_cached_tokens": 50}, Tokens(20, 50, output=30)),
        ({"input_tokens": 80}, Tokens(80, output=30)),
        # gaps in the total are output
        ({"total_tokens": 120}, Tokens(70, output=50)),
        ({"total_tokens": 90}, Tokens(70, output=30)),
        ({"total_tokens": 10**15}, Tokens(70, output=400)),
        # garbled
        ({"prompt_tokens": "70"}, Tokens(70, output=30)),
        ({"prompt_tokens": -70}, Tokens(70, output=30)),  # the total says it
        ({"prompt_tokens": True}, Tokens(70, output=30)),
        ({"prompt_tokens": [70]}, Tokens(70, output=30)),
        ({"prompt_tokens": 69.5}, Tokens(70, output=30)),
        ({"completion_tokens": "30"}, Tokens(70, output=30)),
        ({"completion_tokens": "many"}, Tokens(70, output=30)),
        ({"completion_tokens": "many", "total_tokens": None}, Tokens(70, output=2)),  # 5 bytes of text
        ({"completion_tokens": 10**30, "total_tokens": None}, Tokens(70, output=400)),
        ({"completion_tokens": 0, "total_tokens": 70}, Tokens(70, output=2)),  # not 0: there is text
        ({"prompt_tokens_details": {"cached_tokens": -5}}, Tokens(70, output=30)),
        ({"prompt_tokens_details": {"cached_tokens": "60"}}, Tokens(10, 60, output=30)),
        ({"prompt_tokens": 0, "total_tokens": 30}, Tokens(21, output=30)),  # an input of 0 is no count
    ],
)  # fmt: skip
def test_contradictions_are_read_as_what_costs_more(asked: Answers, usage: dict[str, Any], tokens: Tokens) -> None:
    outcome = asked.ask({**COMPLETION, "usage": {**USAGE, **usage}})
    assert (outcome.tokens, outcome.row["usage_source"]) == (tokens, "estimated")
    rates = {name: price // 1_000_000 for name, price in RATES.items()}
    expected = sum(getattr(tokens, name) * price for name, price in rates.items() if name != "above")
    assert outcome.cost == expected <= outcome.row["held_nano_usd"]


@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "total_tokens"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"\\ud800"', "9" * 4_000, "{}", '"5e3"'])
def test_numbers_that_json_lacks_are_estimated(asked: Answers, name: str, value: str) -> None:
    usage = json.dumps({**USAGE, name: 0}).replace(f'"{name}": 0', f'"{name}": {value}')
    body = json.dumps({**COMPLETION, "usage": {}}).replace('"usage": {}', f'"usage": {usage}')
    outcome = asked.ask(body)  # asserts that the line is JSON of RFC 8259
    assert outcome.row["usage_source"] == "estimated"
    assert 21 * 1_000 + 2 * 4_000 <= outcome.cost <= outcome.row["held_nano_usd"]


@pytest.mark.parametrize(
    ("path", "answer", "usage", "cost"),
    [
        (MESSAGES, MESSAGE,
         {"cache_creation_input_tokens": 10, "cache_creation": {"ephemeral_1h_input_tokens": 20}}, 230_000),
        (MESSAGES, MESSAGE, {"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 45}}, 370_000),
        (MESSAGES, MESSAGE, {"input_tokens": "70"}, 190_000),
        (MESSAGES, MESSAGE, {"cache_read_input_tokens": -1}, 190_000),
        (CONVERSE, CONVERSED, {"totalTokens": 120}, 270_000),
        (CONVERSE, CONVERSED, {"totalTokens": 50}, 190_000),
        (CONVERSE, CONVERSED,
         {"cacheWriteInputTokens": 10, "cacheDetails": [{"ttl": "1h", "inputTokens": 20}], "totalTokens": 0}, 230_000),
    ],
)  # fmt: skip
def test_contradictions_of_other_apis(
    asked: Answers, path: str, answer: dict[str, Any], usage: dict[str, Any], cost: int
) -> None:
    outcome = asked.ask({**answer, "usage": {**answer["usage"], **usage}}, path)
    assert outcome.charge == (cost, "estimated")
