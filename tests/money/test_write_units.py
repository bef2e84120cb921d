"""DynamoDB cost of a request: at most six write units, and no reads once the sandbox is warm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from lambda_src.contract import LATENCY_BOUNDS_MS, TOKEN_CLASSES, account_pk, rollup_pk, rollup_sk
from lambda_src.core.account import bucket, tally
from lambda_src.core.booking import marker, marker_name, sequence
from lambda_src.edges.aws import AwsClient
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, request
from tests.money.faults import rows_of
from tests.money.sandboxes import API_GATEWAY_SECONDS, recent_days
from tests.money.write_units import item_size

CONSUMER = "a-consumer-with-a-name"
MAX_WRITE_UNITS = 6
READS = {"GetItem", "Query", "BatchGetItem", "TransactGetItems", "Scan"}
TYPICAL_POLICY = {
    "budgets": [{"usd_nano": 500 * 10**9, "per": per} for per in ("day", "week", "month")],
    "tokens_per_minute": 200_000,
    "requests_per_minute": 600,
    "tags": {"team": "checkout", "cost_centre": "4711"},
}


class CountingAws(AwsClient):
    """Real calls; records the operations and parameters of DynamoDB calls."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, service: str, target: str, payload: Mapping[str, object], **options: Any) -> dict[str, Any]:
        if service == "dynamodb":
            self.calls.append((target.partition(".")[2], dict(payload)))
        return super().call(service, target, payload, **options)


def units(item: Mapping[str, object]) -> int:
    """Write units of an item."""
    return math.ceil(item_size(item) / 1024)


def warm_gateway(bench: Bench, key: str) -> tuple[Gateway, CountingAws]:
    """A gateway and its AWS client after a first request, so that the account has counters of earlier windows."""
    bench.add_model("gpt-5-mini-2025-08-07", upstream="standin-cached+reasoning")
    aws = CountingAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    gateway.handle(request(key, chat("gpt-5-mini-2025-08-07")), API_GATEWAY_SECONDS)
    aws.calls.clear()
    return gateway, aws


def extended_request_id(number: int) -> str:
    """A request id as long as API Gateway's `extendedRequestId`."""
    return f"UXqfdGCqoAMF{number:03d}="


@pytest.mark.parametrize("stream", [False, True])
def test_typical_request_costs_at_most_six_write_units(bench: Bench, stream: bool) -> None:
    key = bench.add_consumer(CONSUMER, **TYPICAL_POLICY)
    gateway, aws = warm_gateway(bench, key)
    body = chat("gpt-5-mini-2025-08-07", text="Tell me more. " * 40, stream=stream)
    headers = {"x-tollgate-tags": "feature=search, user=u-18273"}
    sent = request(key, body, headers=headers, request_id=extended_request_id(1))
    assert gateway.handle(sent, API_GATEWAY_SECONDS).status == 200

    assert [operation for operation, _ in aws.calls] == ["UpdateItem", "PutItem", "PutItem"]
    assert not READS & {operation for operation, _ in aws.calls}
    bench.aggregate()
    ledger = bench.ledger()
    row = rows_of(ledger, CONSUMER, recent_days(), float("inf"))[-1]
    account = ledger.account(CONSUMER, float("inf")).item
    (rollup,) = ledger.query_partition(rollup_pk(CONSUMER), float("inf"))
    # reserve, held row and settle; account and rollup, if the request is alone in its batch
    assert 2 * units(account) + 2 * units(row) + units(rollup) <= MAX_WRITE_UNITS


def test_busy_account_is_below_a_kilobyte() -> None:
    """Requests of up to 15 minutes, on the first hour of a month, with markers of three days."""
    at_ms = 1_796_083_200_000  # 2026-12-01, a Tuesday
    counters = [f"{window}|{label}" for window, label in (
        ("day", "2026-11-30"), ("day", "2026-12-01"), ("week", "2026-W49"), ("month", "2026-11"), ("month", "2026-12"),
        ("total", "all"),
    )]  # fmt: skip
    item: dict[str, object] = {
        "pk": account_pk(CONSUMER), "sk": "ACCOUNT", "account": "account", "l": extended_request_id(1),
        "z": bucket(at_ms), **{f"{kind}|{name}": 123_456_789_012 for kind in "cs" for name in counters},
    }  # fmt: skip
    item |= {f"{kind}|{at_ms // 60_000 - minute}": 150_000 for kind in "tr" for minute in (0, 1)}
    open_buckets = range(bucket(at_ms), bucket(at_ms) + 6)  # 15 minutes, 5 of slack, and the interval of the sweeper
    item |= {f"{kind}|{number}": tally(90_000_000_000, 90_000) for kind in "RE" for number in open_buckets}
    days = ("2026-11-29", "2026-11-30", "2026-12-01")
    item |= {marker_name("ab3f", slot, day): marker(sequence("9" * 40), at_ms) for slot in range(4) for day in days}
    assert item_size(item) <= 1_024


def test_busy_rollup_is_below_a_kilobyte() -> None:
    """Requests of every latency, with many outcomes, and with a marker of each partition of usage rows."""
    codes = ("upstream_timeout", "upstream_throttled", "upstream_cut", "budget_exceeded", "model_not_found")
    counted = ("requests", "errors", "refusals", "estimated", "unsettled", "over_estimate", "streams")
    item: dict[str, object] = {
        "pk": rollup_pk(CONSUMER), "sk": rollup_sk("2026-12-01", "gpt-5-mini-2025-08-07", "a1b2c3d4e5"),
        "cost_nano_usd": 123_456_789_012, "latency_ms": 1_234_567_890, "first_byte_ms": 1_234_567_890,
        **{f"tokens_{name}": 123_456_789 for name in (*TOKEN_CLASSES, "reasoning")},
        **dict.fromkeys(counted, 123456),
        **{f"ms_{bound}": 12_345 for bound in (*LATENCY_BOUNDS_MS, "inf")},
        **{f"status_{status}": 12_345 for status in (200, 400, 404, 429, 500, 502, 504)},
        **{f"code_{code}": 12_345 for code in codes},
        **{marker_name("ab3f", slot): marker(sequence("9" * 40), 1_796_083_200_000) for slot in range(4)},
    }  # fmt: skip
    assert item_size(item) <= 1_024
