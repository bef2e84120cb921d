"""A provider that sends more output than a request allows: the row, the metric, and the hold of later requests."""

from __future__ import annotations

import json
from dataclasses import replace

from lambda_src.contract import EXCEEDED_PK
from local.provider.server import StandInProvider
from tests.bench import Bench, chat, request
from tests.gateway.conftest import UsageLog, rows_of, send

HIGHEST_INPUT = 1_250
"""Nano-USD per token of the most expensive class of a chat's input, a cache write."""


def test_the_model_is_held_in_full_from_then_on(bench: Bench, provider: StandInProvider, log: UsageLog) -> None:
    """The server ignores max_completion_tokens and generates 5,000 tokens; the model's own maximum is 6,000."""
    providers = bench.config().providers
    wrong = providers | {"openai": replace(providers["openai"], flavour="openai")}
    bench.add_model("ignoring", upstream="standin-small+as-deepseek+long-5000", max_output_tokens=6_000)
    running, other = bench.gateway(providers=wrong), bench.gateway(providers=wrong)
    body = chat("ignoring") | {"max_completion_tokens": 50}
    held_input = (len(json.dumps(body).encode()) + 500) * HIGHEST_INPUT

    send(other, request("key-free", chat("standin-small")))  # `other` has read the models
    log.lines()
    (first,) = rows_of(bench, send(running, request("key-free", body)))
    assert first["output_over_maximum"] == 5_000 - 50
    assert first["held_nano_usd"] == held_input + 50 * 4_000
    assert (first["usage_source"], first["tokens_output"]) == ("reported", 5_000)
    (line,) = log.lines()
    assert (line["output_over_maximum"], line["OverEstimate"]) == (4_950, 1)

    for gateway in (running, bench.gateway(providers=wrong)):  # in this sandbox at once, and after a restart
        (row,) = rows_of(bench, send(gateway, request("key-free", body)))
        assert row["held_nano_usd"] == held_input + 6_000 * 4_000
        assert "output_over_maximum" not in row
    other.policy_cache.forget_models()  # as a minute later
    (row,) = rows_of(bench, send(other, request("key-free", body)))
    assert row["held_nano_usd"] == held_input + 6_000 * 4_000

    (mark,) = bench.ledger().query_partition(EXCEEDED_PK, float("inf"))
    assert (mark["sk"], mark["status"], mark["output_over_maximum"]) == ("ignoring", "held", 4_950)
    bench.put(EXCEEDED_PK, "ignoring", {**mark, "status": "cleared"})
    (row,) = rows_of(bench, send(bench.gateway(providers=wrong), request("key-free", body)))
    assert row["held_nano_usd"] == held_input + 50 * 4_000
    assert row["output_over_maximum"] == 4_950
    (mark,) = bench.ledger().query_partition(EXCEEDED_PK, float("inf"))
    assert mark["status"] == "held"
    bench.put(EXCEEDED_PK, "ignoring", {**mark, "status": "cleared"})
