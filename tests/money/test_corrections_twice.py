"""Corrections by two operators, with crashes, and of requests that settle late; and budget events after corrections."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import pytest

from admin.usage.corrections.rows import corrected_rows
from lambda_src.contract import SK, event_pk
from lambda_src.core.account import Hold
from lambda_src.core.budget_use import EVENT_SK
from lambda_src.core.policy import policy_from_item
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.sweeper import Sweeper
from tests.bench import Bench
from tests.money.correction_bench import (
    ENVIRONMENT,
    FOREVER,
    MS,
    NOW,
    TODAY,
    book,
    check,
    correct,
    corrections,
    everything,
    items_of,
    note,
    only_row,
    run,
    spent,
    stated,
)
from tests.money.faults import Fault, FaultyAws, Killed
from tests.money.sandboxes import run_parallel


def test_parallel_operators_correct_a_request_once(correctable: Bench) -> None:
    book(correctable, "first-request=")
    row = only_row(correctable)

    def operator(number: int) -> int | None:
        ledger = corrections(correctable)
        return ledger.bring_to(row, lambda current: stated(120_000, current), note(f"r{number}"), "usage.reprice")

    jobs = [partial(operator, number) for number in range(6)]
    assert sorted(run_parallel(jobs), key=str) == [-180_000, None, None, None, None, None]
    assert set(spent(correctable).values()) == {120_000}
    assert len(items_of(correctable, "AUDIT#")) == 1
    check(correctable)


def test_a_correction_that_others_overtook_books_nothing(correctable: Bench) -> None:
    book(correctable, "first-request=")
    row, ledger = only_row(correctable), corrections(correctable)
    assert ledger.book(row, stated(0, row), note(), "usage.correct", FOREVER)
    assert not ledger.book(row, stated(200_000, row), note(), "usage.correct", FOREVER)
    assert set(spent(correctable).values()) == {0}
    check(correctable)


@pytest.mark.parametrize("fault", ["lost", "down", "down after", "killed", "killed after"])
def test_an_interrupted_correction_is_completed_once(correctable: Bench, fault: Fault) -> None:
    book(correctable, "first-request=")
    row, aws = only_row(correctable), FaultyAws(correctable.cloud.environment())
    ledger = corrections(correctable, aws)
    aws.plan = [fault]
    try:
        assert ledger.book(row, stated(1, row), note(), "usage.correct", time.monotonic() + 10) == (fault == "lost")
    except (AwsError, Killed):
        assert fault != "lost"
    again = only_row(correctable)
    assert ledger.bring_to(again, lambda current: stated(1, current), note("r2"), "usage.correct") == (
        -299_999 if fault in ("down", "killed") else None
    )
    assert set(spent(correctable).values()) == {1}
    assert len(items_of(correctable, "AUDIT#")) == 1
    check(correctable)


def test_a_late_settle_keeps_the_corrected_cost(
    correctable: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """A replay of a request that the sweeper booked at the held amount, and that an operator corrected since."""
    swept = {"settlement": "unsettled", "usage_source": "estimated", "status": 504, "error_code": "unsettled",
             "tokens": Tokens(input=7), "latency_ms": 0}  # fmt: skip
    book(correctable, "first-request=", cost_nano_usd=900_000, **swept)
    stale = only_row(correctable)
    correct("first-request=", "--cost", "0.0002")
    before = everything(correctable)
    line = usage_line(
        UsageRecord(
            request_id="first-request=", at_ms=MS[TODAY], environment=ENVIRONMENT, consumer="app", key_id="key-app",
            route="chat", provider="openai", model="quick", status=200, settlement="settled", cost_nano_usd=300_000,
        ),
        per_consumer=False,
    )  # fmt: skip
    path = tmp_path / "lines"
    path.write_text(line)
    capsys.readouterr()
    run("logs", "replay", str(path))
    assert json.loads(capsys.readouterr().out) == {
        "lines": 1, "booked": 0, "corrected": 0, "there_already": 0, "kept": 1,
    }  # fmt: skip
    assert everything(correctable) == before
    check(correctable)
    # The other way round: the settle came first, so a correction of what was read before books nothing.
    book(correctable, "other-request=", cost_nano_usd=900_000, **swept)
    other = next(
        row for row in corrected_rows(items_of(correctable, "USAGE#"), NOW) if row.request_id == "other-request="
    )
    path.write_text(line.replace("first-request=", "other-request="))
    run("logs", "replay", str(path))
    assert not corrections(correctable).book(other, stated(0, other), note(), "usage.correct", FOREVER)
    assert stale.item != other.item
    assert spent(correctable)["total|all"] == 200_000 + 300_000
    check(correctable)


def test_the_sweeper_closes_a_bucket_with_corrections(correctable: Bench) -> None:
    book(correctable, "first-request=")
    correct("first-request=", "--cost", "0.0002")
    hold = Hold(request_id="in-vain=", amount=70_000, deadline=0, at_ms=MS[TODAY], tokens=1)
    ledger = correctable.ledger()
    ledger.reserve(hold, "app", policy_from_item({"consumer": "app", "plan": "p"}), FOREVER)
    counts = Sweeper(correctable.config(), AwsClient(correctable.cloud.environment()), ledger).run(FOREVER)
    assert (counts["failed"], counts["closed"], counts["freed_nano_usd"]) == (0, 1, 70_000)
    assert set(spent(correctable).values()) == {200_000}


def test_corrections_neither_repeat_nor_suppress_budget_events(correctable: Bench) -> None:
    """The budget is 1,000,000 nano-USD per day, with events at 50, 80 and 100 %."""
    known: set[str] = set()

    def events() -> list[str]:
        """The new events that the aggregator has published, by day, week or month and percentage."""
        new = [item[SK] for item in items_of(correctable, event_pk("app")) if item[SK].startswith(EVENT_SK)]
        new = [sk for sk in new if sk not in known]
        known.update(new)
        return [sk.removeprefix(f"{EVENT_SK}day#{TODAY}#") for sk in new]

    book(correctable, "first-request=", cost_nano_usd=600_000)
    assert events() == ["50"]
    correct("first-request=", "--cost", "0.0001")
    assert events() == [], "a refund publishes nothing"
    book(correctable, "second-request=", cost_nano_usd=500_000)
    assert events() == [], "50 % was published in this window"
    correct("second-request=", "--cost", "0.00075")
    assert events() == ["80"], "a correction that passes a threshold publishes it once"
