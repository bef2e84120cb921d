"""Whatever happens in whatever order, the ledger's sums stay right: a search over sequences of its verbs and faults.

The table is the embedded cloud's; only the clock, the faults and the requests are made up. What is held to be true:

- committed = spent + Σ open holds, in every window that the account counts
- spent = Σ usage rows of the window; rollups = Σ usage rows
- a reserve never leaves more committed than the limit then in force, and is refused only where there is no room
- each request has at most one row: at its real cost if it was settled, at the held amount if it never was
- every hold ends
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lambda_src.contract import LATENCY_BOUNDS_MS, WINDOWS, Window, rollup_pk
from lambda_src.core.account import Account, Hold
from lambda_src.core.policy import Budget, Policy
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord, record_from_line
from lambda_src.core.windows import label, minute, utc_datetime
from lambda_src.edges.aws import AwsError
from lambda_src.edges.ledger import Ledger, NoRoomError
from local.cloud.client import Cloud
from tests.bench import create_table
from tests.money.conftest import LONG
from tests.money.faults import Fault, FaultyAws, Killed, request_id_of, rows_of

START = 1_795_391_940  # 2026-11-22T23:59:00Z, a Sunday: the next minute begins a day and a week
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


@dataclass
class Sent:
    """A request that the test made, and what is true of it. called: its provider may have worked."""

    hold: Hold
    record: UsageRecord
    stale: tuple[str, ...] = ()
    called: bool = False
    refused: bool = False
    booked: bool = False


class LedgerMachine(RuleBasedStateMachine):
    """One consumer's ledger under every order of events."""

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
        self.sent: dict[str, Sent] = {}
        self.count = 0

    # --- events -------------------------------------------------------------------------------------------

    @initialize(day=limits, week=limits, month=limits, total=limits, per_minute=limits, requests=limits)
    def begin(self, **given: int | None) -> None:
        self.change_policy(**given)

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
        if self._fits_nowhere(hold):
            return multiple()  # admission refuses it before the ledger is asked
        sent = self.sent[request_id] = Sent(hold, record)
        before = self._account()
        try:
            with self._faults(plan):
                account = self.ledger.reserve(hold, self.consumer, self.policy, self._soon())
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
        """Also of what is settled already (a replay), and of what the sweeper took (a late settle)."""
        sent = self.sent[request_id]
        if not sent.called:
            return
        if sent.record.usage_source == "none":  # the provider answers once
            sent.record.cost_nano_usd = sent.hold.amount * share // 100
            sent.record.tokens, sent.record.usage_source, sent.record.status = Tokens(output=used), "reported", 200
        try:
            with self._faults(plan):
                self.ledger.settle(sent.record, sent.hold, sent.stale, self._soon())
        except (AwsError, Killed):
            return
        sent.booked = True

    @rule(request_id=requests, plan=faults)
    def replay_from_the_log(self, request_id: str, plan: list[Fault]) -> None:
        """What the operator does with a line whose booking failed."""
        sent = self.sent[request_id]
        if not sent.refused and sent.record.usage_source == "none":
            return  # no line was ever written
        record = record_from_line(json.loads(usage_line(sent.record, per_consumer=False)))
        try:
            with self._faults(plan):
                self.ledger.replay(record, self._soon())
        except (AwsError, Killed):
            return
        sent.booked = True

    @rule(request_id=requests)
    def reserve_arrives_again(self, request_id: str) -> None:
        """The network delivers a reserve that was given up, or done, minutes ago. AWS refuses older signatures."""
        hold = self.sent[request_id].hold
        if not 0 <= self.now - hold.at_ms / 1000 <= SIGNATURE_SECONDS:
            return
        try:
            self.ledger.reserve(hold, self.consumer, replace(self.policy, budgets=()), self._soon())
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
                list(self.ledger.sweep(self.consumer, account, self._soon()))
        except (AwsError, Killed):
            return

    @rule(seconds=strategies.sampled_from([HOLD_SECONDS + 1, DAY, 2 * DAY, 40 * DAY]))
    def everything_lapses(self, seconds: int) -> None:
        """So that what is settled next is settled late."""
        self.now += seconds
        list(self.ledger.sweep(self.consumer, self._account(), self._soon()))

    @precondition(lambda self: self.sent)
    @rule(plan=faults)
    def sweep_with_old_eyes(self, plan: list[Fault]) -> None:
        """A sweeper that read the account before every settle since."""
        stale = Account({f"h|{each.hold.request_id}": each.hold.text for each in self.sent.values()})
        known = {request_id_of(row) for row in self._rows()}
        lapsed = Account({k: v for k, v in stale.item.items() if k[2:] in known or k in self._account().item})
        try:
            with self._faults(plan):
                list(self.ledger.sweep(self.consumer, lapsed, self._soon()))
        except (AwsError, Killed):
            return

    # --- what must be true --------------------------------------------------------------------------------

    @invariant()
    def everything_adds_up(self) -> None:
        account, rows = self._account(), self._rows()
        self._sums_agree(account, rows)
        self._rollups_are(rows)
        self._each_is_charged_once_and_rightly(rows)

    def _sums_agree(self, account: Account, rows: list[dict[str, Any]]) -> None:
        for name, value in account.item.items():
            kind, _, tail = name.partition("|")
            if kind not in ("c", "s"):
                continue
            window, _, its_label = tail.partition("|")
            held = sum(each.amount for each in account.holds() if label(window, utc_datetime(each.at_ms)) == its_label)
            if kind == "c":
                assert value == account.item.get(f"s|{tail}", 0) + held, f"committed of {tail}"
            else:
                assert value == _spent(rows, window, its_label), f"spent of {tail}"
        for window in WINDOWS:
            at = utc_datetime(int(self.now * 1000))
            assert account.spent(window, at) == _spent(rows, window, label(window, at)), f"spent this {window}"

    def _rollups_are(self, rows: list[dict[str, Any]]) -> None:
        expected: Counter[tuple[str, str]] = Counter()
        for row in rows:
            sk = f"{row['pk'].rpartition('#')[2]}#{row['model']}#{row['key_id']}"
            expected[sk, "requests"] += 1
            expected[sk, "cost_nano_usd"] += row["cost_nano_usd"]
            expected[sk, "unsettled"] += row["settlement"] == "unsettled"
            expected[sk, "refusals"] += row["settlement"] == "refused" and row["status"] < 500
            expected[sk, "estimated"] += row.get("usage_source") == "estimated"
            expected[sk, "errors"] += row["status"] >= 500
            expected[sk, "over_estimate"] += row["cost_nano_usd"] > row.get("held_nano_usd", 0)
            expected[sk, f"status_{row['status']}"] += 1
            if "error_code" in row:
                expected[sk, f"code_{row['error_code']}"] += 1
            if row["settlement"] != "unsettled":
                expected[sk, "latency_ms"] += row["latency_ms"]
                expected[sk, _bucket(row["latency_ms"])] += 1
            for each in ("input", "output"):
                expected[sk, f"tokens_{each}"] += row.get(f"tokens_{each}", 0)
        found: Counter[tuple[str, str]] = Counter()
        for item in self.ledger.query_partition(rollup_pk(self.consumer), self._soon()):
            for name, value in item.items():
                if name not in ("pk", "sk"):
                    found[item["sk"], name] += value
        assert +found == +expected

    def _each_is_charged_once_and_rightly(self, rows: list[dict[str, Any]]) -> None:
        by_id = {request_id_of(row): row for row in rows}
        assert len(by_id) == len(rows)
        for request_id, sent in self.sent.items():
            row = by_id.get(request_id)
            if row is None:
                assert not sent.booked
                continue
            if row["settlement"] == "settled":
                assert row["cost_nano_usd"] == sent.record.cost_nano_usd
            elif row["settlement"] == "unsettled":
                assert row["cost_nano_usd"] == sent.hold.amount
                assert not sent.booked, "what is known was not replaced by what was assumed"
            else:
                assert sent.refused
                assert row["cost_nano_usd"] == 0

    def teardown(self) -> None:
        """Every hold ends, and what reached a provider has its row."""
        latest = max([self.now, *(each.hold.deadline for each in self.sent.values())])
        self.now = latest + HOLD_SECONDS + 1
        list(self.ledger.sweep(self.consumer, self._account(), self._soon()))
        account = self._account()
        assert account.holds() == []
        for name, value in account.item.items():
            if name.startswith("c|"):
                assert value == account.item.get(f"s|{name[2:]}", 0)
        rows = {request_id_of(row) for row in self._rows()}
        assert {each for each, sent in self.sent.items() if sent.called} <= rows
        self.everything_adds_up()

    # --- within -------------------------------------------------------------------------------------------

    def _soon(self) -> float:
        return time.monotonic() + 10

    def _faults(self, plan: list[Fault]) -> Any:
        return _Planned(self.aws, plan)

    def _account(self) -> Account:
        return self.ledger.account(self.consumer, time.monotonic() + 5)

    def _rows(self) -> list[dict[str, Any]]:
        days = {sent.record.day for sent in self.sent.values()}
        return rows_of(self.ledger, self.consumer, days, time.monotonic() + 5)

    def _fits_nowhere(self, hold: Hold) -> bool:
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

    def _book_refusal(self, sent: Sent) -> None:
        sent.record.status = 429
        self.ledger.book_unbilled(sent.record, self._soon())
        sent.booked = True

    def _withdraw(self, sent: Sent, plan: list[Fault]) -> None:
        sent.record.status = 503
        try:
            with self._faults(plan):
                self.ledger.withdraw(sent.record, sent.hold, self._soon())
        except (AwsError, Killed):
            return
        sent.booked = True


class _Planned:
    """Faults for the length of a `with` block."""

    def __init__(self, aws: FaultyAws, plan: list[Fault]) -> None:
        self._aws, self._plan = aws, plan

    def __enter__(self) -> None:
        self._aws.plan = list(self._plan)

    def __exit__(self, *_: object) -> None:
        self._aws.plan = []


def _bucket(latency_ms: int) -> str:
    return next((f"ms_{bound}" for bound in LATENCY_BOUNDS_MS if latency_ms <= bound), "ms_inf")


def _spent(rows: list[dict[str, Any]], window: Window, its_label: str) -> int:
    return sum(row["cost_nano_usd"] for row in rows if label(window, utc_datetime(row["at_ms"])) == its_label)


@pytest.mark.timeout(3_600 if LONG else 300)
def test_sums_stay_right_whatever_happens(cloud: Cloud) -> None:
    LedgerMachine.cloud, LedgerMachine.table = cloud, create_table(cloud)
    size = (
        settings(max_examples=2_000, stateful_step_count=60)
        if LONG
        else settings(max_examples=150, stateful_step_count=40)
    )
    run_state_machine_as_test(LedgerMachine, settings=settings(size, deadline=None))
