"""Bookkeeping around a request. None of it fails an answer: what the ledger cannot take now, it is given later."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TypeVar

from lambda_src.contract import Config
from lambda_src.core.account import Account, Hold
from lambda_src.core.errors import Unavailable
from lambda_src.core.policy import Policy
from lambda_src.core.request_context import AdmittedRequest, RequestContext, elapsed_ms
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsError
from lambda_src.edges.budget_events import BudgetNotifier, due_events, peak_percentages
from lambda_src.edges.ledger import Ledger

SETTLE_SECONDS = 3.0
"""Kept free for settling after the provider's answer."""
WITHDRAW_SECONDS = 1.0
"""For taking back a hold of which nobody knows whether it was placed; the ledger was slow already."""
_MOST_TIDIED = 5

_T = TypeVar("_T")


class Bookkeeping:
    """The ledger and the budget events, as a request uses them."""

    def __init__(self, config: Config, ledger: Ledger, notifier: BudgetNotifier) -> None:
        self._config = config
        self._ledger = ledger
        self._notifier = notifier

    def read(self, read: Callable[[], _T]) -> _T:
        """What `read` asks the ledger for; Unavailable where it cannot be reached: no provider is called then."""
        try:
            return read()
        except AwsError as error:
            raise Unavailable(
                "ledger_unavailable",
                f"the ledger cannot be reached ({error.code}); the provider was not called and nothing was charged. "
                "Send the request again.",
            ) from error

    def settle(self, context: RequestContext, admitted: AdmittedRequest) -> None:
        """Book an admitted request. If the ledger fails now the caller still gets the answer: the hold stands, the log
        line has it all, and the row follows from the sweeper or a replay."""
        record, hold, policy = context.record, admitted.hold, admitted.caller.policy
        record.latency_ms = elapsed_ms(context.started)
        deadline = _soon(context.deadline)
        try:
            self._ledger.settle(record, hold, admitted.stale, deadline)
        except AwsError:
            record.ledger_failed = True
            return
        cost = record.cost_nano_usd
        self.share(record, policy, admitted.account, cost, cost - hold.amount)
        self.raise_events(policy, admitted.account, record.at_ms, cost, deadline)

    def book_unbilled(self, record: UsageRecord, until: float) -> None:
        """Book a request that holds and costs nothing."""
        try:
            self._ledger.book_unbilled(record, _soon(until))
        except AwsError:
            record.ledger_failed = True

    def withdraw(self, record: UsageRecord, hold: Hold) -> None:
        """Nobody knows whether the hold was placed; if this fails too, the sweeper charges it until a replay of the
        log line says that no provider was called."""
        try:
            self._ledger.withdraw(record, hold, time.monotonic() + WITHDRAW_SECONDS)
        except AwsError as error:
            _warn("withdraw_failed", error)

    def limit_reached(self, record: UsageRecord, policy: Policy, account: Account, deadline: float) -> None:
        """A request that is refused for want of room has the time to end lapsed holds and to raise what is due."""
        self.share(record, policy, account)
        try:
            for row in self._ledger.sweep(policy.consumer, account, deadline, most=_MOST_TIDIED):
                if row is not None:
                    print(usage_line(row, self._config.metrics_per_consumer, int(self._ledger.now() * 1000)))
        except AwsError as error:
            _warn("sweep_failed", error)
        self.raise_events(policy, account, record.at_ms, 0, deadline)

    def raise_events(self, policy: Policy, account: Account, at_ms: int, more: int, deadline: float) -> None:
        """Budget events that are due; those the ledger or SNS cannot take now come with the next request or sweep."""
        try:
            self._notifier.raise_all(due_events(self._config.environment, policy, account, at_ms, more), deadline)
        except AwsError as error:
            _warn("budget_event_failed", error)

    def share(self, record: UsageRecord, policy: Policy, account: Account, spent: int = 0, committed: int = 0) -> None:
        """Note how full the fullest budget is, with what this request adds to what `account` says."""
        if policy.budgets:
            percents = peak_percentages(policy, account, record.at_ms, spent, committed)
            record.counters.budget_spent_percent, record.counters.budget_committed_percent = percents


def _warn(kind: str, error: AwsError) -> None:
    print(json.dumps({"kind": kind, "level": "ERROR", "code": error.code}))


def _soon(until: float) -> float:
    """Bookkeeping ends within `SETTLE_SECONDS`: the caller waits for it, and API Gateway gives up after 29 seconds."""
    return min(until, time.monotonic() + SETTLE_SECONDS)
