"""Metrics of the sweeper: lapsed requests, amounts reserved in vain, and buckets that are not booked."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lambda_src.contract import account_pk, usage_sk
from lambda_src.core.account import BUCKET_MS, Hold
from lambda_src.core.policy import Policy
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.sweeper import Sweeper
from tests.bench import Bench, create_table
from tests.gateway.emf import EmfLog, FailingAws, point

SECONDS = 20.0
HOUR_MS = 3_600_000


@pytest.fixture
def swept(bench: Bench) -> Bench:
    """An environment whose sweeper sees the accounts of one test only."""
    return Bench(bench.cloud, bench.provider_url, create_table(bench.cloud))


def lost(bench: Bench, consumer: str, *, opened: bool = True) -> UsageRecord:
    """A request that reserved 700 nano-USD an hour ago and never settled. opened: its held row was put."""
    at_ms = int(time.time() * 1000) - HOUR_MS
    hold = Hold(
        request_id=f"lost-{consumer}", amount=700, deadline=at_ms // 1000 + 120, at_ms=at_ms, tokens=50
    )  # fmt: skip
    policy = Policy(consumer=consumer, plan="bench", models=frozenset())
    record = UsageRecord(
        request_id=hold.request_id, at_ms=at_ms, environment="bench", consumer=consumer, key_id="k9", model="m",
        route="chat", held_nano_usd=700,
    )  # fmt: skip
    deadline = time.monotonic() + SECONDS
    bench.ledger().reserve(hold, consumer, policy, deadline)
    if opened:
        bench.ledger().open(record, hold, deadline)
    return record


def sweep(bench: Bench, aws: AwsClient | None = None, now: Callable[[], float] = time.time) -> None:
    aws = aws or AwsClient(bench.cloud.environment())
    sweeper = Sweeper(bench.config(), aws, Ledger(aws, bench.table, "bench", 400, now))
    print(sweeper.line(sweeper.run(time.monotonic() + SECONDS)))


def test_lapsed_requests(swept: Bench, emf_log: EmfLog) -> None:
    before_ms = int(time.time() * 1000)
    lost(swept, "forgotten")
    stuck = lost(swept, "stuck")
    aws = FailingAws(swept.cloud.environment())
    aws.denied = f'"S":"{usage_sk(stuck.at_ms, stuck.request_id)}"'
    sweep(swept, aws)
    unsettled, summary = emf_log.lines()
    assert point(unsettled, "UnsettledRows") == point(unsettled, "EstimatedRows") == 1
    assert point(unsettled, "CostNanoUsd", consumer="forgotten") == 700
    assert point(unsettled, "Errors", reason="unsettled") == 1
    assert point(unsettled, "Latency") is None, "an unsettled request has no latency"
    assert unsettled["at_ms"] < before_ms - 3_500_000, "the row keeps the request's time"
    assert unsettled["_aws"]["Timestamp"] >= before_ms, "metrics fall into the current period, where alarms look"
    assert (point(summary, "OverdueHolds"), point(summary, "LedgerFailures")) == (1, 1)
    assert (summary["kind"], summary["unsettled"], summary["overdue"], summary["failed"]) == ("sweep", 1, 1, 1)
    assert point(summary, "UnbookedBuckets") == 0, "the aggregator had no chance to book a request that just ended"
    sweep(swept)
    _, summary = emf_log.lines()
    assert point(summary, "OverdueHolds") == 0, "0 is reported, so that the alarm ends"


def test_amounts_reserved_in_vain(swept: Bench, emf_log: EmfLog) -> None:
    """The process died between the reserve and the row: nothing was sent, and the amount blocks the budget."""
    lost(swept, "died", opened=False)
    lost(swept, "crashed", opened=False)
    sweep(swept)
    line = emf_log.line()
    assert (point(line, "ReservedInVainNanoUsd"), line["closed"], line["freed_nano_usd"]) == (1_400, 2, 1_400)
    assert point(line, "UnbookedBuckets") == 0
    sweep(swept)
    assert point(emf_log.line(), "ReservedInVainNanoUsd") == 0, "0 is reported, so that the dashboard shows a line"


def test_buckets_that_are_not_booked(swept: Bench, emf_log: EmfLog) -> None:
    """The aggregator does not run, so that ended requests still reserve their amount."""
    record = lost(swept, "waiting")
    record.settlement, record.status, record.cost_nano_usd = "settled", 200, 450
    assert swept.ledger().settle(record, time.monotonic() + SECONDS) == "settled"
    sweep(swept)
    line = emf_log.line()
    assert (point(line, "UnbookedBuckets"), point(line, "OverdueHolds"), line["closed"]) == (1, 0, 0)
    swept.aggregate()
    sweep(swept)
    line = emf_log.line()
    assert (point(line, "UnbookedBuckets"), line["closed"], line["freed_nano_usd"]) == (0, 1, 0)
    account = swept.ledger().get(account_pk("waiting"), "ACCOUNT", time.monotonic() + SECONDS)
    assert account["c|total|all"] == account["s|total|all"] == 450


def test_buckets_without_open_requests_are_closed_five_minutes_after_their_end(swept: Bench, emf_log: EmfLog) -> None:
    """The deadline would make every write of an account cost more the longer requests may last. Earlier, a request may
    still be on the way to its reserve."""
    swept.options["hold_seconds"] = 86_400
    record = lost(swept, "ended")
    lost(swept, "open")
    record.settlement, record.status, record.cost_nano_usd = "settled", 200, 450
    assert swept.ledger().settle(record, time.monotonic() + SECONDS) == "settled"
    swept.aggregate()
    number = record.at_ms // BUCKET_MS
    closes_at = (number + 2) * BUCKET_MS / 1000
    sweep(swept, now=lambda: closes_at - 1)
    assert emf_log.line()["closed"] == 0
    sweep(swept, now=lambda: closes_at)
    line = emf_log.line()
    assert (line["closed"], line["freed_nano_usd"], line["unsettled"], line["overdue"]) == (1, 0, 0, 0)
    accounts = {name: swept.ledger().account(name, time.monotonic() + SECONDS) for name in ("ended", "open")}
    assert {name: len(account.open_buckets()) for name, account in accounts.items()} == {"ended": 0, "open": 1}
    assert accounts["ended"].is_closed(number), "a late reserve changes nothing"
