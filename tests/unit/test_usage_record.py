"""The three outputs of a usage record: the row, the values it adds to a rollup, and the log line."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord, record_from_line
from lambda_src.edges.ledger import unsettled_record

HELD_ROW: dict[str, Any] = {
    "pk": "USAGE#acme#2026-11-23#0", "sk": "1795437000000#r1", "at_ms": 1_795_437_000_000, "consumer": "acme",
    "key_id": "k1", "route": "chat", "provider": "openai", "model": "m1", "price_version": "v3", "settlement": "held",
    "held_nano_usd": 700, "cost_nano_usd": 0, "tokens_input": 50, "lapses_at": 1_795_437_120,
}  # fmt: skip
FULL: dict[str, Any] = {
    "request_id": "r1", "at_ms": 1_795_437_000_001, "environment": "env", "consumer": "acme", "key_id": "k1",
    "plan": "gold", "route": "chat", "provider": "one", "model": "m1", "model_served": "m1-2026", "stream": True,
    "service_tier": "flex", "status": 502, "error_code": "upstream_cut", "upstream_status": 200,
    "settlement": "settled",
    "tokens": Tokens(11, 12, 13, 14, 15, 16, 17, 18, 9), "usage_source": "estimated", "usage_raw": {"prompt_tokens": 3},
    "held_nano_usd": 900, "cost_nano_usd": 800, "price_version": "v7", "latency_ms": 45, "upstream_ms": 40,
    "first_byte_ms": 30, "retries": 2, "tags": {"team": "x"}, "provider_request_id": "req_1",
}  # fmt: skip


def test_row_omits_zeros_and_unknown_values() -> None:
    assert UsageRecord(**FULL).row() == {
        "at_ms": 1_795_437_000_001, "consumer": "acme", "key_id": "k1", "plan": "gold", "route": "chat",
        "provider": "one", "model": "m1", "model_served": "m1-2026", "service_tier": "flex", "stream": True,
        "status": 502, "error_code": "upstream_cut", "upstream_status": 200, "settlement": "settled",
        "usage_source": "estimated",
        "held_nano_usd": 900, "cost_nano_usd": 800, "price_version": "v7", "latency_ms": 45, "upstream_ms": 40,
        "first_byte_ms": 30, "retries": 2, "tags": {"team": "x"}, "provider_request_id": "req_1",
        "tokens_input": 11, "tokens_cache_read": 12,
        "tokens_cache_write_5m": 13, "tokens_cache_write_1h": 14, "tokens_input_audio": 15, "tokens_input_image": 16,
        "tokens_output": 17, "tokens_output_audio": 18, "tokens_reasoning": 9, "usage_raw": '{"prompt_tokens":3}',
    }  # fmt: skip
    bare = UsageRecord(request_id="r", at_ms=0, environment="e", status=200).row()
    assert not any(name.startswith("tokens_") for name in bare)
    assert not {"consumer", "tags", "model_served", "usage_raw"} & set(bare)
    assert bare["cost_nano_usd"] == 0


def test_large_usage_object_is_omitted() -> None:
    assert "usage_raw" not in UsageRecord(**{**FULL, "usage_raw": {"x": "y" * 1_500}}).row()


def test_rollup_of_a_record() -> None:
    assert UsageRecord(**FULL).rollup() == {
        "requests": 1, "errors": 1, "estimated": 1, "status_502": 1, "code_upstream_cut": 1, "latency_ms": 45,
        "ms_50": 1, "streams": 1, "first_byte_ms": 30,
        "cost_nano_usd": 800, "tokens_input": 11, "tokens_cache_read": 12,
        "tokens_cache_write_5m": 13, "tokens_cache_write_1h": 14, "tokens_input_audio": 15, "tokens_input_image": 16,
        "tokens_output": 17, "tokens_output_audio": 18, "tokens_reasoning": 9,
    }  # fmt: skip
    outage = UsageRecord(request_id="r", at_ms=0, environment="e", status=503, settlement="refused").rollup()
    assert (outage["errors"], outage.get("refusals")) == (1, None), "an outage is not a refusal"
    refused = UsageRecord(request_id="r", at_ms=0, environment="e", status=429, settlement="refused")
    assert refused.rollup() == {
        "requests": 1, "refusals": 1, "cost_nano_usd": 0, "status_429": 1, "ms_10": 1,
    }  # fmt: skip
    assert UsageRecord(request_id="r", at_ms=0, environment="e", status=499, settlement="settled").rollup() == {
        "requests": 1, "cost_nano_usd": 0, "status_499": 1, "ms_10": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("latency_ms", "bucket"),
    [(0, "ms_10"), (10, "ms_10"), (11, "ms_25"), (300_000, "ms_300000"), (300_001, "ms_inf")],
)
def test_latency_is_counted_under_the_lowest_bound_that_fits(latency_ms: int, bucket: str) -> None:
    record = UsageRecord(request_id="r", at_ms=0, environment="e", status=200, latency_ms=latency_ms)
    assert {name for name in record.rollup() if name.startswith("ms_")} == {bucket}


def test_lapsed_row_is_charged_the_held_amount() -> None:
    record = unsettled_record(HELD_ROW, "env")
    assert record.rollup() == {
        "requests": 1, "errors": 1, "estimated": 1, "unsettled": 1, "cost_nano_usd": 700, "tokens_input": 50,
        "status_504": 1, "code_unsettled": 1,
    }  # fmt: skip
    assert (record.held_nano_usd, record.status, record.price_version) == (700, 504, "v3")


def test_log_line_round_trip() -> None:
    record = UsageRecord(**FULL)
    line = json.loads(usage_line(record, per_consumer=True))
    assert record_from_line(line) == record
    del line["tokens_output"]
    assert record_from_line(line).tokens.output == 0
    assert {member.name for member in fields(record)} - set(line) == {"tokens", "counters"}
    assert "\n" not in usage_line(record, per_consumer=True)


def test_log_line_has_metrics_with_low_cardinality_dimensions() -> None:
    line = json.loads(usage_line(UsageRecord(**FULL), per_consumer=True))
    assert (line["Requests"], line["Errors"], line["CostNanoUsd"], line["EstimatedRows"]) == (1, 1, 800, 1)
    assert (line["InputTokens"], line["OutputTokens"], line["GatewayLatency"]) == (81, 35, 5)
    assert (line["kind"], line["level"], line["Refusals"], line["gateway_ms"]) == ("usage", "ERROR", 0, 5)
    assert line["time"] == "2026-11-23T12:30:00.001+00:00"
    assert not {"OverEstimate", "UnsettledRows"} & set(line)
    refused = json.loads(
        usage_line(UsageRecord(request_id="r", at_ms=0, environment="e", status=429), per_consumer=True)
    )
    assert (refused["level"], refused["Refusals"], refused["Errors"]) == ("INFO", 1, 0)
    expired = json.loads(
        usage_line(unsettled_record(HELD_ROW, "env"), per_consumer=True, metrics_at_ms=HELD_ROW["at_ms"] + 9)
    )
    assert (expired["at_ms"], expired["_aws"]["Timestamp"]) == (HELD_ROW["at_ms"], HELD_ROW["at_ms"] + 9)
    assert (expired["UnsettledRows"], expired.get("OverEstimate")) == (1, None)
    assert line["_aws"]["Timestamp"] == 1_795_437_000_001
    over = json.loads(usage_line(UsageRecord(**{**FULL, "cost_nano_usd": 901}), per_consumer=False))
    assert over["OverEstimate"] == 1
    assert not any("consumer" in names for sets in series(over).values() for names in sets)
    assert series(line)["Errors"] == [["environment"], ["environment", "consumer"], ["environment", "reason"]]
    assert series(line)["Requests"] == [["environment"], ["environment", "model"], ["environment", "consumer"]]
    assert series(line)["Refusals"] == [["environment"], ["environment", "consumer"]]
    assert series(refused)["Refusals"] == [["environment"]], "model, consumer and reason are unknown"


def series(line: dict[str, Any]) -> dict[str, list[list[str]]]:
    """Dimension sets by metric, as CloudWatch creates them."""
    directives = line["_aws"]["CloudWatchMetrics"]
    assert {directive["Namespace"] for directive in directives} == {"Tollgate"}
    return {metric["Name"]: directive["Dimensions"] for directive in directives for metric in directive["Metrics"]}
