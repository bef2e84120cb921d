"""How many updates the aggregator makes of a batch, and the size of their expressions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lambda_src.aggregator import Aggregator
from lambda_src.contract import usage_pk, usage_sk, usage_slot
from lambda_src.core.account import BUCKET_MS, tallied
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.dynamodb_attributes import serialize_item
from lambda_src.edges.ledger import Ledger
from tests.bench import Bench
from tests.money.test_write_units import CountingAws

MIDNIGHT_MS = 1_795_478_400_000  # 2026-11-24


def settled(consumer: str, number: int, at_ms: int, **changes: Any) -> dict[str, Any]:
    """The stream record of a request that held 700 nano-USD and cost 450. changes: fields of its usage record."""
    record = UsageRecord(
        request_id=f"r{number}", at_ms=at_ms, environment="bench", consumer=consumer, key_id="k1", model="m",
        settlement="settled", held_nano_usd=700, cost_nano_usd=450, tokens=Tokens(input=3, output=2),
        **{"status": 200, **changes},
    )  # fmt: skip
    keys = {
        "pk": usage_pk(consumer, record.day, usage_slot(record.request_id)),
        "sk": usage_sk(at_ms, record.request_id),
    }
    return {
        "eventName": "MODIFY",
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:000000000000:table/ledger/stream/1",
        "dynamodb": {
            "Keys": serialize_item(keys),
            "OldImage": serialize_item(keys | record.row() | {"settlement": "held", "cost_nano_usd": 0}),
            "NewImage": serialize_item(keys | record.row()),
            "SequenceNumber": str(10**20 + number),
        },
    }


def booked(bench: Bench, records: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """The parameters of the updates with which the aggregator books a batch, a day after midnight."""
    aws = CountingAws(bench.cloud.environment())
    ledger = Ledger(aws, bench.table, "bench", 400, lambda: MIDNIGHT_MS / 1000 + 86_400)
    Aggregator(bench.config(), aws, ledger).run(records, time.monotonic() + 10)
    return [parameters for operation, parameters in aws.calls if operation == "UpdateItem"]


def test_whole_batch_of_a_busy_consumer_is_one_update_of_each_item(bench: Bench) -> None:
    """An overloaded consumer's reserves leave few write units for bookings, so that more updates would fall behind."""
    updates = booked(bench, [settled("batch", number, MIDNIGHT_MS + number) for number in range(500)])
    assert [update["Key"]["pk"]["S"] for update in updates] == ["ROLLUP#batch", "ACCOUNT#batch"]
    account = bench.ledger().account("batch", time.monotonic() + 10)
    assert tallied(account.ended(MIDNIGHT_MS // BUCKET_MS)) == (350_000, 500)


def test_expressions_of_a_scattered_batch_stay_within_the_limits_of_dynamodb(bench: Bench) -> None:
    """4,096 bytes and 300 operators: a batch of requests of a whole day, as after an outage, with many errors."""
    records = [
        settled("scattered", number, MIDNIGHT_MS + number * BUCKET_MS, status=400 + number, error_code=f"code_{number}")
        for number in range(288)
    ]
    updates = booked(bench, records)
    for update in updates:
        for name in ("UpdateExpression", "ConditionExpression"):
            assert len(update[name]) <= 4_096
        assert sum(update["ConditionExpression"].count(operator) for operator in ("<", "OR", "AND", "exists")) <= 300
        assert update["UpdateExpression"].count(":") <= 300
    account = bench.ledger().account("scattered", time.monotonic() + 10)
    ended = [tallied(account.ended(number)) for number in account.open_buckets()]
    assert ended == [(700, 1)] * 288
    assert account.item["s|total|all"] == 288 * 450
