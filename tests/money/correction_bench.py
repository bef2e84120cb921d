"""An environment whose requests are corrected: bookings at written-down costs, commands, and the table after them."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from admin import cli
from admin.session import Session
from admin.usage.corrections.ledger import CorrectionLedger
from admin.usage.corrections.rows import CorrectedRow, Note, Target, corrected_rows
from lambda_src.contract import ACCOUNT_SK, LISTED_POLICY, PK, SK, account_pk, rollup_pk
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient
from tests.bench import Bench
from tests.money.deployment import deploy
from tests.money.faults import all_items, rows_of
from tests.money.ledger_invariants import check_rollups, check_sums

ENVIRONMENT = "corrected"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY, LAST_MONTH = "2026-11-23", "2026-10-20"
MS = {TODAY: 1_795_435_200_000 - 3_600_000, LAST_MONTH: 1_792_497_600_000}
"""11:00 today, and 12:00 on a day of the last month."""
WHY = "provider's invoice 1234"
FOREVER = float("inf")


def set_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Consumers `app` and `web`. `quick` costs 1,000 nano-USD per input and 4,000 per output token."""
    deploy(bench, ENVIRONMENT, monkeypatch)
    bench.now = NOW.timestamp
    monkeypatch.setattr(Session, "now", lambda _: NOW)
    bench.add_model("quick", upstream="standin-small")
    bench.add_consumer("app", account=LISTED_POLICY, budgets=[{"usd_nano": 1_000_000, "per": "day"}])
    bench.add_consumer("web", account=LISTED_POLICY)
    return bench


def book(bench: Bench, request_id: str, day: str = TODAY, consumer: str = "app", **changes: Any) -> UsageRecord:
    """Book a request of 100 input and 50 output tokens at 300,000 nano-USD. changes: fields of its record."""
    values: dict[str, Any] = {
        "request_id": request_id, "at_ms": MS[day], "environment": ENVIRONMENT, "consumer": consumer,
        "key_id": f"key-{consumer}", "route": "chat", "provider": "openai", "model": "quick", "status": 200,
        "settlement": "settled", "usage_source": "reported", "tokens": Tokens(input=100, output=50),
        "service_tier": "standard", "held_nano_usd": 900_000, "cost_nano_usd": 300_000, "price_version": "bench-1",
        "latency_ms": 40, "tags": {"team": "red"},
    }  # fmt: skip
    record = UsageRecord(**values | changes)
    assert bench.ledger().replay(record, FOREVER) == "settled"
    settle_down(bench)
    return record


def settle_down(bench: Bench) -> None:
    """Book what has happened, without the lines of budget events among a command's output."""
    with contextlib.redirect_stdout(io.StringIO()):
        bench.aggregate()


def run(*arguments: str, code: int = 0) -> None:
    assert cli.run(["--env", ENVIRONMENT, "--yes", "--output", "json", *arguments]) == code


def correct(request_id: str, *arguments: str, day: str = TODAY, code: int = 0) -> None:
    run("usage", "correct", request_id, "--consumer", "app", "--day", day, "--reason", WHY, *arguments, code=code)


def everything(bench: Bench) -> list[dict[str, Any]]:
    """All items of the table by sort key, once everything is booked."""
    settle_down(bench)
    items = all_items(AwsClient(bench.cloud.environment()), bench.table)
    return sorted(items, key=lambda item: (item[SK], item[PK]))


def items_of(bench: Bench, prefix: str) -> list[dict[str, Any]]:
    return [item for item in everything(bench) if item[PK].startswith(prefix)]


def spent(bench: Bench, consumer: str = "app") -> dict[str, int]:
    """The account's spend by window, once everything is booked."""
    settle_down(bench)
    item = bench.ledger().get(account_pk(consumer), ACCOUNT_SK, FOREVER)
    assert {name[2:]: value for name, value in item.items() if name.startswith("c|")} == {
        name[2:]: value for name, value in item.items() if name.startswith("s|")
    }, "committed = spent without holds"
    return {name[2:]: value for name, value in item.items() if name.startswith("s|")}


def check(bench: Bench, *consumers: str) -> None:
    """Account = rows and corrections = rollups, once everything is booked."""
    settle_down(bench)
    ledger = bench.ledger()
    for consumer in consumers or ("app",):
        rows = rows_of(ledger, consumer, set(MS), FOREVER)
        check_sums(ledger.account(consumer, FOREVER), rows, NOW.timestamp())
        check_rollups(ledger.query_partition(rollup_pk(consumer), FOREVER), rows)


def note(run_id: str = "r1") -> Note:
    return Note(reason=WHY, by="arn:aws:iam::000000000000:user/a", at=NOW, run=run_id)


def stated(cost: int, row: CorrectedRow) -> Target:
    return Target(cost=cost, tokens=row.tokens, fees=row.fees, method="cost")


def corrections(bench: Bench, aws: AwsClient | None = None) -> CorrectionLedger:
    return CorrectionLedger(aws or AwsClient(bench.cloud.environment()), bench.table, lambda: NOW)


def only_row(bench: Bench) -> CorrectedRow:
    (row,) = corrected_rows(items_of(bench, "USAGE#"), NOW)
    return row
