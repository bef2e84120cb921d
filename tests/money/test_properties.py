"""Invariants of the ledger under random sequences of operations and faults (Hypothesis).

The table is the embedded cloud's; the clock, the faults and the requests are generated. Invariants:

- committed = spent + Σ open holds, in every window that the account counts
- spent = Σ usage rows of the window; rollups = Σ usage rows
- reserving never commits more than the current limit, and fails only if there is no room
- each request has at most one row: at its real cost if it was settled, at the held amount if it was not
- every hold ends
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import strategies
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from lambda_src.contract import WINDOWS, rollup_pk
from lambda_src.core.account import Account, Hold
from lambda_src.core.policy import Budget, Policy
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord, record_from_line
from lambda_src.core.windows import minute, utc_datetime
from lambda_src.edges.aws import AwsError
from lambda_src.edges.ledger import Ledger, NoRoomError
from local.cloud.client import Cloud
from tests.bench import create_table
from tests.money.conftest import LONG, run_machine
from tests.money.faults import Fault, FaultyAws, Killed, request_id_of, rows_of
from tests.money.ledger_invariants import SentRequest, check_charges, check_rollups, check_sums

START = 1_795_391_940  # Sunday, 2026-11-22T23:59:00Z: a new day and week begin a minute later
HOLD_SECONDS = 120
SIGNATURE_SECONDS = 300
MINUTE, HOUR, DAY = 60, 3_600, 86_400

faults = strategies.just([]) | strategies.lists(
    strategies.sampled_from(["ok", "ok", "ok", "ok", "lost", "down", "down after", "killed", "killed after"]),
    max_size=4,
)
money = strategies.integers(0, 1_000)
tokens = strategies.integers(0, 50)
limits = strategies.none() | strategies.integers(0, 5_000)


class LedgerMachine(RuleBasedStateMachine):
    """Operations on one consumer's account, in any order."""

    cloud: ClassVar[Cloud]
    table: ClassVar[str]
    numbers: ClassVar[Iterator[int]] = iter(range(10**9))

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.consumer = f"c{next(self.numbers)}"
        self.now = float(START)
        self.aws = FaultyAws(self.cloud.environment())
        self.ledger = Ledger(self.aws, self.table, "test", 400, lambda: self.now)
        self.policy = Policy(consumer=self.consumer, plan="p", models=frozenset("*"))
        self.sent: dict[str, SentRequest] = {}
        self.count = 0

    # --- operations ---------------------------------------------------------------------------------------

    @initialize(day=limits, week=limits, month=limits, total=limits, per_minute=limits, requests=limits)
    def begin(self, **limits_by_name: int | None) -> None:
        self.change_policy(**limits_by_name)

    @rule(day=limits, week=limits, month=limits, total=limits, per_minute=limits, requests=limits)
    def change_policy(self, per_minute: int | None, requests: int | None, **by_window: int | None) -> None:
        budgets = tuple(Budget(by_window[window], window) for window in WINDOWS if by_window[window] is not None)
        self.policy = replace(self.policy, budgets=budgets, tokens_per_minute=per_minute, requests_per_minute=requests)

    @rule(seconds=strategies.sampled_from([1, 30, MINUTE, HOLD_SECONDS + 1, HOUR, DAY, 7 * DAY, 31 * DAY, -1, -90]))
    def move_clock(self, seconds: int) -> None:
        self.now += seconds

    @rule(target=requests, amount=money, estimate=tokens, late_ms=strategies.sampled_from([0, 3, 2_000]), plan=faults)
    def reserve(self, amount: int, estimate: int, late_ms: int, plan: list[Fault]) -> Any:
        self.count += 1
        at_ms = int(self.now * 1000) - late_ms
        request_id = f"{self.consumer}-{self.count}"
        hold = Hold(
            request_id=request_id, amount=amount, deadline=int(self.now) + HOLD_SECONDS, at_ms=at_ms, tokens=estimate,
            key_id="k1", route="chat", provider="openai", model=f"m{self.count % 2}", price_version="v1",
        )  # fmt: skip
        record = UsageRecord(
            request_id=request_id, at_ms=at_ms, environment="test", consumer=self.consumer, key_id="k1", route="chat",
            provider="openai", model=hold.model, price_version="v1",
        )  # fmt: skip
        if self._exceeds_a_limit(hold):
            return multiple()  # admission rejects it without a ledger call
        sent = self.sent[request_id] = SentRequest(hold, record)
        before = self._account()
        try:
            with self._faults(plan):
                account = self.ledger.reserve(hold, self.consumer, self.policy, self._deadline())
        except Killed:
            return request_id
        except NoRoomError:
            assert not self._has_room(hold, before)
            sent.refused = True
            self._book_refusal(sent)
            return request_id
        except AwsError:
            sent.refused = True
            self._withdraw(sent, [])
            return request_id
        assert self._has_room(hold, before)
        for budget in self.policy.budgets:
            assert account.committed(budget.per, utc_datetime(at_ms)) <= budget.limit
        sent.called = True
        sent.record.settlement, sent.record.held_nano_usd = "settled", amount
        sent.stale = account.stale_attributes(int(self.now * 1000))
        return request_id

    @rule(request_id=requests, share=strategies.integers(0, 100), used=tokens, plan=faults)
    def settle(self, request_id: str, share: int, used: int, plan: list[Fault]) -> None:
        """Also settles requests that are already settled or that the sweeper marked unsettled."""
        sent = self.sent[request_id]
        if not sent.called:
            return
        if sent.record.usage_source == "none":  # the provider responds once
            sent.record.cost_nano_usd = sent.hold.amount * share // 100
            sent.record.tokens, sent.record.usage_source, sent.record.status = Tokens(output=used), "reported", 200
        try:
            with self._faults(plan):
                outcome = self.ledger.settle(sent.record, sent.hold, sent.stale, self._deadline())
        except (AwsError, Killed):
            return
        sent.booked |= outcome != "kept"

    @rule(request_id=requests, plan=faults)
    def replay_from_the_log(self, request_id: str, plan: list[Fault]) -> None:
        """`tollgate logs replay` of a line whose ledger write failed."""
        sent = self.sent[request_id]
        if not sent.refused and sent.record.usage_source == "none":
            return  # no usage line was written
        record = record_from_line(json.loads(usage_line(sent.record, per_consumer=False)))
        try:
            with self._faults(plan):
                outcome = self.ledger.replay(record, self._deadline())
        except (AwsError, Killed):
            return
        sent.booked |= outcome != "kept"

    @rule(request_id=requests)
    def reserve_arrives_again(self, request_id: str) -> None:
        """The network delivers an earlier reserve again. AWS rejects signatures older than five minutes."""
        hold = self.sent[request_id].hold
        if not 0 <= self.now - hold.at_ms / 1000 <= SIGNATURE_SECONDS:
            return
        try:
            self.ledger.reserve(hold, self.consumer, replace(self.policy, budgets=()), self._deadline())
        except NoRoomError:
            return

    @rule(request_id=requests, plan=faults)
    def withdraw_again(self, request_id: str, plan: list[Fault]) -> None:
        if self.sent[request_id].refused:
            self._withdraw(self.sent[request_id], plan)

    @rule(plan=faults)
    def sweep(self, plan: list[Fault]) -> None:
        account = self._account()
        try:
            with self._faults(plan):
                list(self.ledger.sweep(self.consumer, account, self._deadline()))
        except (AwsError, Killed):
            return

    @rule(seconds=strategies.sampled_from([HOLD_SECONDS + 1, DAY, 2 * DAY, 40 * DAY]))
    def expire_and_sweep(self, seconds: int) -> None:
        """All holds expire and are swept, so that the next settle is late."""
        self.now += seconds
        list(self.ledger.sweep(self.consumer, self._account(), self._deadline()))

    @precondition(lambda self: self.sent)
    @rule(plan=faults)
    def sweep_stale_account(self, plan: list[Fault]) -> None:
        """A sweeper that read the account before all later settles."""
        all_holds = Account({f"h|{sent.hold.request_id}": sent.hold.text for sent in self.sent.values()})
        ids_with_row = {request_id_of(row) for row in self._rows()}
        stale_account = Account(
            {k: v for k, v in all_holds.item.items() if k[2:] in ids_with_row or k in self._account().item}
        )
        try:
            with self._faults(plan):
                list(self.ledger.sweep(self.consumer, stale_account, self._deadline()))
        except (AwsError, Killed):
            return

    # --- invariants ---------------------------------------------------------------------------------------

    @invariant()
    def ledger_is_consistent(self) -> None:
        account, rows = self._account(), self._rows()
        check_sums(account, rows, self.now)
        check_rollups(self.ledger.query_partition(rollup_pk(self.consumer), self._deadline()), rows)
        check_charges(self.sent, rows)

    def teardown(self) -> None:
        """Every hold ends, and every request whose provider was called has a row."""
        latest = max([self.now, *(sent.hold.deadline for sent in self.sent.values())])
        self.now = latest + HOLD_SECONDS + 1
        list(self.ledger.sweep(self.consumer, self._account(), self._deadline()))
        account = self._account()
        assert account.holds() == []
        for name, value in account.item.items():
            if name.startswith("c|"):
                assert value == account.item.get(f"s|{name[2:]}", 0)
        rows = {request_id_of(row) for row in self._rows()}
        assert {request_id for request_id, sent in self.sent.items() if sent.called} <= rows
        self.ledger_is_consistent()

    # --- helpers ------------------------------------------------------------------------------------------

    def _deadline(self) -> float:
        return time.monotonic() + 10

    def _faults(self, plan: list[Fault]) -> Any:
        return _PlannedFaults(self.aws, plan)

    def _account(self) -> Account:
        return self.ledger.account(self.consumer, time.monotonic() + 5)

    def _rows(self) -> list[dict[str, Any]]:
        days = {sent.record.day for sent in self.sent.values()}
        return rows_of(self.ledger, self.consumer, days, time.monotonic() + 5)

    def _exceeds_a_limit(self, hold: Hold) -> bool:
        policy = self.policy
        return (
            any(hold.amount > budget.limit for budget in policy.budgets)
            or (policy.tokens_per_minute is not None and hold.tokens > policy.tokens_per_minute)
            or (policy.requests_per_minute is not None and policy.requests_per_minute < 1)
        )

    def _has_room(self, hold: Hold, account: Account) -> bool:
        at, policy, now = utc_datetime(hold.at_ms), self.policy, minute(hold.at_ms)
        minutes = account.item.get(f"t|{now}", 0), account.item.get(f"r|{now}", 0)
        return (
            all(account.committed(budget.per, at) + hold.amount <= budget.limit for budget in policy.budgets)
            and (policy.tokens_per_minute is None or minutes[0] + hold.tokens <= policy.tokens_per_minute)
            and (policy.requests_per_minute is None or minutes[1] < policy.requests_per_minute)
        )

    def _book_refusal(self, sent: SentRequest) -> None:
        sent.record.status = 429
        self.ledger.book_unbilled(sent.record, self._deadline())
        sent.booked = True

    def _withdraw(self, sent: SentRequest, plan: list[Fault]) -> None:
        sent.record.status = 503
        try:
            with self._faults(plan):
                outcome = self.ledger.withdraw(sent.record, sent.hold, self._deadline())
        except (AwsError, Killed):
            return
        sent.booked |= outcome != "kept"


class _PlannedFaults:
    """The faults of AWS calls during a `with` block."""

    def __init__(self, aws: FaultyAws, plan: list[Fault]) -> None:
        self._aws, self._plan = aws, plan

    def __enter__(self) -> None:
        self._aws.plan = list(self._plan)

    def __exit__(self, *_: object) -> None:
        self._aws.plan = []


@pytest.mark.timeout(3_600 if LONG else 300)
def test_ledger_invariants_hold(cloud: Cloud) -> None:
    LedgerMachine.cloud, LedgerMachine.table = cloud, create_table(cloud)
    run_machine(LedgerMachine, examples=150, long_examples=2_000)
