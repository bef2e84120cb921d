"""The ledger's invariants with corrections, under random operations, faults and repetitions (Hypothesis).

In addition to test_properties.py:

- account = Σ rows and corrections = rollups
- a request that was corrected costs what was stated, until the next correction
- the same correction or repricing, repeated or continued after a fault, books nothing more
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import strategies
from hypothesis.stateful import invariant, precondition, rule

from admin.usage.corrections.ledger import CorrectionLedger
from admin.usage.corrections.rows import CorrectedRow, Note, Target, corrected_rows
from lambda_src.core.row_change import HELD
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.aws import AwsError
from tests.money.conftest import LONG, run_machine
from tests.money.faults import Fault, Killed
from tests.money.test_properties import LedgerMachine, faults, money, tokens


class CorrectionMachine(LedgerMachine):
    """A consumer's account whose requests are also corrected, by one or by two operators."""

    def __init__(self) -> None:
        super().__init__()
        self.corrections = CorrectionLedger(self.aws, self.table, self._now)
        self.stated: dict[str, int] = {}
        self.seen: dict[str, CorrectedRow] = {}

    @precondition(lambda self: self.sent)
    @rule(data=strategies.data(), cost=money, used=strategies.none() | tokens, plan=faults)
    def correct(self, data: strategies.DataObject, cost: int, used: int | None, plan: list[Fault]) -> None:
        row = self._some_row(data)
        if row is None:
            return
        counts = row.tokens if used is None else replace(row.tokens, output=used)
        target = Target(cost=cost, tokens=counts, fees=row.fees, method="cost")
        self.stated.pop(row.request_id, None)
        if self._finishes(row, target, plan):
            self.stated[row.request_id] = cost
        else:  # the operator runs the command again
            again = self.corrections.read(row, self._deadline())
            assert again is not None
            assert again.cost in (row.cost, cost)
            self.corrections.bring_to(again, lambda _: target, self._note(), "usage.correct")
            self.stated[row.request_id] = cost

    @precondition(lambda self: self.seen)
    @rule(data=strategies.data(), cost=money)
    def another_operator_is_late(self, data: strategies.DataObject, cost: int) -> None:
        """A correction that was confirmed with figures of an earlier time."""
        request_id = data.draw(strategies.sampled_from(sorted(self.seen)))
        seen = self.seen[request_id]
        target = Target(cost=cost, tokens=seen.tokens, fees={}, method="cost")
        current = self.corrections.read(seen, self._deadline())
        booked = self.corrections.book(seen, target, self._note(), "usage.correct", self._deadline())
        assert current is None or booked == (self._state(current) == self._state(seen))
        if booked:
            self.stated[request_id] = cost

    @precondition(lambda self: self.sent)
    @rule(price=strategies.integers(0, 40), plans=strategies.lists(faults, max_size=3))
    def reprice(self, price: int, plans: list[list[Fault]]) -> None:
        """Each attempt is interrupted by its faults; the last one is not."""

        def target_of(row: CorrectedRow) -> Target | str:
            if row.stated_cost or row.held_amount:
                return "not repriced"
            cost = row.tokens.total * price
            return Target(cost=cost, tokens=row.tokens, fees={}, method="prices", price_version="v2")

        for plan in (*plans, []):
            try:
                with self._faults(plan):
                    for row in self._corrected_rows():
                        self.corrections.bring_to(row, target_of, self._note(), "usage.reprice")
            except (AwsError, Killed):
                continue
        targets = [(row, target_of(row)) for row in self._corrected_rows()]
        assert all(isinstance(target, str) or target.reached(row) for row, target in targets)
        before = self._everything()[1]
        for row, _ in targets:
            assert self.corrections.bring_to(row, target_of, self._note(), "usage.reprice") is None
        assert self._everything()[1] == before

    @invariant()
    def ledger_is_consistent(self) -> None:
        super().ledger_is_consistent()
        rows = {row.request_id: row for row in self._corrected_rows()}
        assert all(row.cost >= 0 for row in rows.values())
        costs = {request_id: rows[request_id].cost for request_id in self.stated if request_id in rows}
        assert costs == {request_id: self.stated[request_id] for request_id in costs}

    def _finishes(self, row: CorrectedRow, target: Target, plan: list[Fault]) -> bool:
        if target.reached(row):
            return True
        try:
            with self._faults(plan):
                assert self.corrections.book(row, target, self._note(), "usage.correct", self._deadline())
        except (AwsError, Killed):
            return False
        return True

    def _some_row(self, data: strategies.DataObject) -> CorrectedRow | None:
        rows = {row.request_id: row for row in self._corrected_rows()}
        if not rows:
            return None
        row = rows[data.draw(strategies.sampled_from(sorted(rows)))]
        self.seen.setdefault(row.request_id, row)
        return row

    def _corrected_rows(self) -> list[CorrectedRow]:
        rows = [row for row in self._everything()[1] if row.get("settlement") != HELD]  # as `OperatorLedger` does
        return list(corrected_rows(rows, self._now()))

    def _state(self, row: CorrectedRow) -> Any:
        return row.item.get("settlement"), row.booked, len(row.corrections)

    def _note(self) -> Note:
        return Note(reason="test", by="arn:aws:iam::000000000000:user/a", at=self._now(), run=secrets.token_hex(6))

    def _now(self) -> datetime:
        return utc_datetime(int(self.now * 1000))


@pytest.mark.timeout(3_600 if LONG else 300)
def test_ledger_invariants_hold_with_corrections() -> None:
    run_machine(CorrectionMachine, examples=60, long_examples=1_000)
