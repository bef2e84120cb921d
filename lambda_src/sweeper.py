"""Entry point of the sweeper Lambda, which ends expired holds and publishes budget events that requests could not."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

from lambda_src.configuration import load_config
from lambda_src.contract import METRIC_NAMESPACE, POLICY_SK, STATE_SK, Config, consumer_pk
from lambda_src.core.account import Account
from lambda_src.core.json_text import json_text
from lambda_src.core.metrics import LEDGER_FAILURES, LEDGER_THROTTLES, OVERDUE_HOLDS, Metric, emf_metadata
from lambda_src.core.policy import policy_from_item
from lambda_src.core.usage_line import usage_line
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.budget_events import BudgetNotifier, due_events
from lambda_src.edges.ledger import Ledger

_LOOK_BACK_MS = 3_600_000
"""Longer than the interval between two runs."""


class Sweeper:
    """One run over all accounts. Accounts that do not fit into its time are left to the next run."""

    def __init__(self, config: Config, aws: AwsClient, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._notifier = BudgetNotifier(aws, ledger, config.topic_arn)

    def run(self, deadline: float) -> dict[str, int]:
        """Counts of this run: accounts swept, skipped for lack of time, and failed; holds ended (`unsettled`) and left
        open past their deadline (`overdue`); budget events created (`events`) and published late."""
        counts = dict.fromkeys(("accounts", "skipped", "unsettled", "overdue", "events", "published_late", "failed"), 0)
        consumers = self._ledger.consumers(deadline)
        random.shuffle(consumers)  # so that a short run does not always skip the same accounts
        for consumer in consumers:
            if time.monotonic() >= deadline:
                break
            counts["accounts"] += 1
            try:
                self._sweep_account(consumer, deadline, counts)
            except AwsError as error:
                counts["failed"] += 1
                print(json_text({"kind": "sweep_failed", "level": "ERROR", "consumer": consumer, "code": error.code}))
        counts["skipped"] = len(consumers) - counts["accounts"]
        return counts

    def line(self, counts: Mapping[str, int]) -> str:
        """The log line of a run, with embedded metrics."""
        failures, throttles = self._ledger.take_failure_counts()
        optional = {LEDGER_FAILURES: failures, LEDGER_THROTTLES: throttles}
        values: dict[Metric, float] = {OVERDUE_HOLDS: counts["overdue"]}
        values |= {metric: value for metric, value in optional.items() if value}
        line: dict[str, object] = {
            "kind": "sweep",
            "level": "INFO",
            "environment": self._config.environment,
            **counts,
            **{metric.name: value for metric, value in values.items()},
        }
        at_ms = int(self._ledger.now() * 1000)
        line["_aws"] = emf_metadata(at_ms, METRIC_NAMESPACE, self._config.metrics_per_consumer, line, values)
        return json_text(line)

    def _sweep_account(self, consumer: str, deadline: float, counts: dict[str, int]) -> None:
        account = self._ledger.account(consumer, deadline)
        before = counts["unsettled"]
        self._end_holds(consumer, account, deadline, counts)
        item = self._ledger.get(consumer_pk(consumer), POLICY_SK, deadline)
        if item:
            account = self._ledger.account(consumer, deadline) if counts["unsettled"] > before else account
            policy = policy_from_item(item, self._ledger.get(consumer_pk(consumer), STATE_SK, deadline))
            now_ms = int(self._ledger.now() * 1000)
            # The earlier time covers the last spend in a window that has just ended.
            for at_ms in (now_ms - _LOOK_BACK_MS, now_ms):
                due = due_events(self._config.environment, policy.at(utc_datetime(at_ms)), account, at_ms)
                counts["events"] += len(self._notifier.publish_new(due, deadline))
        counts["published_late"] += self._notifier.publish_pending(consumer, deadline)

    def _end_holds(self, consumer: str, account: Account, deadline: float, counts: dict[str, int]) -> None:
        overdue = len(account.expired_holds(self._ledger.now()))
        try:
            for row in self._ledger.sweep(consumer, account, deadline):
                overdue -= 1
                if row is not None:
                    print(usage_line(row, self._config.metrics_per_consumer, int(self._ledger.now() * 1000)))
                    counts["unsettled"] += 1
        finally:
            counts["overdue"] += max(0, overdue)


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """The counts of a run, started by EventBridge's schedule. SweepError if any account failed, so that the Lambda's
    error alarm fires."""
    del event
    config, aws = load_config(), AwsClient()
    ledger = Ledger(aws, config.table, config.environment, config.retention_days)
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - 2
    sweeper = Sweeper(config, aws, ledger)
    counts = sweeper.run(deadline)
    print(sweeper.line(counts))
    if counts["failed"]:
        raise SweepError(f"{counts['failed']} of {counts['accounts']} accounts could not be swept; see the log")
    return counts


class SweepError(Exception):
    """Some accounts could not be swept. The next run tries them again."""
