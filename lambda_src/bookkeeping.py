"""Ledger writes and budget events of a request. Their failures never fail a response: failed writes are made up later,
by the sweeper or by a replay of the usage log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lambda_src.contract import Config
from lambda_src.core.account import Account, Hold
from lambda_src.core.errors import Unavailable
from lambda_src.core.json_text import json_text
from lambda_src.core.policy import Policy
from lambda_src.core.request_context import AdmittedRequest, RequestContext, elapsed_ms
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsError
from lambda_src.edges.budget_events import BudgetNotifier, due_events, peak_percentages
from lambda_src.edges.ledger import Ledger

SETTLE_SECONDS = 3.0
"""Reserved for settling after the provider's response."""
WITHDRAW_SECONDS = 1.0
"""Time limit for withdrawing a hold that may or may not have been placed; the ledger was slow already."""
_MAX_SWEPT = 5
"""Expired holds that one rejected request ends."""

_T = TypeVar("_T")


class Bookkeeping:
    """The ledger and the budget events, as the request flow uses them."""

    def __init__(
        self, config: Config, ledger: Ledger, notifier: BudgetNotifier, forget_models: Callable[[], None]
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._notifier = notifier
        self._forget_models = forget_models

    def read(self, read: Callable[[], _T]) -> _T:
        """The result of `read`, which reads the ledger. Unavailable if the ledger cannot be reached."""
        try:
            return read()
        except AwsError as error:
            raise Unavailable(
                "ledger_unavailable",
                f"the ledger cannot be reached ({error.code}); the provider was not called and nothing was charged. "
                "Send the request again.",
            ) from error

    def settle(self, context: RequestContext, admitted: AdmittedRequest) -> None:
        """Book an admitted request. If the ledger fails, the caller still gets the response: the hold remains, and the
        sweeper or a replay of the usage line books the request."""
        record, hold, policy = context.record, admitted.hold, admitted.caller.policy
        record.latency_ms = elapsed_ms(context.started)
        deadline = _settle_deadline(context.deadline)
        try:
            self._ledger.settle(record, hold, admitted.stale_attributes, deadline)
        except AwsError:
            record.ledger_failed = True
            return
        if record.output_over_maximum is not None and not (admitted.model.free or admitted.model.exceeds_maximum):
            self._hold_in_full(record, deadline)
        cost = record.cost_nano_usd
        self._count_budget_use(record, policy, admitted.account, cost, cost - hold.amount)
        self._publish_events(policy, admitted.account, record.at_ms, cost, deadline)

    def _hold_in_full(self, record: UsageRecord, deadline: float) -> None:
        """Hold the model's full output from now on. If this fails, the next response over its maximum tries again."""
        try:
            self._ledger.hold_in_full(record, deadline)
        except AwsError as error:
            _warn("hold_in_full_failed", error)
        self._forget_models()

    def book_unbilled(self, record: UsageRecord, deadline: float) -> None:
        """Book a request without hold and cost."""
        try:
            self._ledger.book_unbilled(record, _settle_deadline(deadline))
        except AwsError:
            record.ledger_failed = True

    def withdraw(self, record: UsageRecord, hold: Hold) -> None:
        """Withdraw a hold that may or may not have been placed. If this fails, the sweeper charges the hold until a
        replay of the usage line shows that the provider was not called."""
        try:
            self._ledger.withdraw(record, hold, time.monotonic() + WITHDRAW_SECONDS)
        except AwsError as error:
            _warn("withdraw_failed", error)

    def limit_reached(self, record: UsageRecord, policy: Policy, account: Account, deadline: float) -> None:
        """Use the time of a rejected request to end expired holds and to publish due budget events."""
        self._count_budget_use(record, policy, account)
        try:
            for row in self._ledger.sweep(policy.consumer, account, deadline, limit=_MAX_SWEPT):
                if row is not None:
                    print(usage_line(row, self._config.metrics_per_consumer, int(self._ledger.now() * 1000)))
        except AwsError as error:
            _warn("sweep_failed", error)
        self._publish_events(policy, account, record.at_ms, 0, deadline)

    def _publish_events(self, policy: Policy, account: Account, at_ms: int, cost: int, deadline: float) -> None:
        """Publish due budget events. Failed ones are published by a later request or by the sweeper."""
        try:
            events = due_events(self._config.environment, policy, account, at_ms, cost)
            self._notifier.publish_new(events, deadline)
        except AwsError as error:
            _warn("budget_event_failed", error)

    def _count_budget_use(
        self, record: UsageRecord, policy: Policy, account: Account, spent: int = 0, committed: int = 0
    ) -> None:
        """Set the counters of budget use, with this request's amounts added to those of `account`."""
        if policy.budgets:
            percentages = peak_percentages(policy, account, record.at_ms, spent, committed)
            record.counters.budget_spent_percent, record.counters.budget_committed_percent = percentages


def _warn(kind: str, error: AwsError) -> None:
    print(json_text({"kind": kind, "level": "ERROR", "code": error.code}))


def _settle_deadline(deadline: float) -> float:
    """At most `SETTLE_SECONDS` from now: the caller waits, and API Gateway's integration timeout is 29 seconds."""
    return min(deadline, time.monotonic() + SETTLE_SECONDS)
