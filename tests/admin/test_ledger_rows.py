"""Rows that change while they are read count as the compared item contains them."""

from __future__ import annotations

from typing import Any

from admin.ledger.rows import ConsumerRows, Key, RowRecord, RowState, row_state
from admin.ledger.stream import RowStream

DAY = "2026-11-26"
NOW_MS = 1_795_694_400_000  # 12:00
RECENT_MS = NOW_MS - 180_000
PK = f"USAGE#app#{DAY}#0"


def row(name: str, settlement: str = "settled", at_ms: int = NOW_MS, cost: int = 100) -> dict[str, Any]:
    return {
        "pk": PK, "sk": f"{at_ms:013d}#{name}", "at_ms": at_ms, "settlement": settlement, "held_nano_usd": 900,
        "cost_nano_usd": 0 if settlement == "held" else cost, "model": "m", "key_id": "k", "status": 200,
    }  # fmt: skip


def key(item: dict[str, Any]) -> Key:
    return item["pk"], item["sk"]


def record(number: int, old: dict[str, Any] | None, new: dict[str, Any]) -> RowRecord:
    return RowRecord(bytes([number]), None if old is None else row_state(old), row_state(new))


def spent(rows: ConsumerRows, records: dict[Key, list[RowRecord]], booked: int) -> int:
    """Nano-USD of an account that contains the records up to `booked`."""

    def marker(_: RowState) -> bytes:
        return bytes([booked])

    sums = rows.account_sums(records, marker)
    counts = rows.rollup_sums(records, marker).get(f"{DAY}#m#k", {})
    assert counts.get("cost_nano_usd", 0) == sums.spent[DAY]
    return sums.spent[DAY]


def read(*items: dict[str, Any]) -> ConsumerRows:
    rows = ConsumerRows("app", DAY, RECENT_MS)
    for item in items:
        rows.add(item)
    return rows


def test_a_request_that_ends_counts_when_the_item_contains_it() -> None:
    """Whether its row was read before or after."""
    held, ended = row("a", "held"), row("a")
    records = {key(held): [record(5, held, ended)]}
    for as_read in (held, ended):
        assert [spent(read(as_read), records, booked) for booked in (4, 5, 6)] == [0, 100, 100]
        assert read(as_read).unbooked(records, lambda _: bytes([4])) == 1
    assert spent(read(held), {}, 9) == 0
    assert spent(read(ended), {}, 4) == 100, "it ended before the stream was read, so it is booked"


def test_a_row_that_was_put_after_its_partition_was_read() -> None:
    held, ended = row("a", "held"), row("a")
    records = {key(held): [record(5, None, held), record(7, held, ended)]}
    assert [spent(read(), records, booked) for booked in (4, 5, 6, 7)] == [0, 0, 0, 100]


def test_a_lapsed_row_of_an_earlier_hour() -> None:
    """It was read after the sweeper had ended it, or a replay had settled it: no longer one by one."""
    an_hour_ago = NOW_MS - 3_600_000
    held, lapsed = row("a", "held", an_hour_ago), row("a", "unsettled", an_hour_ago, 900)
    settled = row("a", "settled", an_hour_ago, 300)
    records = {key(held): [record(5, held, lapsed), record(7, lapsed, settled)]}
    for as_read in (held, lapsed, settled):
        assert [spent(read(as_read), records, booked) for booked in (4, 5, 7)] == [0, 900, 300]


def test_a_row_that_is_only_touched() -> None:
    old = row("a", at_ms=NOW_MS - 3_600_000)
    records = {key(old): [record(5, old, {**old, "verified": "0a0b0c0d"})]}
    assert [spent(read(old), records, booked) for booked in (4, 5)] == [100, 100]


def test_a_replayed_row_of_an_earlier_hour_disturbs() -> None:
    """It is unknown whether it was read before it was put or after."""
    replayed = row("a", at_ms=NOW_MS - 3_600_000)
    assert read().is_disturbed({key(replayed): [record(5, None, replayed)]})
    assert not read().is_disturbed({key(row("b")): [record(5, None, row("b"))]})


def test_an_unreadable_row_is_counted_as_such() -> None:
    rows = read({**row("a"), "cost_nano_usd": "much"})
    assert (rows.unreadable, rows.count) == ([(PK, f"{NOW_MS}#a")], 1)


class Shards:
    """A stream whose first shard ends and continues in another one, as DynamoDB's do about every four hours."""

    def __init__(self) -> None:
        self.pages: dict[str, list[list[dict[str, Any]]]] = {"first": [[]], "second": [[]]}
        self.ended = False

    def describe_stream(self, **_: Any) -> dict[str, Any]:
        shards: list[dict[str, Any]] = [
            {"ShardId": "older", "SequenceNumberRange": {"EndingSequenceNumber": "1"}},
            {"ShardId": "first", "ParentShardId": "older", "SequenceNumberRange": {}},
        ]
        second = {"ShardId": "second", "ParentShardId": "first", "SequenceNumberRange": {}}
        return {"StreamDescription": {"Shards": [*shards, *([second] if self.ended else [])]}}

    def get_shard_iterator(self, **names: str) -> dict[str, str]:
        assert (names["ShardId"], names["ShardIteratorType"]) in (("first", "LATEST"), ("second", "TRIM_HORIZON"))
        return {"ShardIterator": names["ShardId"]}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        pages = self.pages[ShardIterator]
        ends = ShardIterator == "first" and self.ended and not pages
        return {"Records": pages.pop(0) if pages else [], **({} if ends else {"NextShardIterator": ShardIterator})}


def image(number: int, name: str) -> dict[str, Any]:
    values = {"pk": {"S": PK}, "sk": {"S": f"{NOW_MS}#{name}"}}
    new = {**values, "settlement": {"S": "held"}, "at_ms": {"N": str(NOW_MS)}, "held_nano_usd": {"N": "900"}}
    return {"dynamodb": {"Keys": values, "NewImage": new, "SequenceNumber": str(number)}}


def test_the_stream_is_followed_into_new_shards() -> None:
    shards = Shards()
    stream = RowStream(shards, "arn")
    stream.watch("app")
    shards.pages = {"first": [[image(7, "a")]], "second": [[image(9, "b")]]}
    shards.ended = True
    stream.pull()
    assert [sk for _, sk in stream.records("app")] == [f"{NOW_MS}#a", f"{NOW_MS}#b"]
    assert int.from_bytes(stream.newest(PK), "big") == 9
    stream.forget("app")
    shards.pages["second"] = [[image(11, "c")]]
    stream.watch("app")
    assert stream.records("app") == {}
