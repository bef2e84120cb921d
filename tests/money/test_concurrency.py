"""Budgets under parallel requests: the real handler, several sandboxes at once, the embedded cloud's DynamoDB."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from lambda_src.contract import TOKEN_CLASSES, account_pk
from lambda_src.core.account import Account, Hold
from lambda_src.core.policy import Policy
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient
from lambda_src.sweeper import Sweeper
from local.provider.server import StandInProvider
from tests.bench import Bench, chat, error_of, request
from tests.money.sandboxes import at_once, books, send_all, warm


def today() -> set[str]:
    """The UTC day of now, and of a moment ago, should midnight have passed."""
    return {datetime.fromtimestamp(time.time() - ago, UTC).strftime("%Y-%m-%d") for ago in (0, 120)}


OUTPUT_ALONE = {"prices": {"standard": [{"above": 0, **dict.fromkeys(TOKEN_CLASSES, 0), "output": 4_000_000_000}]}}
"""Prices under which a request that writes all it may costs exactly what was held: no settle makes room."""


def held_for(bench: Bench, body: dict[str, Any]) -> int:
    """Nano-USD that the gateway holds for a request."""
    key = bench.consumer("measured")
    bench.gateway().handle(request(key, body), 29.0)
    _, (row,) = books(bench.ledger(), "measured", today())
    return int(row["held_nano_usd"])


@pytest.mark.parametrize(("parallel", "fitting"), [(8, 3), (32, 7), (200, 20)])
def test_of_parallel_first_requests_exactly_as_many_pass_as_the_budget_fits(
    bench: Bench, provider: StandInProvider, parallel: int, fitting: int
) -> None:
    bench.model("slow", upstream="standin-slow-1", **OUTPUT_ALONE)
    body = chat("slow", max_tokens=2)
    held = held_for(bench, body)
    budgets = [{"usd_nano": held * fitting + held - 1, "per": per} for per in ("day", "month")]
    key = bench.consumer("crowd", budgets=budgets)
    gateways = warm(bench, key, max(4, parallel // 8))
    provider.clear()

    answers = send_all(gateways, [request(key, body) for _ in range(parallel)])

    assert Counter(each.status for each in answers) == {200: fitting, 429: parallel - fitting}
    refused = [each for each in answers if each.status == 429]
    assert {error_of(each)["code"] for each in refused} == {"budget_exceeded"}
    assert {each.headers["x-should-retry"] for each in refused} == {"false"}
    assert len(provider.calls()) == fitting
    counters, rows = books(bench.ledger(), "crowd", today())
    spent = sum(row["cost_nano_usd"] for row in rows)
    assert len(rows) == fitting
    assert {value for name, value in counters.items() if name[:2] in ("c|", "s|")} == {spent}
    assert not any(name.startswith("h|") for name in counters)


def test_what_is_committed_never_passes_the_limit_while_requests_come_and_go(bench: Bench) -> None:
    bench.model("quick", upstream="standin-small")
    body = chat("quick", max_tokens=100)
    limit = held_for(bench, body) * 3
    key = bench.consumer("busy", budgets=[{"usd_nano": limit, "per": "total"}])
    gateways = warm(bench, key, 6)
    seen: list[int] = []
    ledger = bench.ledger()

    def watch() -> None:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            seen.append(int(ledger.get(account_pk("busy"), "ACCOUNT", until + 5).get("c|total|all", 0)))

    def ask(gateway: Any) -> list[int]:
        return [gateway.handle(request(key, body), 29.0).status for _ in range(25)]

    statuses = at_once([watch, *(lambda each=each: ask(each) for each in gateways)])[1:]
    counters, rows = books(ledger, "busy", today())
    assert max(seen) <= limit
    assert counters["c|total|all"] == sum(row["cost_nano_usd"] for row in rows) <= limit
    assert sum(each.count(200) for each in statuses) == len(rows)


def test_a_request_dearer_than_a_fresh_windows_whole_budget_is_refused(bench: Bench, provider: StandInProvider) -> None:
    bench.model("quick", upstream="standin-small")
    body = chat("quick", max_tokens=100)
    key = bench.consumer("poor", budgets=[{"usd_nano": held_for(bench, body) - 1, "per": "day"}])
    provider.clear()
    answer = bench.gateway().handle(request(key, body), 29.0)
    assert (answer.status, error_of(answer)["code"]) == (429, "budget_exceeded")
    assert provider.calls() == []
    assert bench.ledger().get(account_pk("poor"), "ACCOUNT", float("inf")) == {}


def test_settling_and_sweeping_the_same_holds_at_once_books_each_request_once_at_its_real_cost(bench: Bench) -> None:
    now = time.time()
    policy = Policy(consumer="raced", plan="p", models=frozenset("*"))
    common: dict[str, Any] = {"at_ms": int(now * 1000), "key_id": "k", "route": "chat", "provider": "p", "model": "m",
                              "price_version": "1"}  # fmt: skip
    holds = [
        Hold(request_id=f"r{number}", amount=1_000 + number, deadline=int(now) - 1, tokens=5, **common)
        for number in range(24)
    ]
    ledgers = [bench.ledger() for _ in range(8)]
    for hold in holds:
        ledgers[0].reserve(hold, "raced", policy, time.monotonic() + 5)
    account = ledgers[0].account("raced", time.monotonic() + 5)

    def settle(ledger: Any, mine: list[Hold]) -> None:
        for number, hold in enumerate(mine):
            record = UsageRecord(
                request_id=hold.request_id, environment="bench", consumer="raced", settlement="settled", status=200,
                cost_nano_usd=100 + number, **common,
            )  # fmt: skip
            ledger.settle(record, hold, (), time.monotonic() + 20)

    def sweep(ledger: Any) -> None:
        list(ledger.sweep("raced", Account(account.item), time.monotonic() + 20))

    settlers = [lambda n=n: settle(ledgers[n], holds[n::4]) for n in range(4)]
    at_once([*settlers, *(lambda n=n: sweep(ledgers[n]) for n in range(4, 8))])

    counters, rows = books(ledgers[0], "raced", today())
    assert sorted(row["cost_nano_usd"] for row in rows) == sorted(list(range(100, 106)) * 4)
    assert {row["settlement"] for row in rows} == {"settled"}
    expected = 4 * sum(range(100, 106))
    assert {value for name, value in counters.items() if name[:2] in ("c|", "s|")} == {expected}
    assert not any(name.startswith("h|") for name in counters)
    (rollup,) = ledgers[0].partition("ROLLUP#raced", float("inf"))
    assert (rollup["requests"], rollup["cost_nano_usd"], rollup.get("unsettled", 0)) == (24, expected, 0)


def test_each_threshold_is_published_exactly_once_under_parallel_requests(bench: Bench) -> None:
    sns, sqs = bench.cloud.client("sns"), bench.cloud.client("sqs")
    topic = sns.create_topic(Name=bench.table)["TopicArn"]
    queue = sqs.create_queue(QueueName=bench.table)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    bench.model("quick", upstream="standin-small", **OUTPUT_ALONE)
    body = chat("quick", max_tokens=2)
    limits = {"day": 8_000 * 40, "month": 8_000 * 32}  # 32 requests at 8,000: 80 % of the day's, all of the month's
    budgets = [{"usd_nano": limit, "per": per} for per, limit in limits.items()]
    key = bench.consumer("spender", budgets=budgets, thresholds=[50, 80, 100])
    gateways = warm(bench, key, 8, topic_arn=topic)
    answers = send_all(gateways, [request(key, body) for _ in range(32)])
    assert {each.status for each in answers} == {200}
    aws = AwsClient(bench.cloud.environment())
    for _ in range(2):  # whoever saw the sum cross a threshold last may not have seen the others' part of it
        assert Sweeper(bench.config(topic_arn=topic), aws, bench.ledger()).run(time.monotonic() + 20)["failed"] == 0

    messages = []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        messages += [json.loads(each["Body"])["metadata"]["additionalContext"] for each in batch]
        for each in batch:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
    raised = Counter((each["per"], each["percent"]) for each in messages)
    expected = ("day", "50"), ("day", "80"), ("month", "50"), ("month", "80"), ("month", "100")
    assert raised == dict.fromkeys(expected, 1)
