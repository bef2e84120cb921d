"""Invariants of the ledger under random sequences of operations and faults (Hypothesis).

The table and its stream are those of the embedded cloud, in this process. The clock, the faults, the delivery of the
stream and the requests are generated. Invariants at any time:

- committed is at least what is spent or reserved, in every window that the account counts
- reserving never commits more than the current limit, and fails only if there is no room
- each request has at most one row: at its real cost if it was settled, at the held amount if it was not
- the account stays small, however much is in flight

and at rest, when every request has ended and the stream is delivered:

- committed = spent = Σ usage rows of the window; rollups = Σ usage rows
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from lambda_src.aggregator import Aggregator
from lambda_src.contract import ACCOUNT_SK, Config
from lambda_src.core.account import Account, Hold
from lambda_src.core.policy import Budget, Policy
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord, record_from_line
from lambda_src.core.windows import minute, utc_datetime
from lambda_src.edges.aws import AwsError
from lambda_src.edges.ledger import Ledger, NoRoomError
from lambda_src.sweeper import Sweeper
from tests.in_process import InProcessAws
from tests.money.conftest import LONG, run_machine
from tests.money.faults import SIGNATURE_SECONDS, Fault, FaultyAws, InProcessFaultyAws, Killed, all_items, request_id_of
from tests.money.ledger_invariants import (
    WINDOWS,
    SentRequest,
    check_charges,
    check_committed,
    check_rollups,
    check_sums,
)
from tests.money.write_units import item_size
from tests.stream import KEPT_SECONDS, Delivery, Stream

START = 1_795_391_940  # Sunday, 2026-11-22T23:59:00Z: a new day and week begin a minute later
HOLD_SECONDS = 120
MINUTE, HOUR, DAY = 60, 3_600, 86_400

faults = strategies.just([]) | strategies.lists(
    strategies.sampled_from(
        ["ok", "ok", "ok", "lost", "late", "throttled", "conflict", "down", "down after", "killed", "killed after"]
    ),
    max_size=4,
)
overtaking = faults | strategies.lists(strategies.sampled_from(["ok", "overtaken", "lost", "killed after"]), max_size=4)
money = strategies.integers(0, 1_000)
tokens = strategies.integers(0, 50)
limits = strategies.sampled_from([None, None, None, None, 0, 1_000, 2_500, 10_000])


class LedgerMachine(RuleBasedStateMachine):
    """Operations on one consumer's account, in any order."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.consumer, self.now = "c", float(START)
        self.aws = InProcessFaultyAws(lambda: self.now)
        self.aws.meanwhile = self._meanwhile
        self.table = self.aws.create_table()
        self.ledger = Ledger(self.aws, self.table, "test", 400, lambda: self.now)
        config = Config(environment="test", table=self.table, providers={}, hold_seconds=HOLD_SECONDS)
        self.aggregators = [Aggregator(config, self.aws, self.ledger) for _ in range(2)]
        self.sweeper = Sweeper(config, self.aws, self.ledger)
        self.reader = InProcessAws()
        self.dice = random.Random(0)  # noqa: S311
        self.delivery = Delivery(Stream(self.reader, self.table), self.dice, lambda: self.now)
        self.policy = Policy(consumer=self.consumer, plan="p", models=frozenset("*"))
        self.sent: dict[str, SentRequest] = {}
        self.count = 0
        self.read_after, self.items = -1, list[dict[str, Any]]()

    # --- operations ---------------------------------------------------------------------------------------

    @initialize(
        target=requests, total=limits, amounts=strategies.lists(money, min_size=2), settled=money, seed=money
    )  # fmt: skip
    def begin(self, amounts: list[int], settled: int, total: int | None, seed: int) -> Any:
        """Requests in flight, and settled ones: Hypothesis tries many histories whose rules send or settle nothing."""
        self.dice.seed(seed)
        self.change_policy(day=None, week=None, month=None, total=total, per_minute=None, requests=None)
        sent = [request_id for amount in amounts for request_id in self._send(amount, 10, 0, [])]
        for request_id in sent[: settled % (len(amounts) + 1)]:
            self.settle(request_id=request_id, share=settled % 101, used=settled % 50, plan=[])
        return multiple(*sent)

    @rule(day=limits, week=limits, month=limits, total=limits, per_minute=limits, requests=limits)
    def change_policy(self, per_minute: int | None, requests: int | None, **by_window: int | None) -> None:
        budgets = tuple(Budget(by_window[window], window) for window in WINDOWS if by_window[window] is not None)
        self.policy = replace(self.policy, budgets=budgets, tokens_per_minute=per_minute, requests_per_minute=requests)

    @rule(seconds=strategies.sampled_from([1, 30, MINUTE, HOLD_SECONDS + 1, HOUR, DAY, 7 * DAY, 31 * DAY, -1, -90]))
    def move_clock(self, seconds: int) -> None:
        """The stream keeps its records for a day: what it loses is a matter for `tollgate ledger verify`."""
        if self.delivery.age + seconds >= KEPT_SECONDS:
            self.delivery.deliver_all(self.aggregators[0])
        self.now += seconds

    @rule(target=requests, amount=money, estimate=tokens, late_ms=strategies.sampled_from([0, 3, 2_000]), plan=faults)
    def send(self, amount: int, estimate: int, late_ms: int, plan: list[Fault]) -> Any:
        """Reserve, and put the held row."""
        return multiple(*self._send(amount, estimate, late_ms, plan))

    def _send(self, amount: int, estimate: int, late_ms: int, plan: list[Fault]) -> list[str]:
        self.count += 1
        at_ms = int(self.now * 1000) - late_ms
        request_id = f"{self.consumer}-{self.count}"
        deadline = int(self.now) + HOLD_SECONDS
        hold = Hold(request_id=request_id, amount=amount, deadline=deadline, at_ms=at_ms, tokens=estimate)
        record = UsageRecord(
            request_id=request_id, at_ms=at_ms, environment="test", consumer=self.consumer, key_id="k1", route="chat",
            provider="openai", model=f"m{self.count % 2}", price_version="v1",
        )  # fmt: skip
        if self._exceeds_a_limit(hold):
            return []  # admission rejects it without a ledger call
        sent = self.sent[request_id] = SentRequest(hold, record)
        before = self._account()
        try:
            with self._faults(plan):
                self._reserve_and_open(sent, before)
        except Killed:
            pass
        except NoRoomError:
            self._book_refusal(sent, 429)
        except AwsError:
            sent.refused = True
            record.status = 503
            if record.held_nano_usd:
                self._withdraw(sent, [])
            else:
                self._book_refusal(sent, 503)
        return [request_id]

    def _reserve_and_open(self, sent: SentRequest, before: Account) -> None:
        hold, record = sent.hold, sent.record
        try:
            account = self.ledger.reserve(hold, self.consumer, self.policy, self._deadline())
        except NoRoomError:
            assert not self._has_room(hold, before)
            raise
        assert self._has_room(hold, before)
        for budget in self.policy.budgets:
            assert account.committed(budget.per, utc_datetime(hold.at_ms)) <= budget.limit
        record.held_nano_usd = hold.amount
        self.ledger.open(record, hold, self._deadline())
        sent.called = True
        record.settlement = "settled"

    @rule(request_id=requests, share=strategies.integers(0, 100), used=tokens, plan=overtaking)
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
                outcome = self.ledger.settle(sent.record, self._deadline())
        except (AwsError, Killed):
            return
        sent.booked |= outcome != "kept"  # as an operator corrected it

    @rule(request_id=requests, plan=overtaking)
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
        except (NoRoomError, AwsError):
            return

    @rule()
    def late_calls_arrive(self) -> None:
        self.aws.deliver_late()

    @rule(request_id=requests, plan=overtaking)
    def withdraw_again(self, request_id: str, plan: list[Fault]) -> None:
        sent = self.sent[request_id]
        if sent.refused and sent.record.held_nano_usd:
            self._withdraw(sent, plan)

    @rule(sandbox=strategies.integers(0, 1), plan=overtaking)
    def deliver(self, sandbox: int, plan: list[Fault]) -> None:
        """Lambda passes parts of the stream on, to one of two sandboxes, whose caches may be out of date."""
        with self._faults(plan):
            self.delivery.deliver(self.aggregators[sandbox])

    @rule(plan=overtaking)
    def sweep(self, plan: list[Fault]) -> None:
        try:
            with self._faults(plan):
                self.sweeper.run(self._deadline())
        except (AwsError, Killed):
            return

    @rule(seconds=strategies.sampled_from([HOLD_SECONDS + 600, 2 * HOUR, DAY, 2 * DAY, 40 * DAY]))
    def lapse_and_sweep(self, seconds: int) -> None:
        """All requests lapse and are swept, so that the next settle is late."""
        self.move_clock(seconds)
        self.sweeper.run(self._deadline())

    # --- invariants ---------------------------------------------------------------------------------------

    @invariant()
    def ledger_is_consistent(self) -> None:
        account, rows, _ = self._everything()
        check_committed(account, rows, self.now)
        check_charges(self.sent, rows)
        assert item_size(account.item) < 1_536

    def teardown(self) -> None:
        """Every request ends, and every request whose provider was called has a row."""
        for _ in range(3):
            latest = max([self.now, *(sent.hold.deadline for sent in self.sent.values())])
            self.move_clock(int(latest - self.now) + HOLD_SECONDS + 1_200)
            self.sweeper.run(self._deadline())
            self.delivery.deliver_all(self.aggregators[0])
        account, rows, rollups = self._everything()
        assert account.open_buckets() == []
        for name, value in account.item.items():
            if name.startswith("c|"):
                assert value == account.item.get(f"s|{name[2:]}", 0)
        ended = {request_id_of(row) for row in rows if row.get("settlement", "held") != "held"}
        assert {request_id for request_id, sent in self.sent.items() if sent.called} <= ended
        check_sums(account, rows, self.now)
        check_rollups(rollups, rows)
        check_charges(self.sent, rows)

    # --- helpers ------------------------------------------------------------------------------------------

    def _meanwhile(self) -> None:
        """What other processes do while a call is on its way."""
        self.sweeper.run(self._deadline())
        self.delivery.deliver(self.aggregators[1])

    def _deadline(self) -> float:
        return time.monotonic() + 10

    def _faults(self, plan: list[Fault]) -> Any:
        return _PlannedFaults(self.aws, plan)

    def _account(self) -> Account:
        return self.ledger.account(self.consumer, time.monotonic() + 5)

    def _everything(self) -> tuple[Account, list[dict[str, Any]], list[dict[str, Any]]]:
        """The account, the usage rows and the rollups."""
        if self.aws.attempts != self.read_after:
            self.read_after, self.items = self.aws.attempts, all_items(self.reader, self.table)
        items = self.items
        account = next((item for item in items if item["sk"] == ACCOUNT_SK), {})
        rows = [item for item in items if item["pk"].startswith("USAGE#")]
        return Account(account), rows, [item for item in items if item["pk"].startswith("ROLLUP#")]

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

    def _book_refusal(self, sent: SentRequest, status: int) -> None:
        sent.refused, sent.record.status = True, status
        self.ledger.book_unbilled(sent.record, self._deadline())
        sent.booked = True

    def _withdraw(self, sent: SentRequest, plan: list[Fault]) -> None:
        try:
            with self._faults(plan):
                self.ledger.withdraw(sent.record, self._deadline())
        except (AwsError, Killed):
            return
        sent.booked = True


class _PlannedFaults:
    """The faults of AWS calls during a `with` block."""

    def __init__(self, aws: FaultyAws, plan: list[Fault]) -> None:
        self._aws, self._plan = aws, plan

    def __enter__(self) -> None:
        self._aws.plan = list(self._plan)

    def __exit__(self, *_: object) -> None:
        self._aws.plan = []


@pytest.mark.timeout(3_600 if LONG else 300)
def test_ledger_invariants_hold() -> None:
    run_machine(LedgerMachine, examples=150, long_examples=2_000)
