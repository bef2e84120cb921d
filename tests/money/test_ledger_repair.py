"""Random damage is found and repaired exactly, also while requests run, and by two operators at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from admin import cli
from lambda_src.core.account import BUCKET_MS, is_over, tally
from lambda_src.core.row_change import HELD
from tests.bench import Bench
from tests.money.conftest import LONG
from tests.money.correction_bench import ENVIRONMENT, NOW, TODAY, check, correct, items_of, settle_down
from tests.money.ledger_damage import ACCOUNT, Ledger, Request, booking, damage, lose, rollup

ROUNDS = 200 if LONG else 8
SWEPT_SECONDS = 1_800
"""Requests before that should have been ended by the sweeper, which does not run in these tests."""


@pytest.fixture
def ledger(correctable: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(correctable, capsys, monkeypatch)


def counters(bench: Bench) -> dict[tuple[str, str], int]:
    """All numbers of the account and of the rollups that are not zero. Tokens and requests per minute are left out."""
    items = [*items_of(bench, "ACCOUNT#app"), *items_of(bench, "ROLLUP#app")]
    return {
        (item["sk"], name): value
        for item in items
        for name, value in item.items()
        if isinstance(value, int) and value and name[:2] not in ("t|", "r|")
    }


def requests(bench: Bench, dice: random.Random, round_number: int) -> None:
    """Requests that have ended, of the last hour and of ten days, and some in progress."""
    for number in range(dice.randrange(1, 6)):
        name = f"round-{round_number}-{number}="
        seconds = dice.choice((1, 200, SWEPT_SECONDS + 600, 90_000, 10 * 86_400))
        request = Request(bench, name, dice.randrange(1_000_000), seconds)
        if seconds < SWEPT_SECONDS and dice.random() < 0.3:
            request.open()
        else:
            request.open().settle(dice.randrange(1_000_000))
    settle_down(bench)


def damaged(bench: Bench, dice: random.Random) -> None:
    """Change, remove or delete something that the rows determine."""
    (account,) = items_of(bench, "ACCOUNT#app")
    live = (int(NOW.timestamp()) - SWEPT_SECONDS) * 1000 // BUCKET_MS
    for _ in range(dice.randrange(1, 4)):
        stored = dice.choice([account, *items_of(bench, "ROLLUP#app")])
        key = stored["pk"], stored["sk"]
        names = [
            name
            for name, value in stored.items()
            if isinstance(value, int)
            and (
                key != ACCOUNT
                or name[:2] == "E|"
                or (name[:2] == "R|" and int(name[2:]) < live)
                or (name[:2] in ("c|", "s|") and not is_over(name, NOW))
            )
        ]
        if key != ACCOUNT and dice.random() < 0.2:
            lose(bench, key)
        elif names:
            name = dice.choice(names)
            amount = dice.randrange(-1_000_000, 1_000_000) or 1
            damage(bench, key, {name: tally(amount, 0) if name[:2] in ("R|", "E|") else amount})


@pytest.mark.timeout(3_600 if LONG else 300)
def test_random_damage_is_repaired_exactly(ledger: Ledger) -> None:
    """Afterwards, every counter is what it was before."""
    dice = random.Random(13)  # noqa: S311
    for number in range(ROUNDS):
        requests(ledger.bench, dice, number)
        before = counters(ledger.bench)
        damaged(ledger.bench, dice)
        is_damaged = counters(ledger.bench) != before
        document = ledger.repair("--since", "20d")
        assert (document["repaired"] > 0, document["differences"]) == (is_damaged, []), number
        assert counters(ledger.bench) == before, number


@contextmanager
def traffic(bench: Bench, clients: int) -> Iterator[None]:
    """Requests of several clients during the block. At the end all have ended."""
    stop = threading.Event()

    def send(client: int) -> None:
        number = 0
        while not stop.wait(0.1):
            number += 1
            Request(bench, f"client-{client}-{number}=", 5_000).open().settle(number % 4_000)

    threads = [threading.Thread(target=send, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_verify_while_requests_run(ledger: Ledger) -> None:
    """No request in progress, just ended or being booked is a difference."""
    with booking(ledger.bench), traffic(ledger.bench, 2):
        time.sleep(0.5)
        for _ in range(3):
            document = ledger.verify("--wait", "1")
            assert document["differences"] == []
    assert document["rows"] > 20
    assert ledger.verify()["unbooked"] == 0


def test_repair_while_requests_run(ledger: Ledger) -> None:
    """Nothing that is booked meanwhile is lost or doubled."""
    bench = ledger.bench
    Request(bench, "first-request=").open().settle()
    with booking(bench), traffic(bench, 2):
        for amount in (7, -1_000_003):
            damage(bench, ACCOUNT, {"s|day|2026-11-23": amount, "c|total|all": -amount})
            damage(bench, rollup(TODAY), {"cost_nano_usd": amount, "requests": 1})
            document = ledger.verify("--wait", "1", "--repair")
            assert (document["repaired"], document["differences"]) == (2, [])
        damage(bench, rollup(TODAY), {"cost_nano_usd": 7})
        (found,) = ledger.verify("--wait", "1", code=1)["differences"]
        assert (found["item"], found["difference_nano_usd"]) == (f"{TODAY} quick key-app", 7)
    assert ledger.repair()["repaired"] == 1
    assert ledger.verify()["differences"] == []
    assert not any(row["settlement"] == HELD for row in items_of(bench, "USAGE#"))
    check_without_open_buckets(bench)


def check_without_open_buckets(bench: Bench) -> None:
    (account,) = items_of(bench, "ACCOUNT#app")
    assert {name[2:]: value for name, value in account.items() if name[:2] == "R|"} == {
        name[2:]: value for name, value in account.items() if name[:2] == "E|"
    }
    check(bench)


def test_two_repairs_at_once(ledger: Ledger) -> None:
    """The second finds the first one's marker, and nothing left to repair."""
    bench = ledger.bench
    Request(bench, "first-request=").open().settle()
    settle_down(bench)
    damage(bench, rollup(TODAY), {"cost_nano_usd": 5_000})
    damage(bench, ACCOUNT, {"s|day|2026-11-23": 5_000})
    words = ["--env", ENVIRONMENT, "--yes", "--output", "json", "ledger", "verify", "--wait", "0", "--repair"]
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(cli.run(words))) for _ in range(2)]
    with booking(bench):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert codes == [0, 0]
    check(bench)


def test_a_correction_beside_a_repair(ledger: Ledger) -> None:
    """Both change the same rollup and account."""
    bench = ledger.bench
    Request(bench, "first-request=").open().settle()
    settle_down(bench)
    lose(bench, rollup(TODAY))
    correct("first-request=", "--cost", "0.0001")
    ledger.repair()
    check(bench)


def test_a_budget_is_as_large_as_before(ledger: Ledger) -> None:
    """A repaired account admits what fits, to the nano-dollar."""
    bench = ledger.bench
    Request(bench, "first-request=", 900_000).open().settle(400_000)
    settle_down(bench)
    damage(bench, ACCOUNT, {"c|day|2026-11-23": 300_000})
    ledger.repair()
    numbers: Mapping[str, Any] = items_of(bench, "ACCOUNT#app")[0]
    assert (numbers["c|day|2026-11-23"], numbers["s|day|2026-11-23"]) == (400_000, 400_000)
