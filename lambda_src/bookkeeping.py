"""Ledger calls of a request. If one fails before the provider is called, the request is rejected. If one fails later,
the caller gets the response, and the sweeper or a replay of the usage log makes up for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lambda_src.core.account import Account, Hold
from lambda_src.core.budget_use import peak_percentages
from lambda_src.core.errors import LimitReached, Unavailable
from lambda_src.core.json_text import json_text
from lambda_src.core.policy import Policy
from lambda_src.core.request_context import AdmittedRequest, RequestContext, elapsed_ms
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsError
from lambda_src.edges.ledger import Ledger

SETTLE_SECONDS = 3.0
"""Reserved for settling after the provider's response."""
WITHDRAW_SECONDS = 1.0
"""Time limit for withdrawing a row that may or may not have been put; the ledger was slow already."""

_T = TypeVar("_T")


class Bookkeeping:
    """The ledger, as the request flow uses it."""

    def __init__(self, ledger: Ledger, forget_models: Callable[[], None]) -> None:
        self._ledger = ledger
        self._forget_models = forget_models

    def read(self, read: Callable[[], _T]) -> _T:
        """The result of `read`, which uses the ledger before a provider is called. LimitReached if DynamoDB throttles
        the consumer's items, Unavailable if it cannot be reached."""
        try:
            return read()
        except AwsError as error:
            if error.throttled:
                raise LimitReached(
                    "consumer_busy",
                    "the consumer sends more requests per second than the ledger can count; the provider was not "
                    "called and nothing was charged. Send the request again, or ask an operator to split the consumer.",
                ) from error
            raise Unavailable(
                "ledger_unavailable",
                f"the ledger cannot be reached ({error.code}); the provider was not called and nothing was charged. "
                "Send the request again.",
            ) from error

    def open(self, context: RequestContext, hold: Hold, deadline: float) -> None:
        """Put the row of a request whose amount is reserved. LimitReached or Unavailable if that fails: the row is
        withdrawn, since it may have been put."""
        record = context.record
        record.held_nano_usd = hold.amount
        try:
            self.read(lambda: self._ledger.open(record, hold, deadline))
        except (LimitReached, Unavailable) as error:
            record.status, record.error_code = error.status, error.code
            try:
                self._ledger.withdraw(record, time.monotonic() + WITHDRAW_SECONDS)
            except AwsError as failure:
                record.ledger_failed = True
                _warn("withdraw_failed", failure)
            raise
        record.settlement = "settled"

    def settle(self, context: RequestContext, admitted: AdmittedRequest) -> None:
        """Book an admitted request. If the ledger fails, the caller still gets the response: the row remains held, and
        the sweeper or a replay of the usage line books the request."""
        record, policy = context.record, admitted.caller.policy
        record.latency_ms = elapsed_ms(context.started)
        deadline = _settle_deadline(context.deadline)
        try:
            self._ledger.settle(record, deadline)
        except AwsError:
            record.ledger_failed = True
            return
        if record.output_over_maximum is not None and not (admitted.model.free or admitted.model.exceeds_maximum):
            self._hold_in_full(record, deadline)
        cost = record.cost_nano_usd
        self.count_budget_use(record, policy, admitted.account, cost, cost - admitted.hold.amount)

    def _hold_in_full(self, record: UsageRecord, deadline: float) -> None:
        """Hold the model's full output from now on. If this fails, the next response over its maximum tries again."""
        try:
            self._ledger.hold_in_full(record, deadline)
        except AwsError as error:
            _warn("hold_in_full_failed", error)
        self._forget_models()

    def book_unbilled(self, record: UsageRecord, deadline: float) -> None:
        """Book a request that reserved nothing and costs nothing."""
        try:
            self._ledger.book_unbilled(record, _settle_deadline(deadline))
        except AwsError:
            record.ledger_failed = True

    @staticmethod
    def count_budget_use(
        record: UsageRecord, policy: Policy, account: Account, spent: int = 0, committed: int = 0
    ) -> None:
        """Set the counters of budget use, with this request's amounts added to those of `account`."""
        if policy.budgets:
            percentages = peak_percentages(policy, account, record.at_ms, spent, committed)
            record.counters.budget_spent_percent, record.counters.budget_committed_percent = percentages


def _warn(kind: str, error: AwsError) -> None:
    print(json_text({"kind": kind, "level": "ERROR", "code": error.code}))


def _settle_deadline(deadline: float) -> float:
    """At most `SETTLE_SECONDS` from now: the caller waits."""
    return min(deadline, time.monotonic() + SETTLE_SECONDS)
