"""Metrics and log lines of the aggregator, and the gateway's count of transaction conflicts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest

from lambda_src.aggregator import Aggregator
from lambda_src.contract import account_pk, event_pk, usage_pk, usage_sk
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsError
from lambda_src.edges.dynamodb_attributes import serialize_item
from lambda_src.edges.ledger import Ledger
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, request
from tests.gateway.conftest import send
from tests.gateway.emf import EmfLog, FailingAws, point

AT_MS = int(time.time()) * 1000


def record(consumer: str, number: int, **changes: object) -> dict[str, Any]:
    """The stream record of a request that was rejected. changes: attributes of its row."""
    refused = UsageRecord(
        request_id=f"r{number}", at_ms=AT_MS, environment="bench", consumer=consumer, key_id="k1", model="m",
        status=429, settlement="refused",
    )  # fmt: skip
    keys = {"pk": usage_pk(consumer, refused.day, 0), "sk": usage_sk(AT_MS, f"r{number}")}
    image = {**refused.row(), "unreserved": True, **changes}
    return {
        "eventName": "INSERT",
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:000000000000:table/ledger/stream/1",
        "dynamodb": {
            "Keys": serialize_item(keys),
            "NewImage": serialize_item(keys | image),
            "SequenceNumber": str(10**20 + number),
        },
    }


@pytest.fixture
def aws(bench: Bench) -> FailingAws:
    return FailingAws(bench.cloud.environment())


@pytest.fixture
def aggregator(bench: Bench, aws: FailingAws) -> Aggregator:
    return Aggregator(bench.config(), aws, Ledger(aws, bench.table, "bench", 400))


def requests_of(bench: Bench, consumer: str) -> int:
    """Requests in the rollups of a consumer."""
    rollups = bench.ledger().query_partition(f"ROLLUP#{consumer}", time.monotonic() + 10)
    return sum(int(rollup["requests"]) for rollup in rollups)


UNREADABLE = {
    "cost": {"cost_nano_usd": "much"},
    "fees": {"fees": "many"},
    "partition": {"pk": "USAGE#quarantined#0"},
    "day": {"pk": "USAGE#quarantined#2026-02-30#0"},
    "slot": {"pk": "USAGE#quarantined#2026-11-26#first"},
    "time": {"at_ms": AT_MS - 3 * 86_400_000},
    "correction": {"kind": "correction", "cost_nano_usd": 1, "at_ms": 10**20, "model": "m", "key_id": "k1"},
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_row_is_quarantined_and_the_rest_is_booked(
    bench: Bench, aggregator: Aggregator, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Otherwise one row that another program wrote would stop all bookings for a day."""
    consumer, unreadable = f"quarantined-{name}", record("quarantined", 2, **UNREADABLE[name])
    for key in ("pk", "sk"):
        unreadable["dynamodb"]["Keys"][key] = unreadable["dynamodb"]["NewImage"][key]
    aggregator.run([record(consumer, 1), unreadable, record(consumer, 3)], time.monotonic() + 10)
    assert requests_of(bench, consumer) == 2
    quarantined, summary = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (quarantined["kind"], quarantined["level"]) == ("quarantined", "ERROR")
    assert {name: {"S": quarantined[name]} for name in ("pk", "sk")} == unreadable["dynamodb"]["Keys"]
    assert re.match(r"\w+Error: ", quarantined["error"])
    assert (summary["kind"], summary["level"], point(summary, "QuarantinedRecords")) == ("aggregation", "ERROR", 1)


def test_throttled_and_conflicting_attempts_are_counted(
    aggregator: Aggregator, aws: FailingAws, emf_log: EmfLog
) -> None:
    aws.throttles, aws.conflicts = 2, 1
    aggregator.run([record("slow", 1)], time.monotonic() + 10)
    line = emf_log.line()
    assert (point(line, "LedgerThrottles"), point(line, "LedgerConflicts")) == (2, 1)
    assert point(line, "QuarantinedRecords") is None
    aggregator.run([record("slow", 2)], time.monotonic() + 10)
    assert emf_log.lines() == [], "a batch without failures has no line"


def test_a_batch_that_fails_is_counted_and_booked_when_it_comes_again(
    bench: Bench, aggregator: Aggregator, aws: FailingAws, emf_log: EmfLog
) -> None:
    batch = [record("repeated", number) for number in (1, 2)]
    aws.throttles, aws.denied = 1, account_pk("repeated")
    with pytest.raises(AwsError, match="denied by the test"):
        aggregator.run(batch, time.monotonic() + 10)
    assert point(emf_log.line(), "LedgerThrottles") == 1
    aws.denied = ""
    aggregator.run(batch, time.monotonic() + 10)
    assert requests_of(bench, "repeated") == 2


def test_a_consumer_that_cannot_be_booked_holds_up_no_other_of_the_batch(
    bench: Bench, aggregator: Aggregator, aws: FailingAws
) -> None:
    consumers = [f"shared-{number}" for number in range(20)]
    batch = [record(consumer, number) for number, consumer in enumerate(consumers)]
    aws.denied = account_pk("shared-3")
    with pytest.raises(AwsError, match="denied by the test"):
        aggregator.run(batch, time.monotonic() + 10)
    ledger, deadline = bench.ledger(), time.monotonic() + 10
    booked = [
        consumer for consumer in consumers if any(name[0] == "m" for name in ledger.account(consumer, deadline).item)
    ]
    assert booked == [consumer for consumer in consumers if consumer != "shared-3"]
    aws.denied = ""
    aggregator.run(batch, time.monotonic() + 10)
    assert [requests_of(bench, consumer) for consumer in consumers] == [1] * 20


def test_a_budget_event_that_cannot_be_published_does_not_fail_the_batch(
    bench: Bench, aws: FailingAws, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bookings do not wait for SNS. The sweeper publishes the event later."""
    topic = bench.cloud.client("sns").create_topic(Name="silent")["TopicArn"]
    aggregator = Aggregator(bench.config(topic_arn=topic), aws, Ledger(aws, bench.table, "bench", 400))
    bench.add_consumer("unheard", budgets=[{"usd_nano": 100, "per": "total"}], thresholds=[50])
    aws.denied = "Action=Publish"
    aggregator.run([record("unheard", 1, settlement="settled", cost_nano_usd=60)], time.monotonic() + 10)
    assert requests_of(bench, "unheard") == 1
    _, failed = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert failed == {
        "kind": "budget_event_failed", "level": "ERROR", "consumer": "unheard", "code": "AccessDeniedException",
    }  # fmt: skip
    (event,) = bench.ledger().query_partition(event_pk("unheard"), time.monotonic() + 10)
    assert event["published"] is False


def test_the_gateway_counts_conflicts(bench: Bench, emf_log: EmfLog) -> None:
    aws = FailingAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    send(gateway, request("key-free", chat()))
    aws.conflicts = 2
    send(gateway, request("key-free", chat()))
    _, line = emf_log.lines()
    counts: Mapping[str, float | None] = {
        name: point(line, name) for name in ("LedgerConflicts", "LedgerThrottles", "LedgerFailures")
    }
    assert counts == {"LedgerConflicts": 2, "LedgerThrottles": None, "LedgerFailures": None}, "the third succeeded"
