"""Answers that other gateways count wrong, with their right figures: tests/fixtures/answers/cases.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.money.answers import Answers

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "answers" / "cases.json").read_text(encoding="utf-8")
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_recorded_answer_is_counted_right(asked: Answers, case: dict[str, Any]) -> None:
    answer, right = case["answer"], case["right"]
    route: str = case["route"]
    stream = {"stream": True} if case["stream"] else {}
    outcome = asked.ask(
        answer["body"], route, status=answer["status"], content_type=answer["content_type"],
        **stream, **case.get("request", {}),
    )  # fmt: skip
    assert outcome.row["usage_source"] == right["usage_source"]
    if right["error_code"] == "an upstream_* code":
        assert outcome.row["error_code"] == "upstream_throttled"
        assert (outcome.row["status"], outcome.line["level"]) == (429, "INFO")
    else:
        assert outcome.row.get("error_code") == right["error_code"]
    if right["cost_nano_usd"] is None:
        assert 0 < outcome.cost <= outcome.row["held_nano_usd"]
    else:
        assert outcome.cost == right["cost_nano_usd"]
    for token_class, count in (right["tokens"] or {}).items():
        counted = getattr(outcome.tokens, token_class)
        assert counted == count if isinstance(count, int) else counted > 0, token_class
    assert outcome.response.headers["content-type"].startswith(answer["content_type"])
    assert outcome.response.body == answer["body"].encode(), "the caller gets what the provider sent"


def test_a_garbled_count_is_at_most_what_was_held(asked: Answers) -> None:
    """The string "5000" for a prompt of two letters: its count in digits, within the bound of the request."""
    (case,) = (each for each in CASES if each["name"] == "a count that is garbled")
    outcome = asked.ask(case["answer"]["body"], case["route"], **case["request"])
    assert outcome.tokens.output == 50
    assert outcome.tokens.input < 700
    assert outcome.cost == outcome.tokens.input * 1_000 + 50 * 4_000
