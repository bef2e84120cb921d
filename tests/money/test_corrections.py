"""`tollgate usage correct`, with figures by hand: a correction moves rollup, account and audit log once."""

from __future__ import annotations

import json

import pytest

from admin import cli
from lambda_src.contract import SK, usage_pk, usage_slot
from tests.bench import Bench
from tests.money.correction_bench import (
    ENVIRONMENT,
    FOREVER,
    LAST_MONTH,
    MS,
    NOW,
    TODAY,
    WHY,
    book,
    check,
    correct,
    everything,
    items_of,
    spent,
)


def test_a_correction_moves_rollup_account_and_audit_once(
    correctable: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    book(correctable, "first-request=")
    book(correctable, "second-request=")
    (row_before, _) = items_of(correctable, "USAGE#")
    correct("first-request=", "--cost", "0.0001")
    printed = json.loads(capsys.readouterr().out)
    assert (printed["old_nano_usd"], printed["new_nano_usd"], printed["difference_nano_usd"]) == (
        300_000, 100_000, -200_000,
    )  # fmt: skip
    assert printed["windows"] == ["day 2026-11-23", "week 2026-W48", "month 2026-11", "total all"]
    row, correction, _ = items_of(correctable, "USAGE#")
    assert row == row_before, "usage rows are never edited"
    run_id, at = correction.pop("run"), correction.pop("at")
    assert at == "2026-11-23T12:00:00.000+00:00"
    assert correction == {
        "pk": usage_pk("app", TODAY, usage_slot("first-request=")),
        "sk": f"{MS[TODAY]}#first-request=#0001", "kind": "correction",
        "request_id": "first-request=", "consumer": "app", "day": TODAY, "at_ms": MS[TODAY], "key_id": "key-app",
        "model": "quick", "provider": "openai", "cost_nano_usd": -200_000, "reason": WHY, "method": "cost",
        "by": "arn:aws:iam::000000000000:root", "ttl": row["ttl"],
    }  # fmt: skip
    assert set(spent(correctable).values()) == {400_000}
    (rollup,) = items_of(correctable, "ROLLUP#")
    assert (rollup["requests"], rollup["cost_nano_usd"], rollup["corrections"], rollup["corrected_nano_usd"]) == (
        2, 400_000, 1, -200_000,
    )  # fmt: skip
    (audit,) = items_of(correctable, "AUDIT#")
    assert (audit["action"], audit["target"]) == ("usage.correct", "app/first-request=")
    assert json.loads(audit["before"]) == {"usd": "0.0003"}
    assert json.loads(audit["after"]) == {
        "usd": "0.0001", "reason": WHY, "correction": "0001", "day": TODAY, "run": run_id,
    }  # fmt: skip
    check(correctable)
    before = everything(correctable)
    correct("first-request=", "--cost", "0.0001")
    assert everything(correctable) == before, "the same command changes nothing more"


def test_a_second_correction_refers_to_the_sum_so_far(correctable: Bench) -> None:
    book(correctable, "first-request=")
    for dollars, difference in (("0.0004", 100_000), ("0", -400_000), ("0.00005", 50_000)):
        correct("first-request=", "--cost", dollars)
        assert items_of(correctable, "USAGE#")[-1]["cost_nano_usd"] == difference
    assert [item[SK][-4:] for item in items_of(correctable, "USAGE#")[1:]] == ["0001", "0002", "0003"]
    assert set(spent(correctable).values()) == {50_000}
    check(correctable)


def test_a_refund_of_a_past_month_leaves_the_current_windows(correctable: Bench) -> None:
    """Only the counter in total, which includes every window, changes. The rollup of that day does."""
    correctable.now = lambda: MS[LAST_MONTH] / 1000
    book(correctable, "old-request=", LAST_MONTH)
    assert spent(correctable)["day|2026-10-20"] == 300_000
    correctable.now = NOW.timestamp
    book(correctable, "new-request=")
    ledger = correctable.ledger()
    ledger.prune("app", ledger.account("app", FOREVER), FOREVER)  # as the sweeper does
    correct("old-request=", "--cost", "0", day=LAST_MONTH)
    counters = spent(correctable)
    assert (counters["day|2026-11-23"], counters["month|2026-11"], counters["total|all"]) == (300_000, 300_000, 300_000)
    assert "day|2026-10-20" not in counters
    assert "week|2026-W43" not in counters
    rollups = {item[SK][:10]: item["cost_nano_usd"] for item in items_of(correctable, "ROLLUP#")}
    assert rollups == {LAST_MONTH: 0, TODAY: 300_000}
    check(correctable)


def test_tokens_are_priced_for_the_request(correctable: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """90 input at 1,000 and 20 output at 4,000 nano-USD; a class that is not named stays."""
    book(correctable, "first-request=", price_version="bench-0")
    correct("first-request=", "--tokens", "input=90,output=20")
    printed = json.loads(capsys.readouterr().out)
    assert (printed["new_nano_usd"], printed["tokens"]) == (170_000, {"input": -10, "output": -30})
    assert (printed["price_version"], printed["booked_price_version"]) == ("bench-1", "bench-0")
    (rollup,) = items_of(correctable, "ROLLUP#")
    assert (rollup["tokens_input"], rollup["tokens_output"], rollup["cost_nano_usd"]) == (90, 20, 170_000)
    correct("first-request=", "--tokens", "output=0", "--price", "input=3")
    assert set(spent(correctable).values()) == {270_000}
    check(correctable)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "nothing to correct: pass --cost, --tokens or --price"),
        (["--cost", "-1"], 2, "invalid --cost '-1'; accepted: dollars from 0 with at most nine decimals"),
        (["--cost", "0.0000000001"], 2, "at most nine decimals"),
        (["--cost", "1e400"], 2, "invalid --cost"),
        (["--cost", "NaN"], 2, "invalid --cost"),
        (["--cost", "1", "--price", "input=1"], 2, "--cost and --price both give the cost"),
        (["--tokens", "words=1"], 2, "invalid --tokens 'words=1'; accepted: CLASS=VALUE such as input=1200"),
        (["--tokens", "input=-1"], 2, "invalid --tokens input='-1'; accepted: a whole number"),
        (["--tokens", "input=1", "--tokens", "input=2"], 2, "--tokens has input twice"),
        (["--price", "input"], 2, "invalid --price 'input'"),
    ],
)
def test_invalid_corrections(
    correctable: Bench, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    book(correctable, "first-request=")
    before = everything(correctable)
    correct("first-request=", *arguments, code=code)
    assert words in " ".join(capsys.readouterr().err.split())
    assert everything(correctable) == before


def test_requests_that_cannot_be_corrected(correctable: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    book(correctable, "unpriced-request=", model="gone")
    book(correctable, "lost-request=", settlement="unsettled", usage_source="estimated", cost_nano_usd=900_000)
    for request_id, arguments, words in (
        ("no-such-request=", ["--cost", "1"], "app has no request no-such-request= on 2026-11-23"),
        ("unpriced-request=", ["--tokens", "input=1"], "of a model that the environment no longer has"),
        ("lost-request=", ["--price", "input=1"], "was charged its held amount, because its tokens are unknown"),
    ):
        correct(request_id, *arguments, code=1)
        assert words in " ".join(capsys.readouterr().err.split())


def test_dry_run_and_unconfirmed_correction_book_nothing(
    correctable: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    book(correctable, "first-request=")
    before = everything(correctable)
    words = ["usage", "correct", "first-request=", "--consumer", "app", "--day", TODAY, "--reason", WHY, "--cost", "0"]
    assert cli.run(["--env", ENVIRONMENT, "--dry-run", *words]) == 0
    printed = capsys.readouterr()
    assert "dry run, nothing done: Correct first-request= of app from 0.0003 to 0 USD" in " ".join(printed.err.split())
    assert "day 2026-11-23, week 2026-W48, month 2026-11, total all" in printed.out
    assert cli.run(["--env", ENVIRONMENT, *words]) == 2  # stdin is not a terminal
    assert everything(correctable) == before
