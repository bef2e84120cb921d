"""The faults that other tests rely on do happen."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from lambda_src.contract import usage_pk
from lambda_src.core.account import Update
from lambda_src.edges.aws import AwsError
from lambda_src.edges.dynamodb_table import DynamoDBTable
from tests.in_process import InProcessAws
from tests.money.faults import Fault, InProcessFaultyAws, Killed
from tests.stream import Delivery, Stream

ONE = Update(adds={"n": 1})


class Counted:
    """A table with an item that counts updates, and a clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.aws = InProcessFaultyAws(lambda: self.now)
        self.name = self.aws.create_table()
        self.table = DynamoDBTable(self.aws, self.name)
        self.aws.attempts = 0

    def add(self, *plan: Fault, repeats: int | None = None) -> str:
        """Add one; the code of the error, or "ok"."""
        self.aws.plan = list(plan)
        try:
            self.table.update("counter", "1", ONE, time.monotonic() + 5, repeats=repeats)
        except AwsError as error:
            return error.code
        finally:
            self.aws.plan = []
        return "ok"

    @property
    def value(self) -> int:
        return int(self.table.get("counter", "1", time.monotonic() + 5).get("n", 0))


@pytest.fixture
def counted() -> Iterator[Counted]:
    created = Counted()
    yield created
    created.aws.delete_table(created.name)


def test_lost_response_executes_the_call_again(counted: Counted) -> None:
    assert counted.add("lost") == "ok"
    assert (counted.aws.attempts, counted.value) == (2, 2)
    assert counted.add("lost", "lost", repeats=1) == "Unreachable"


def test_late_call_arrives_until_its_signature_expires(counted: Counted) -> None:
    assert counted.add("late", "down") == "Down"
    assert counted.value == 0
    counted.now += 300
    counted.aws.deliver_late()
    assert counted.value == 1
    assert counted.add("late", "down") == "Down"
    counted.now += 301
    counted.aws.deliver_late()
    assert counted.value == 1


@pytest.mark.parametrize(("fault", "counts"), [("throttled", (1, 0)), ("conflict", (0, 1))])
def test_rejected_call_is_retried_and_counted(counted: Counted, fault: Fault, counts: tuple[int, int]) -> None:
    assert counted.add(fault) == "ok"
    assert counted.aws.take_rejected("dynamodb") == counts
    assert counted.value == 1


@pytest.mark.parametrize(("fault", "executed"), [("down", 0), ("down after", 1)])
def test_failed_call_is_executed_or_not(counted: Counted, fault: Fault, executed: int) -> None:
    assert counted.add(fault) == "Down"
    assert (counted.aws.attempts, counted.value) == (1, executed)


@pytest.mark.parametrize(("fault", "executed"), [("killed", 0), ("killed after", 1)])
def test_killed_process_makes_no_further_call(counted: Counted, fault: Fault, executed: int) -> None:
    with pytest.raises(Killed):
        counted.add(fault)
    assert counted.value == executed


def test_another_process_overtakes_a_call(counted: Counted) -> None:
    seen = []
    counted.aws.meanwhile = lambda: seen.append(counted.value)
    assert counted.add("ok") == counted.add("overtaken") == "ok"
    assert (seen, counted.value) == ([1], 2)


def test_write_during_a_transaction_conflicts(counted: Counted) -> None:
    codes = []
    counted.aws.during_transaction = lambda: codes.append(counted.add("ok", "ok", "down"))
    key = {"pk": {"S": "counter"}, "sk": {"S": "1"}}
    put = {"Put": {"TableName": counted.name, "Item": {**key, "n": {"N": "10"}}}}
    counted.aws.call(
        "dynamodb", "DynamoDB_20120810.TransactWriteItems", {"TransactItems": [put]}, deadline=time.monotonic() + 5
    )
    assert codes == ["Down"]
    assert counted.aws.take_rejected("dynamodb") == (0, 2)
    assert counted.value == 10


# --- the stream ---------------------------------------------------------------------------------------------


class Recorder:
    """An aggregator that notes its batches and fails now and then."""

    def __init__(self, failures: random.Random | None = None) -> None:
        self.batches: list[list[str]] = []
        self.failed: list[list[str]] = []
        self._failures = failures

    def run(self, records: Sequence[Mapping[str, Any]], _deadline: float) -> None:
        batch = [record["dynamodb"]["SequenceNumber"] for record in records]
        if self._failures is not None and self._failures.random() < 0.2:
            self.failed.append(batch)
            raise AwsError("Down", "failed by the test")
        self.batches.append(batch)


@pytest.fixture
def stream() -> Iterator[tuple[Stream, InProcessAws]]:
    """The stream of a table with 200 settled rows in four partitions."""
    aws = InProcessAws()
    name = aws.create_table()
    table = DynamoDBTable(aws, name)
    for number in range(200):
        pk = usage_pk("acme", "2026-11-26", number % 4)
        table.put_new(pk, f"{number:03}", {"settlement": "settled"}, time.monotonic() + 5)
        table.put_new(pk, f"{number:03}-held", {"settlement": "held"}, time.monotonic() + 5)
    yield Stream(aws, name), aws
    aws.delete_table(name)


def test_stream_delivers_ended_rows_once_in_whole_batches(stream: tuple[Stream, InProcessAws]) -> None:
    recorder, delivery = Recorder(), Delivery(stream[0])
    assert delivery.pending == 200
    delivery.deliver_all(recorder)
    assert [len(batch) for batch in recorder.batches] == [200]
    assert delivery.pending == 0


def test_stream_repeats_splits_delays_and_reshards(stream: tuple[Stream, InProcessAws]) -> None:
    recorder, delivery = Recorder(random.Random(2)), Delivery(stream[0], random.Random(1))  # noqa: S311
    calls = 0
    while delivery.pending:
        delivery.deliver(recorder)
        calls += 1
    counts = Counter(number for batch in recorder.batches for number in batch)
    assert len(counts) == 200
    assert max(counts.values()) > 1, "no record was delivered twice"
    assert len({len(batch) for batch in recorder.batches}) > 3, "no batch was split"
    assert calls > 20, "nothing was late"
    assert recorder.failed, "no batch failed"
    generations = delivery._generations
    assert max(len(shards) for shards in generations) > 1, "there is one shard at a time"
    assert len(generations) > 3, "no shard was closed"


def test_stream_keeps_the_order_of_a_partition_key(stream: tuple[Stream, InProcessAws]) -> None:
    """The first delivery of each record comes after those of all earlier records with its partition key."""
    delivered: dict[str, list[str]] = {}

    class Ordered(Recorder):
        def run(self, records: Sequence[Mapping[str, Any]], deadline: float) -> None:
            super().run(records, deadline)
            for record in records:
                own = delivered.setdefault(record["dynamodb"]["Keys"]["pk"]["S"], [])
                if record["dynamodb"]["SequenceNumber"] not in own:
                    own.append(record["dynamodb"]["SequenceNumber"])

    recorder, delivery = Ordered(random.Random(3)), Delivery(stream[0], random.Random(4))  # noqa: S311
    while delivery.pending:
        delivery.deliver(recorder)
    assert len(delivered) == 4
    for numbers in delivered.values():
        assert numbers == sorted(numbers)
        assert len(numbers) == 50
