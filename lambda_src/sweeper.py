"""Entry point of the sweeper Lambda: it ends lapsed requests, closes buckets, and publishes delayed budget events."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

from lambda_src.configuration import load_config
from lambda_src.contract import METRIC_NAMESPACE, POLICY_SK, STATE_SK, Config, consumer_pk
from lambda_src.core.account import BUCKET_MS, Account, tallied, tally
from lambda_src.core.budget_use import due_events
from lambda_src.core.json_text import json_text
from lambda_src.core.metrics import (
    LEDGER_CONFLICTS,
    LEDGER_FAILURES,
    LEDGER_THROTTLES,
    OVERDUE_HOLDS,
    RESERVED_IN_VAIN,
    UNBOOKED_BUCKETS,
    Metric,
    emf_metadata,
)
from lambda_src.core.policy import policy_from_item
from lambda_src.core.row_change import HELD, UNRESERVED
from lambda_src.core.usage_line import usage_line
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.budget_events import BudgetNotifier
from lambda_src.edges.ledger import Ledger

_COUNTS = (
    "accounts", "skipped", "failed", "unsettled", "overdue", "closed", "unbooked", "freed_nano_usd", "events",
    "published_late",
)  # fmt: skip
_LOOK_BACK_MS = 3_600_000
"""Longer than the interval between two runs."""
_SLACK_MS = 300_000
"""After the end of a bucket, or after its last deadline if requests are open. Signatures expire after five minutes, so
that no call arrives later."""
_BOOKED_MS = 1_800_000
"""After the last deadline of a bucket, when it must be booked and closed."""


class Sweeper:
    """One run over all accounts. Accounts that do not fit into its time are left to the next run."""

    def __init__(self, config: Config, aws: AwsClient, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._notifier = BudgetNotifier(aws, ledger, config.topic_arn)

    def run(self, deadline: float) -> dict[str, int]:
        """Counts of this run: accounts swept, skipped for lack of time, and failed; lapsed requests ended (`unsettled`)
        and left open (`overdue`); buckets closed, and not booked long after their requests ended (`unbooked`); nano-USD
        freed that had been reserved in vain (`freed_nano_usd`); budget events created (`events`) and published late."""
        counts = dict.fromkeys(_COUNTS, 0)
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
        failed, throttled, conflicting = self._ledger.take_failures()
        optional = {
            LEDGER_FAILURES: failed,
            LEDGER_THROTTLES: throttled,
            LEDGER_CONFLICTS: conflicting,
        }
        values: dict[Metric, float] = {
            OVERDUE_HOLDS: counts["overdue"],
            UNBOOKED_BUCKETS: counts["unbooked"],
            RESERVED_IN_VAIN: counts["freed_nano_usd"],
        }
        values |= {metric: value for metric, value in optional.items() if value}
        line: dict[str, object] = {
            "kind": "sweep",
            "level": "INFO",
            "environment": self._config.environment,
            **counts,
            **{metric.name: value for metric, value in values.items()},
        }
        line["_aws"] = emf_metadata(self._now_ms(), METRIC_NAMESPACE, self._config.metrics_per_consumer, line, values)
        return json_text(line)

    def _sweep_account(self, consumer: str, deadline: float, counts: dict[str, int]) -> None:
        account = self._ledger.account(consumer, deadline)
        self._sweep_buckets(consumer, account, deadline, counts)
        self._ledger.prune(consumer, account, deadline)
        item = self._ledger.get(consumer_pk(consumer), POLICY_SK, deadline)
        if item:
            policy = policy_from_item(item, self._ledger.get(consumer_pk(consumer), STATE_SK, deadline))
            now_ms = self._now_ms()
            # The earlier time covers the last spend in a window that has just ended.
            for at_ms in (now_ms - _LOOK_BACK_MS, now_ms):
                due = due_events(self._config.environment, policy.at(utc_datetime(at_ms)), account, at_ms)
                counts["events"] += len(self._notifier.publish_new(due, deadline))
        counts["published_late"] += self._notifier.publish_pending(consumer, deadline)

    def _sweep_buckets(self, consumer: str, account: Account, deadline: float, counts: dict[str, int]) -> None:
        """End lapsed requests, and close buckets in order of time: those without open requests before their deadline,
        so that accounts do not grow with `hold_seconds`."""
        closing = True
        for number in account.open_buckets():
            ended = account.reserved(number) == account.ended(number)
            if (self._past_end_ms(number) if ended else self._past_deadline_ms(number)) < _SLACK_MS:
                break
            if not ended:
                closing = self._end_lapsed(consumer, account, number, deadline, counts) and closing
            if closing and self._ledger.close(consumer, account, number, deadline):
                counts["closed"] += 1
                counts["freed_nano_usd"] += tallied(account.reserved(number) - account.ended(number))[0]
            else:
                closing = False

    def _end_lapsed(
        self, consumer: str, account: Account, number: int, deadline: float, counts: dict[str, int]
    ) -> bool:
        """End the lapsed requests of a bucket. Returns whether all of its requests had ended and were booked."""
        reserved, lapsed = 0, []
        for row in self._ledger.bucket_rows(consumer, number, deadline):
            if not row.get(UNRESERVED):
                reserved += tally(int(row.get("held_nano_usd", 0)))
            if row["settlement"] == HELD:
                lapsed.append(row)
        counts["overdue"] += len(lapsed)
        for row in lapsed:
            record = self._ledger.lapse(row, deadline)
            counts["overdue"] -= 1
            if record is not None:
                print(usage_line(record, self._config.metrics_per_consumer, self._now_ms()))
                counts["unsettled"] += 1
        booked = reserved == account.ended(number)
        counts["unbooked"] += not lapsed and not booked and self._past_deadline_ms(number) > _BOOKED_MS
        return not lapsed and booked

    def _past_deadline_ms(self, number: int) -> int:
        """Milliseconds since the last deadline of bucket `number`."""
        return self._past_end_ms(number) - self._config.hold_seconds * 1000

    def _past_end_ms(self, number: int) -> int:
        """Milliseconds since the end of bucket `number`."""
        return self._now_ms() - (number + 1) * BUCKET_MS

    def _now_ms(self) -> int:
        return int(self._ledger.now() * 1000)


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
