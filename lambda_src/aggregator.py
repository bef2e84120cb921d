"""Entry point of the aggregator Lambda, which books usage rows in accounts and rollups, from the table's stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lambda_src.configuration import load_config
from lambda_src.contract import (
    ACCOUNT_SK,
    METRIC_NAMESPACE,
    POLICY_SK,
    STATE_SK,
    Config,
    account_pk,
    consumer_pk,
    rollup_pk,
)
from lambda_src.core import booking
from lambda_src.core.account import SEQUENCE_BYTES, Account, Update
from lambda_src.core.booking import marker_name, stream_id
from lambda_src.core.budget_use import due_events
from lambda_src.core.json_text import json_text
from lambda_src.core.metrics import LEDGER_CONFLICTS, LEDGER_THROTTLES, QUARANTINED_RECORDS, Metric, emf_metadata
from lambda_src.core.policy import Policy, policy_from_item
from lambda_src.core.row_change import RowChange, row_change
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.budget_events import BudgetNotifier
from lambda_src.edges.dynamodb_attributes import deserialize_item
from lambda_src.edges.dynamodb_table import ConditionError
from lambda_src.edges.ledger import Ledger

LONGEST_DELAY = 0.01
"""Seconds between two attempts of a call. The reserves of an overloaded consumer compete with its bookings, which must
not fall behind: of its many attempts per second DynamoDB accepts one in ten or twenty."""
_MOST_OPERATORS = 200
"""Of one update, so that its expressions stay below DynamoDB's limits of 300 operators and 4 KB."""
_MOST_THREADS = 8
"""Consumers that are booked at the same time, since the function mostly waits for DynamoDB. One after the other, a
batch of many consumers would be booked more slowly than a shard can grow."""
_MOST_ACCOUNTS = 1_000
_POLICY_SECONDS = 60.0
_EVENT_SECONDS = 5.0
"""Time limit for the budget events of a batch. Bookings do not wait longer for SNS."""

_Markers = Mapping[str, tuple[bytes, bytes]]


