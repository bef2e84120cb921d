"""The stream of a ledger table, and its delivery to the aggregator as Lambda does it, with faults on request."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from lambda_src.aggregator import Aggregator
from lambda_src.edges.aws import AwsClient, AwsError
from tests.money.faults import Killed

Record = dict[str, Any]
BATCH_SIZE = 500
"""That of the event source mapping (constructs_lib/aggregation.py)."""
KEPT_SECONDS = 86_400
"""How long a stream keeps its records."""


class Stream:
    """Reads the stream of `table`, from its beginning."""

    def __init__(self, aws: AwsClient, table: str) -> None:
        self._aws = aws
        (stream,) = self._call("ListStreams", {"TableName": table})["Streams"]
        self._arn = stream["StreamArn"]
        shards = self._call("DescribeStream", {"StreamArn": self._arn})["StreamDescription"]["Shards"]
        self._iterators = [
            self._call(
                "GetShardIterator",
                {"StreamArn": self._arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"},
            )["ShardIterator"]
            for shard in shards
        ]

    def new_records(self) -> Iterator[Record]:
        """The records since the last call, as Lambda passes them on."""
        for index, iterator in enumerate(self._iterators):
            while True:
                page = self._call("GetRecords", {"ShardIterator": iterator})
                iterator = self._iterators[index] = page["NextShardIterator"]
                yield from ({**record, "eventSourceARN": self._arn} for record in page["Records"])
                if not page["Records"]:
                    break

    def _call(self, operation: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        return self._aws.call(
            "dynamodb", f"DynamoDBStreams_20120810.{operation}", parameters, deadline=time.monotonic() + 10
        )


def is_passed_on(record: Mapping[str, Any]) -> bool:
    """Whether the event source mapping's filter passes a record on (constructs_lib/aggregation.py)."""
    image = record["dynamodb"].get("NewImage")
    if record["eventName"] == "REMOVE" or image is None:
        return False
    return image["pk"]["S"].startswith("USAGE#") and ("kind" in image or image["settlement"]["S"] != "held")


@dataclass(slots=True)
class Shard:
    """A shard of a stream: its records in order, when they were written, and how many of them are delivered."""

    records: list[Record] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    done: int = 0

    @property
    def pending(self) -> int:
        return len(self.records) - self.done


class Delivery:
    """Delivers a stream to an aggregator, in the order of each shard.

    Lambda delivers a batch again if the function fails, and may deliver it again or split it while the stream keeps its
    records. A shard holds records of many partition keys. DynamoDB closes shards and opens others, whose records Lambda
    delivers after those of their parents.

    dice: decides on shards and on repeated, split and late batches; None: one shard and whole batches. now: epoch
    seconds.
    """

    def __init__(self, stream: Stream, dice: random.Random | None = None, now: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._dice = dice
        self._now = now
        self._generations = [[Shard()]]
        self._oldest = 0
        """Index of the oldest generation with records that are not delivered yet."""

    @property
    def pending(self) -> int:
        """Records that are not delivered yet."""
        self._read()
        return sum(shard.pending for shard in self._undelivered())

    @property
    def age(self) -> float:
        """Seconds since the oldest record was written that is not delivered yet."""
        self._read()
        written = [shard.written[shard.done] for shard in self._undelivered() if shard.pending]
        return self._now() - min(written) if written else 0.0

    def deliver(self, aggregator: Aggregator, deadline: float | None = None) -> None:
        """Deliver what is pending; with dice, a part of it. deadline: of all batches; None: each has ten seconds."""
        self._read()
        for index in range(max(0, self._oldest - 1), len(self._generations)):  # the one before may come again
            for shard in self._generations[index]:
                self._deliver_shard(shard, aggregator, deadline)
            if any(shard.pending for shard in self._generations[index]):
                return
            self._oldest = max(self._oldest, index)

    def deliver_all(self, aggregator: Aggregator) -> None:
        """Deliver everything, without faults."""
        dice, self._dice = self._dice, None
        self.deliver(aggregator)
        self._dice = dice

    def _undelivered(self) -> list[Shard]:
        return [shard for generation in self._generations[self._oldest :] for shard in generation]

    def _read(self) -> None:
        for record in self._stream.new_records():
            if is_passed_on(record):
                if self._dice is not None and self._dice.random() < 1 / 20:
                    self._generations.append([Shard() for _ in range(self._dice.randint(1, 3))])
                pk = record["dynamodb"]["Keys"]["pk"]["S"]
                shard = self._generations[-1][crc32(pk.encode()) % len(self._generations[-1])]
                shard.records.append(record)
                shard.written.append(self._now())

    def _deliver_shard(self, shard: Shard, aggregator: Aggregator, deadline: float | None) -> None:
        while True:
            start, end = shard.done, min(len(shard.records), shard.done + BATCH_SIZE)
            if self._dice is not None:
                start = max(0, start - self._dice.choice((0, 0, 0, 1, 5)))  # delivered again
                while start < shard.done and shard.written[start] < self._now() - KEPT_SECONDS:
                    start += 1
                end = min(end, shard.done + self._dice.choice((0, 1, 2, 3, 5, 8, 100)))  # late, or split
            if start >= end:
                return
            try:
                aggregator.run(shard.records[start:end], time.monotonic() + 10 if deadline is None else deadline)
            except (AwsError, Killed):
                return  # Lambda delivers the batch again
            shard.done = max(shard.done, end)
            if self._dice is not None:
                return
