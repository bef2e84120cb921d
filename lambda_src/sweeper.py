"""Entry of the sweeper Lambda: ends holds past their deadline and publishes budget events that nobody could."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from typing import Any

from lambda_src.configuration import load_config
from lambda_src.contract import METRIC_NAMESPACE, POLICY_SK, STATE_SK, Config, consumer_pk
from lambda_src.core.account import Account
from lambda_src.core.metrics import LEDGER_FAILURES, LEDGER_THROTTLES, OVERDUE_HOLDS, Metric, emf_metadata
from lambda_src.core.policy import policy_from_item
from lambda_src.core.usage_line import usage_line
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.budget_events import BudgetNotifier, due_events
from lambda_src.edges.ledger import Ledger

_LOOK_BACK_MS = 3_600_000
"""More than the schedule's period."""


class Sweeper:
    """One pass over all accounts. What time does not allow is left to the next pass."""

    def __init__(self, settings: Config, aws: AwsClient, ledger: Ledger) -> None:
        self._config = settings
        self._ledger = ledger
        self._notifier = BudgetNotifier(aws, ledger, settings.topic_arn)

    def run(self, deadline: float) -> dict[str, int]:
        """How many accounts were seen and how many time did not allow, holds ended and left open past their deadline,
        events raised and published late, and accounts that failed."""
        counts = dict.fromkeys(("accounts", "skipped", "unsettled", "overdue", "events", "published_late", "failed"), 0)
        consumers = self._ledger.consumers(deadline)
        random.shuffle(consumers)  # so that nobody is always the one for whom no time is left
        for consumer in consumers:
            if time.monotonic() >= deadline:
                break
            counts["accounts"] += 1
            try:
                self._visit(consumer, deadline, counts)
            except AwsError as error:
                counts["failed"] += 1
                print(json.dumps({"kind": "sweep_failed", "level": "ERROR", "consumer": consumer, "code": error.code}))
        counts["skipped"] = len(consumers) - counts["accounts"]
        return counts

    def line(self, counts: Mapping[str, int]) -> str:
        """The log line of a pass, with embedded metrics."""
        failures, throttles = self._ledger.take_failure_counts()
        values: dict[Metric, float] = {OVERDUE_HOLDS: counts["overdue"]}
        values |= {
            metric: value for metric, value in ((LEDGER_FAILURES, failures), (LEDGER_THROTTLES, throttles)) if value
        }
        line: dict[str, object] = {
            "kind": "sweep",
            "level": "INFO",
            "environment": self._config.environment,
            **counts,
            **{metric.name: value for metric, value in values.items()},
        }
        at_ms = int(self._ledger.now() * 1000)
        line["_aws"] = emf_metadata(at_ms, METRIC_NAMESPACE, self._config.metrics_per_consumer, line, values)
        return json.dumps(line)

    def _visit(self, consumer: str, deadline: float, counts: dict[str, int]) -> None:
        account = self._ledger.account(consumer, deadline)
        before = counts["unsettled"]
        self._end_holds(consumer, account, deadline, counts)
        item = self._ledger.get(consumer_pk(consumer), POLICY_SK, deadline)
        if item:
            account = self._ledger.account(consumer, deadline) if counts["unsettled"] > before else account
            policy = policy_from_item(item, self._ledger.get(consumer_pk(consumer), STATE_SK, deadline))
            now_ms = int(self._ledger.now() * 1000)
            for at_ms in (now_ms - _LOOK_BACK_MS, now_ms):  # what was spent last thing in a window that is over now
                due = due_events(self._config.environment, policy.at(utc_datetime(at_ms)), account, at_ms)
                counts["events"] += len(self._notifier.raise_all(due, deadline))
        counts["published_late"] += self._notifier.publish_late(consumer, deadline)

    def _end_holds(self, consumer: str, account: Account, deadline: float, counts: dict[str, int]) -> None:
        left = len(account.expired_holds(self._ledger.now()))
        try:
            for row in self._ledger.sweep(consumer, account, deadline):
                left -= 1
                if row is not None:
                    print(usage_line(row, self._config.metrics_per_consumer, int(self._ledger.now() * 1000)))
                    counts["unsettled"] += 1
        finally:
            counts["overdue"] += max(0, left)


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """EventBridge's schedule in (its content does not matter), what was done out. Fails if any account failed, so
    that the Lambda's error alarm sees it."""
    del event
    settings, aws = load_config(), AwsClient()
    ledger = Ledger(aws, settings.table, settings.environment, settings.retention_days)
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - 2
    sweeper = Sweeper(settings, aws, ledger)
    counts = sweeper.run(deadline)
    print(sweeper.line(counts))
    if counts["failed"]:
        raise SweepError(f"{counts['failed']} of {counts['accounts']} accounts could not be swept; see the log")
    return counts


class SweepError(Exception):
    """Some accounts could not be swept; the next pass tries again."""
