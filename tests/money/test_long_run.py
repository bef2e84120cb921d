"""Thousands of requests of one consumer under all faults at once, and an account over a year: the ledger is exact.

The histories of test_properties.py are short, so that Hypothesis finds the shortest that fails. This one is long: days
with thousands of rows, many requests in flight, shards that are replaced hundreds of times.
"""

from __future__ import annotations

import contextlib
import io
import random
from collections import Counter
from typing import get_args

import pytest

from tests.money.conftest import LONG
from tests.money.faults import Fault, request_id_of
from tests.money.test_properties import DAY, HOUR, LedgerMachine
from tests.money.write_units import item_size

REQUESTS = 10_000 if LONG else 2_000
"""10,000 take a minute of CPU."""
FAULTS: tuple[Fault, ...] = get_args(Fault)
BEFORE_CALL: tuple[Fault, ...] = tuple(fault for fault in FAULTS if fault != "overtaken")
"""Faults of a reserve: the machine compares its result with the account just before."""
STEPS = {
    "send": 45, "settle": 48, "wait": 12, "deliver": 5, "replay": 2, "sweep": 1, "withdraw": 1, "late": 2, "again": 1,
}  # fmt: skip
WAITS = {0.5: 300, 2: 300, 20: 60, 150: 10, 420: 4, HOUR: 3, DAY: 2}
"""Seconds that pass, and how often."""


class LongRun(LedgerMachine):
    """Chooses operations at random."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.dice.seed(seed)
        self.choice = random.Random(seed)  # noqa: S311
        self.running: list[str] = []
        self.done: list[str] = []

    def step(self) -> None:
        """Do one thing."""
        name = self.choice.choices(list(STEPS), list(STEPS.values()))[0]
        getattr(self, f"_{name}_something")()

    def _send_something(self) -> None:
        late_ms = self.choice.choice((0, 3, 2_000))
        self.running += self._send(
            self.choice.randrange(1_000), self.choice.randrange(50), late_ms, self._plan(BEFORE_CALL)
        )

    def _settle_something(self) -> None:
        if self.running:
            request_id = self.running.pop(self.choice.randrange(len(self.running)))
            self.done.append(request_id)
            if self.choice.random() < 0.98:  # the others crash, and lapse
                self.settle(
                    request_id=request_id,
                    share=self.choice.randint(0, 100),
                    used=self.choice.randrange(50),
                    plan=self._plan(FAULTS),
                )

    def _wait_something(self) -> None:
        seconds = self.choice.choices(list(WAITS), list(WAITS.values()))[0]
        self.move_clock(seconds=seconds)

    def _deliver_something(self) -> None:
        self.deliver(sandbox=self.choice.randrange(2), plan=self._plan(FAULTS))

    def _replay_something(self) -> None:
        if self.done:
            self.replay_from_the_log(request_id=self.choice.choice(self.done[-200:]), plan=self._plan(FAULTS))

    def _sweep_something(self) -> None:
        self.sweep(plan=self._plan(FAULTS))

    def _withdraw_something(self) -> None:
        if self.done:
            self.withdraw_again(request_id=self.choice.choice(self.done[-200:]), plan=self._plan(FAULTS))

    def _late_something(self) -> None:
        self.late_calls_arrive()

    def _again_something(self) -> None:
        if self.running:
            self.reserve_arrives_again(request_id=self.running[-1])

    def _plan(self, faults: tuple[Fault, ...]) -> list[Fault]:
        """Faults of the next calls: one call in ten has one."""
        return [self.choice.choice(faults) if self.choice.random() < 0.1 else "ok" for _ in range(4)]


@pytest.mark.timeout(600)
def test_thousands_of_requests_with_all_faults_are_exact() -> None:
    run = LongRun(seed=13)
    with contextlib.redirect_stdout(io.StringIO()):
        while len(run.sent) < REQUESTS:
            run.step()
            if len(run.sent) % 1_000 == 0:
                run.ledger_is_consistent()
        run.teardown()  # which compares account, rows and rollups
    assert set(run.aws.met) == set(FAULTS)
    assert min(run.aws.met.values()) >= 20
    _, rows, _ = run._everything()
    called = {request_id for request_id, sent in run.sent.items() if sent.called}
    assert called <= {request_id_of(row) for row in rows}
    assert len({request_id_of(row) for row in rows}) == len(rows)
    settlements = Counter(row["settlement"] for row in rows)
    assert settlements["settled"] > 0.8 * REQUESTS
    assert settlements["unsettled"] > 0.01 * REQUESTS


@pytest.mark.parametrize("swept", [True, False])
def test_account_works_after_a_year_without_a_settle(swept: bool) -> None:
    """Providers never respond, and for a year the sweeper ends the requests, or does not run either."""
    year, days = LedgerMachine(), 1 if swept else 7
    with contextlib.redirect_stdout(io.StringIO()):
        _live(year, days, swept)


def _live(year: LedgerMachine, days: int, swept: bool) -> None:
    for _ in range(0, 365, days):
        assert year._send(1_000, 10, 0, []), "rejected"
        assert year._send(500, 10, 0, []), "rejected"
        year.move_clock(seconds=DAY // 2)
        if swept:
            year.sweep(plan=[])
            year.move_clock(seconds=HOUR)
            year.deliver(sandbox=0, plan=[])
            year.delivery.deliver_all(year.aggregators[0])
            assert item_size(year._account().item) < 1_024
        year.move_clock(seconds=days * DAY - DAY // 2)
    assert all(sent.called for sent in year.sent.values())
    (last,) = year._send(900, 10, 0, [])
    year.settle(request_id=last, share=50, used=3, plan=[])
    assert year.sent[last].booked
    year.settle(request_id=next(iter(year.sent)), share=50, used=3, plan=[])
    year.teardown()
    year.lapse_and_sweep(seconds=2 * DAY)  # when the markers of all these days have gone
    assert item_size(year._account().item) < 1_024
