"""Budgets under parallel requests: several gateways share the embedded cloud's DynamoDB table."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest

from lambda_src.contract import TOKEN_CLASSES, account_pk
from lambda_src.core.account import Hold, bucket
from lambda_src.core.policy import Policy
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.sweeper import Sweeper
from local.provider.server import StandInProvider
from tests.bench import Bench, chat, error_of, request
from tests.money.sandboxes import counters_and_rows, recent_days, run_parallel, send_parallel, warm_gateways

OUTPUT_PRICE_ONLY = {"prices": {"standard": [{"above": 0, **dict.fromkeys(TOKEN_CLASSES, 0), "output": 4_000_000_000}]}}
"""A request with the maximum output costs exactly its hold, so that settling frees nothing."""


def held_for(bench: Bench, body: dict[str, Any]) -> int:
    """The hold in nano-USD that the gateway places for a request."""
    key = bench.add_consumer("measured")
    bench.gateway().handle(request(key, body), 29.0)
    _, (row,) = counters_and_rows(bench, "measured", recent_days())
    return int(row["held_nano_usd"])


@pytest.mark.parametrize(("parallel", "accepted"), [(8, 3), (32, 7), (200, 20)])
def test_parallel_requests_fill_the_budget_exactly(
    bench: Bench, provider: StandInProvider, parallel: int, accepted: int
) -> None:
    bench.add_model("slow", upstream="standin-slow-1", **OUTPUT_PRICE_ONLY)
    body = chat("slow", max_tokens=2)
    held = held_for(bench, body)
    budgets = [{"usd_nano": held * accepted + held - 1, "per": per} for per in ("day", "month")]
    key = bench.add_consumer("crowd", budgets=budgets)
    gateways = warm_gateways(bench, key, max(4, parallel // 8))
    provider.clear()

    responses = send_parallel(gateways, [request(key, body) for _ in range(parallel)])

    assert Counter(response.status for response in responses) == {200: accepted, 429: parallel - accepted}
    rejected = [response for response in responses if response.status == 429]
    assert {error_of(response)["code"] for response in rejected} == {"budget_held"}
    assert {response.headers["x-should-retry"] for response in rejected} == {"true"}
    assert len(provider.calls()) == accepted
    counters, rows = counters_and_rows(bench, "crowd", recent_days())
    spent = sum(row["cost_nano_usd"] for row in rows)
    assert len(rows) == accepted
    assert {value for name, value in counters.items() if name[:2] in ("c|", "s|")} == {spent}


def test_committed_never_exceeds_the_limit_under_load(bench: Bench) -> None:
    bench.add_model("quick", upstream="standin-small")
    body = chat("quick", max_tokens=100)
    limit = held_for(bench, body) * 3
    key = bench.add_consumer("busy", budgets=[{"usd_nano": limit, "per": "total"}])
    gateways = warm_gateways(bench, key, 6)
    committed: list[int] = []
    ledger = bench.ledger()

    def watch() -> None:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            committed.append(int(ledger.get(account_pk("busy"), "ACCOUNT", until + 5).get("c|total|all", 0)))

    def send_requests(gateway: Any) -> list[int]:
        return [gateway.handle(request(key, body), 29.0).status for _ in range(25)]

    statuses = run_parallel([watch, *(lambda gateway=gateway: send_requests(gateway) for gateway in gateways)])[1:]
    counters, rows = counters_and_rows(bench, "busy", recent_days())
    assert max(committed) <= limit
    assert counters["c|total|all"] == sum(row["cost_nano_usd"] for row in rows) <= limit
    assert sum(sandbox_statuses.count(200) for sandbox_statuses in statuses) == len(rows)


def test_request_above_the_whole_budget_is_rejected(bench: Bench, provider: StandInProvider) -> None:
    bench.add_model("quick", upstream="standin-small")
    body = chat("quick", max_tokens=100)
    key = bench.add_consumer("poor", budgets=[{"usd_nano": held_for(bench, body) - 1, "per": "day"}])
    provider.clear()
    response = bench.gateway().handle(request(key, body), 29.0)
    assert (response.status, error_of(response)["code"]) == (400, "budget_exceeded")
    assert provider.calls() == []
    assert bench.ledger().get(account_pk("poor"), "ACCOUNT", float("inf")) == {}


def test_parallel_settle_and_sweep_book_each_request_once(bench: Bench) -> None:
    now = time.time()
    at_ms = int(now * 1000)
    policy = Policy(consumer="raced", plan="p", models=frozenset("*"))
    ledgers = [bench.ledger() for _ in range(8)]
    records = []
    for number in range(24):
        hold = Hold(request_id=f"r{number}", amount=1_000 + number, deadline=int(now) - 1, at_ms=at_ms, tokens=5)
        record = UsageRecord(
            request_id=hold.request_id, at_ms=at_ms, environment="bench", consumer="raced", key_id="k", route="chat",
            provider="p", model="m", price_version="1", held_nano_usd=hold.amount,
        )  # fmt: skip
        ledgers[0].reserve(hold, "raced", policy, time.monotonic() + 5)
        ledgers[0].open(record, hold, time.monotonic() + 5)
        records.append(record)
    rows = list(ledgers[0].bucket_rows("raced", bucket(at_ms), time.monotonic() + 5))
    assert len(rows) == 24

    def settle(ledger: Ledger, own_records: list[UsageRecord]) -> None:
        for number, record in enumerate(own_records):
            record.settlement, record.status, record.cost_nano_usd = "settled", 200, 100 + number
            ledger.settle(record, time.monotonic() + 20)

    def sweep(ledger: Ledger) -> None:
        for row in rows:
            ledger.lapse(row, time.monotonic() + 20)

    settlers = [lambda n=n: settle(ledgers[n], records[n::4]) for n in range(4)]
    run_parallel([*settlers, *(lambda n=n: sweep(ledgers[n]) for n in range(4, 8))])

    counters, rows = counters_and_rows(bench, "raced", recent_days())
    assert sorted(row["cost_nano_usd"] for row in rows) == sorted(list(range(100, 106)) * 4)
    assert {row["settlement"] for row in rows} == {"settled"}
    expected = 4 * sum(range(100, 106))
    assert {value for name, value in counters.items() if name[:2] in ("c|", "s|")} == {expected}
    (rollup,) = ledgers[0].query_partition("ROLLUP#raced", float("inf"))
    assert (rollup["requests"], rollup["cost_nano_usd"], rollup.get("unsettled", 0)) == (24, expected, 0)


def test_each_budget_threshold_is_published_once(bench: Bench) -> None:
    sns, sqs = bench.cloud.client("sns"), bench.cloud.client("sqs")
    topic = sns.create_topic(Name=bench.table)["TopicArn"]
    queue = sqs.create_queue(QueueName=bench.table)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    bench.add_model("quick", upstream="standin-small", **OUTPUT_PRICE_ONLY)
    body = chat("quick", max_tokens=2)
    limits = {"day": 8_000 * 40, "month": 8_000 * 32}  # 32 requests of 8,000: 80 % of the day, 100 % of the month
    budgets = [{"usd_nano": limit, "per": per} for per, limit in limits.items()]
    key = bench.add_consumer("notified", budgets=budgets, thresholds=[50, 80, 100])
    gateways = warm_gateways(bench, key, 8, topic_arn=topic)
    responses = send_parallel(gateways, [request(key, body) for _ in range(32)])
    assert {response.status for response in responses} == {200}
    aws = AwsClient(bench.cloud.environment())
    bench.options["topic_arn"] = topic
    bench.aggregate()
    for _ in range(2):  # the sweeper publishes what the aggregator missed; the second run changes nothing
        assert Sweeper(bench.config(topic_arn=topic), aws, bench.ledger()).run(time.monotonic() + 20)["failed"] == 0

    messages = []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        messages += [json.loads(message["Body"])["metadata"]["additionalContext"] for message in batch]
        for message in batch:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    published = Counter((message["per"], message["percent"]) for message in messages)
    expected = ("day", "50"), ("day", "80"), ("month", "50"), ("month", "80"), ("month", "100")
    assert published == dict.fromkeys(expected, 1)
