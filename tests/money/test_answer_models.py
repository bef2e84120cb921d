"""Which model an answer is priced as, and the provider's own id of a request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import PER_TOKEN
from tests.money.answers import CHAT, COMPLETION, FULL, MESSAGE, MESSAGES, Answers

ADVICE = {"type": "advisor_message", "model": "claude-large", "input_tokens": 40, "cache_read_input_tokens": 5,
          "cache_creation_input_tokens": 0, "output_tokens": 10}  # fmt: skip
LARGE = {"above": 0, **{name: 5 * price for name, price in PER_TOKEN.items()}}
SMALL = {"above": 0, **{name: price // 2 for name, price in PER_TOKEN.items()}}


@pytest.fixture(autouse=True)
def other_models(asked: Answers) -> None:
    """Models of five times and of half the price."""
    bench = asked.bench
    bench.add_model("dear", upstream="gpt-large", prices={"standard": [LARGE]}, price_version="dear-1")
    bench.add_model("dear-2026", upstream="gpt-large-2026-01-31", prices={"standard": [SMALL]}, price_version="dated-1")
    bench.add_model("cheap", upstream="vendor/gpt-mini", prices={"standard": [SMALL]}, price_version="cheap-1")
    bench.add_model("twin-a", upstream="twin", prices={"standard": [SMALL]}, price_version="a")
    bench.add_model("twin-b", upstream="twin", prices={"standard": [LARGE]}, price_version="b")
    bench.add_model("elsewhere", "anthropic", upstream="gpt-elsewhere", prices={"standard": [LARGE]})
    bench.add_model("advisor", "anthropic", upstream="claude-large", prices={"standard": [LARGE]})


@pytest.mark.parametrize(
    ("served", "factor", "version"),
    [
        ("gpt", 2, "bench-1"),
        ("GPT", 2, "bench-1"),
        ("models/gpt", 2, "bench-1"),
        ("openai/gpt", 2, "bench-1"),
        ("gpt-latest", 2, "bench-1"),
        ("gpt-2026-01-31", 2, "bench-1"),  # snapshots of the model that was asked for
        ("gpt-20260131", 2, "bench-1"),
        ("gpt@001", 2, "bench-1"),
        ("gpt-0613", 2, "bench-1"),
        ("my-deployment", 2, "bench-1"),  # names that are not configured
        ("gpt-unknown", 2, "bench-1"),
        ("gpt-elsewhere", 2, "bench-1"),  # another provider's model
        (None, 2, "bench-1"),
        ("gpt-large", 10, "dear-1"),
        ("openai/GPT-large", 10, "dear-1"),
        ("gpt-large-2025-12-01", 10, "dear-1"),  # a snapshot of a configured model
        ("gpt-large-2026-01-31", 1, "dated-1"),  # configured itself
        ("dear", 10, "dear-1"),
        ("gpt-mini", 1, "cheap-1"),
        ("twin", 10, "b"),  # the dearer of two
    ],
)
def test_the_model_that_answered_is_charged(asked: Answers, served: str | None, factor: int, version: str) -> None:
    outcome = asked.ask({**COMPLETION, "model": served}, CHAT, max_tokens=4_000)
    assert outcome.charge == (95_000 * factor, "reported")
    assert (outcome.row.get("model_served"), outcome.row["price_version"]) == (served, version)
    assert outcome.row["model"] == "gpt"


@pytest.mark.parametrize(
    ("iterations", "cost", "source"),
    [
        ([], 190_000, "reported"),
        ([ADVICE], 190_000 + 40 * 5_000 + 5 * 500 + 10 * 20_000, "reported"),
        ([ADVICE, {"type": "message", "input_tokens": 70, "output_tokens": 30}, ADVICE], 995_000, "reported"),
        ([{**ADVICE, "model": "claude-large-20260401"}], 592_500, "reported"),
        ([{**ADVICE, "model": "claude"}], 190_000 + 40_000 + 500 + 40_000, "reported"),
        ([{**ADVICE, "model": "claude-unpriced"}], 592_500, "estimated"),  # the dearest of the provider
        ([{**ADVICE, "model": 7}], 592_500, "estimated"),
        ([{**ADVICE, "output_tokens": "10"}], 592_500, "estimated"),
        ([{**ADVICE, "type": "compaction"}], 270_500, "reported"),
    ],
)
def test_advisors_are_charged_at_their_own_prices(
    asked: Answers, iterations: list[dict[str, Any]], cost: int, source: str
) -> None:
    usage = {**MESSAGE["usage"], "iterations": iterations}
    outcome = asked.ask({**MESSAGE, "model": "claude", "usage": usage}, MESSAGES, config={"estimate": "typical"})
    assert outcome.charge == (cost, source)
    advisors = sum(each["type"] != "message" for each in iterations)
    assert (outcome.tokens.input, outcome.tokens.output) == (70 + 40 * advisors, 30 + 10 * advisors)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-request-id": "req_1"}, "req_1"),
        ({"request-id": "req_2"}, "req_2"),
        ({"x-amzn-RequestId": "req-3"}, "req-3"),
        ({"apim-request-id": "req-4"}, "req-4"),
        ({"apim-request-id": "req-4", "x-request-id": "req_1"}, "req_1"),
        ({"x-request-id": "", "request-id": "req_2"}, "req_2"),
        ({"x-request-id": "\xe9", "request-id": "req_2"}, "req_2"),
        ({"x-request-id": "r" * 500}, "r" * 128),
        ({"x-request-id": "echo sk-standin-openai"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [200, 429])
def test_the_provider_s_request_id_is_kept(
    asked: Answers, headers: dict[str, str], found: str | None, status: int
) -> None:
    outcome = asked.ask(COMPLETION, status=status, headers=headers, secret="bench/openai")
    assert (outcome.row.get("provider_request_id"), outcome.line["provider_request_id"]) == (found, found)
    assert outcome.charge == (FULL if status == 200 else (0, "none"))