class Aggregator:
    """Books batches of stream records. One instance per Lambda sandbox.

    A batch may arrive again, whole or in part: markers in the items make each record count once (core/booking.py).
    """

    def __init__(self, config: Config, aws: AwsClient, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._notifier = BudgetNotifier(aws, ledger, config.topic_arn)
        self._accounts: dict[str, Account] = {}
        self._policies: dict[str, tuple[float, Policy | None]] = {}

    def run(self, records: Sequence[Mapping[str, Any]], deadline: float) -> None:
        """Book the records of one batch. After an AwsError, the same batch must be booked again."""
        changes, quarantined = self._changes(records)
        try:
            self._book(changes, stream_id(records[0]["eventSourceARN"]) if records else "", deadline)
        finally:
            self._print_failures(quarantined)

    def _book(self, changes: Sequence[RowChange], stream: str, deadline: float) -> None:
        by_consumer: dict[str, list[RowChange]] = {}
        for change in changes:
            by_consumer.setdefault(change.consumer, []).append(change)

        def book(consumer: str) -> tuple[Account, Policy | None]:
            return self._book_consumer(consumer, stream, by_consumer[consumer], deadline)

        if len(by_consumer) == 1:  # threads would cost more than they save
            booked = {consumer: book(consumer) for consumer in by_consumer}
        else:
            with ThreadPoolExecutor(_MOST_THREADS) as pool:
                futures = {consumer: pool.submit(book, consumer) for consumer in by_consumer}
            booked = {consumer: future.result() for consumer, future in futures.items()}
        events_until = min(deadline, time.monotonic() + _EVENT_SECONDS)
        for consumer, (account, policy) in booked.items():
            self._publish_events(account, policy, by_consumer[consumer], events_until)

    def _changes(self, records: Iterable[Mapping[str, Any]]) -> tuple[list[RowChange], int]:
        """The changes of usage rows in `records`, and the number of records that cannot be read.

        An unreadable record must not stop the stream. `tollgate ledger verify` finds what it did not book.
        """
        changes, quarantined = [], 0
        for record in records:
            try:
                change = _change(record)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                keys = {name: key.get("S") for name, key in record.get("dynamodb", {}).get("Keys", {}).items()}
                line = {"kind": "quarantined", "level": "ERROR", **keys, "error": f"{type(error).__name__}: {error}"}
                print(json_text(line))
                quarantined += 1
            else:
                if change is not None:
                    changes.append(change)
        return changes, quarantined

    def _book_consumer(
        self, consumer: str, stream: str, changes: list[RowChange], deadline: float
    ) -> tuple[Account, Policy | None]:
        """Book the changes of a consumer in its rollups and its account. Returns its account and its policy."""
        by_rollup: dict[str, list[RowChange]] = {}
        for change in changes:
            for sk in change.rollups:
                by_rollup.setdefault(sk, []).append(change)
        for sk, booked in by_rollup.items():
            self._book_rollup(consumer, sk, stream, booked, deadline)
        return self._book_account(consumer, stream, changes, deadline), self._policy(consumer, deadline)

    def _book_account(self, consumer: str, stream: str, changes: list[RowChange], deadline: float) -> Account:
        def update(chunk: Sequence[RowChange], markers: _Markers, item: Mapping[str, Any]) -> Update:
            return booking.book((change.booking for change in chunk), Account(item), self._now_ms(), markers)

        known = self._accounts.get(consumer, Account({}))
        item = self._apply(
            (account_pk(consumer), ACCOUNT_SK),
            changes,
            lambda change: marker_name(stream, change.slot, change.day),
            update,
            known.item,
            deadline,
        )
        if len(self._accounts) >= _MOST_ACCOUNTS:
            self._accounts.clear()
        self._accounts[consumer] = account = Account(item)
        return account

    def _book_rollup(self, consumer: str, sk: str, stream: str, changes: list[RowChange], deadline: float) -> None:
        def update(chunk: Sequence[RowChange], markers: _Markers, _: Mapping[str, Any]) -> Update:
            return booking.book_rollup((change.rollups[sk] for change in chunk), self._now_ms(), markers)

        key = rollup_pk(consumer), sk
        self._apply(key, changes, lambda change: marker_name(stream, change.slot), update, {}, deadline)

    def _apply(
        self,
        key: tuple[str, str],
        changes: list[RowChange],
        marker: Callable[[RowChange], str],
        update: Callable[[Sequence[RowChange], _Markers, Mapping[str, Any]], Update],
        item: Mapping[str, Any],
        deadline: float,
    ) -> Mapping[str, Any]:
        """Book `changes` in an item, without those that its markers cover. Returns the item, as last seen."""
        while changes:
            count = len(changes)
            while True:
                booked = update(changes[:count], _markers(changes[:count], marker), item)
                if booked.operators <= _MOST_OPERATORS or count == 1:
                    break
                count //= 2
            try:
                item = self._ledger.update(*key, booked, deadline)
            except ConditionError as failure:
                item = failure.item
                changes = [change for change in changes if change.sequence > _booked(item, marker(change))]
            else:
                changes = changes[count:]
        return item

    def _publish_events(
        self, account: Account, policy: Policy | None, changes: Sequence[RowChange], deadline: float
    ) -> None:
        """Publish budget events. The sweeper publishes those that fail here."""
        if policy is None or not policy.budgets or not account.item:
            return
        for at_ms in {change.day: change.booking.at_ms for change in changes}.values():
            due = due_events(self._config.environment, policy.at(utc_datetime(at_ms)), account, at_ms)
            try:
                self._notifier.publish_new(due, deadline)
            except AwsError as error:
                line = {"kind": "budget_event_failed", "level": "ERROR", "consumer": policy.consumer}
                print(json_text({**line, "code": error.code}))

    def _policy(self, consumer: str, deadline: float) -> Policy | None:
        read_at, policy = self._policies.get(consumer, (float("-inf"), None))
        if time.monotonic() - read_at >= _POLICY_SECONDS:
            item = self._ledger.get(consumer_pk(consumer), POLICY_SK, deadline)
            state = self._ledger.get(consumer_pk(consumer), STATE_SK, deadline) if item else {}
            policy = policy_from_item(item, state) if item else None
            if len(self._policies) >= _MOST_ACCOUNTS:
                self._policies.clear()
            self._policies[consumer] = time.monotonic(), policy
        return policy

    def _now_ms(self) -> int:
        return int(self._ledger.now() * 1000)

    def _print_failures(self, quarantined: int) -> None:
        """Print the metrics of a batch in which anything failed. Lambda itself counts bookings that failed for good,
        which fail the batch."""
        _, throttled, conflicting = self._ledger.take_failures()
        counts = {QUARANTINED_RECORDS: quarantined, LEDGER_THROTTLES: throttled, LEDGER_CONFLICTS: conflicting}
        values: dict[Metric, float] = {metric: count for metric, count in counts.items() if count}
        if values:
            line: dict[str, object] = {
                "kind": "aggregation",
                "level": "ERROR" if quarantined else "WARN",
                "environment": self._config.environment,
                **{metric.name: value for metric, value in values.items()},
            }
            line["_aws"] = emf_metadata(self._now_ms(), METRIC_NAMESPACE, False, line, values)
            print(json_text(line))


def _change(record: Mapping[str, Any]) -> RowChange | None:
    """The change of a usage row in a stream record. Rows that TTL removes stay in their rollup."""
    stream_record = record["dynamodb"]
    if record["eventName"] == "REMOVE":
        return None
    old = stream_record.get("OldImage")
    return row_change(
        deserialize_item(stream_record["Keys"]),
        deserialize_item(old) if old else None,
        deserialize_item(stream_record["NewImage"]),
        stream_record["SequenceNumber"],
    )


def _markers(changes: Iterable[RowChange], marker: Callable[[RowChange], str]) -> _Markers:
    """Sequence numbers of the first and the last change, by marker."""
    markers: dict[str, tuple[bytes, bytes]] = {}
    for change in changes:
        name = marker(change)
        markers[name] = (markers.get(name, (change.sequence,))[0], change.sequence)
    return markers


def _booked(item: Mapping[str, Any], marker: str) -> bytes:
    """The sequence number of the last booked record."""
    value = item.get(marker, b"")
    return bytes(value[:SEQUENCE_BYTES])


_AGGREGATOR: list[Aggregator] = []
"""The sandbox's aggregator, created at the first batch."""


def handler(event: dict[str, Any], context: Any) -> None:
    """Book a batch of the table's stream. It raises if DynamoDB fails, so that Lambda sends the batch again."""
    if not _AGGREGATOR:
        config, aws = load_config(), AwsClient(longest_delay=LONGEST_DELAY)
        ledger = Ledger(aws, config.table, config.environment, config.retention_days)
        _AGGREGATOR.append(Aggregator(config, aws, ledger))
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - 1
    _AGGREGATOR[0].run(event["Records"], deadline)
