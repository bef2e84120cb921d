"""The table's stream: how usage rows change while they are read.

A usage row does not tell whether the aggregator has booked it. The stream does: each record has a sequence number, and
each rollup and account has the number of the last record that it contains (lambda_src/core/booking.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from admin.ledger.rows import Key, RowRecord, row_state
from lambda_src.contract import PK, SK, USAGE
from lambda_src.core.booking import sequence, stream_id
from lambda_src.edges.dynamodb_attributes import deserialize_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PULL_EVERY: Final = 60.0
"""Seconds. An iterator expires after 15 minutes (docs.aws.amazon.com/amazondynamodb/latest/APIReference/
API_streams_GetShardIterator.html)."""


class RowStream:
    """The changes of usage rows from now on, of the consumers that are watched. client: of `dynamodbstreams`.

    DynamoDB allows two readers of a shard, of which Lambda is one.
    """

    def __init__(self, client: Any, arn: str) -> None:
        self.id = stream_id(arn)
        self._client = client
        self._arn = arn
        self._lock = RLock()
        self._watched: set[str] = set()
        self._records: dict[str, dict[Key, list[RowRecord]]] = {}
        self._newest: dict[str, bytes] = {}
        open_shards = [shard for shard in self._shards() if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
        self._iterators = {shard["ShardId"]: self._iterator(shard, "LATEST") for shard in open_shards}
        self._known = set(self._iterators)
        self._pulled = 0.0
        self.pull()

    def watch(self, consumer: str) -> None:
        """Remember the changes of a consumer's rows from now on."""
        self.pull()
        with self._lock:
            self._records.setdefault(consumer, {})
            self._watched.add(consumer)

    def forget(self, consumer: str) -> None:
        """Forget a consumer's changes, and those to come."""
        with self._lock:
            self._watched.discard(consumer)
            self._records.pop(consumer, None)

    def records(self, consumer: str) -> dict[Key, list[RowRecord]]:
        """Changes of a watched consumer's rows in order, by partition key and sort key, as far as they were pulled."""
        with self._lock:
            return {key: list(records) for key, records in self._records[consumer].items()}

    def newest(self, pk: str) -> bytes:
        """The sequence number of the last change in a partition of usage rows; empty if there was none."""
        return self._newest.get(pk, b"")

    def keep_up(self) -> None:
        """Pull, if the last time is long ago."""
        if time.monotonic() - self._pulled > _PULL_EVERY:
            self.pull()

    def pull(self) -> None:
        """Read what the stream has."""
        with self._lock:
            pending = list(self._iterators)
            while pending:
                pending = [shard for name in pending for shard in self._pull_shard(name)]
            self._pulled = time.monotonic()

    def _pull_shard(self, name: str) -> Iterator[str]:
        """Read a shard to its present end. Yields its children if it has ended."""
        iterator: str | None = self._iterators[name]
        while iterator is not None:
            page = self._client.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                self._keep(record["dynamodb"])
            iterator = page.get("NextShardIterator")
            if iterator is not None:
                self._iterators[name] = iterator
                if not page["Records"]:
                    return
        del self._iterators[name]
        for shard in self._shards():
            if shard.get("ParentShardId") == name and shard["ShardId"] not in self._known:
                self._known.add(shard["ShardId"])
                self._iterators[shard["ShardId"]] = self._iterator(shard, "TRIM_HORIZON")
                yield shard["ShardId"]

    def _keep(self, record: dict[str, Any]) -> None:
        pk, sk = record["Keys"][PK]["S"], record["Keys"][SK]["S"]
        if not pk.startswith(USAGE):
            return
        consumer, number = pk.split("#")[1], sequence(record["SequenceNumber"])
        self._newest[pk] = number
        if consumer not in self._watched or "NewImage" not in record:  # TTL removes rows that stay in their rollup
            return
        images = (record.get("OldImage"), record["NewImage"])
        old, new = (row_state(deserialize_item(image)) if image else None for image in images)
        self._records[consumer].setdefault((pk, sk), []).append(RowRecord(number, old, new))

    def _shards(self) -> Iterator[dict[str, Any]]:
        start: dict[str, str] = {}
        while True:
            page = self._client.describe_stream(StreamArn=self._arn, **start)["StreamDescription"]
            yield from page["Shards"]
            if "LastEvaluatedShardId" not in page:
                return
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def _iterator(self, shard: dict[str, Any], kind: str) -> str:
        response = self._client.get_shard_iterator(
            StreamArn=self._arn, ShardId=shard["ShardId"], ShardIteratorType=kind
        )
        return str(response["ShardIterator"])


def stream_arn(client: DynamoDBClient, table: str) -> str:
    """ARN of a table's stream."""
    return client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
