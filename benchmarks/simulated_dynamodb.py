"""DynamoDB on a virtual clock, as far as the ledger uses it: write units, throttling, transactions and the stream.

It executes the expressions that the ledger sends, whatever they are. Assumptions: benchmarks/contention.py.
"""

from __future__ import annotations

import json
import math
import operator
import re
from base64 import b64decode
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks.virtual_time import VirtualTime
from lambda_src.contract import PK, SK, USAGE
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.dynamodb_attributes import Item
from tests.money.write_units import size_of

WRITE_SECONDS: Final = 0.004
TRANSACTION_SECONDS: Final = 0.012
LOCKED_SECONDS: Final = 0.008
UNITS_PER_SECOND: Final = 1_000
ARN: Final = "arn:aws:dynamodb:eu-west-1:000000000000:table/ledger/stream/2026-11-26T00:00:00.000"
_CLAUSE = re.compile(r"(SET|ADD|REMOVE) (.*?)(?= ADD | REMOVE |$)")
_CONDITION = re.compile(r"attribute_not_exists\((#\w+)\)|(#\w+) (<=|<>|<|=) (:\w+)|(#\w+) IN \(([^)]*)\)")
_COMPARISONS = {"<=": operator.le, "<": operator.lt, "=": operator.eq, "<>": operator.ne}
_Key = tuple[str, str]


class Rejection(Exception):
    """DynamoDB rejects a call."""

    def __init__(self, code: str, **details: object) -> None:
        super().__init__(code)
        self.body = {"__type": code, "message": "", **details}


class SimulatedTable:
    """A table and its stream. one_partition: all items share one partition, as in a new table at worst.

    units: write units by kind of item, the first part of its partition key. records: the stream, by partition key.
    """

    def __init__(self, clock: VirtualTime, *, one_partition: bool = False) -> None:
        self._clock = clock
        self._one_partition = one_partition
        self._items: dict[_Key, bytes] = {}
        self._locked: dict[_Key, float] = {}
        self._left: dict[str, tuple[float, float]] = {}
        self._sequence = 10**20
        self.units: Counter[str] = Counter()
        self.reads = 0
        self.throttled: Counter[str] = Counter()
        self.conflicts = 0
        self.largest: Counter[str] = Counter()
        """Bytes of the largest item, by kind."""
        self.records: dict[str, deque[dict[str, Any]]] = defaultdict(deque)

    def item(self, pk: str, sk: str) -> Item:
        """An item; empty if it does not exist."""
        stored = self._items.get((pk, sk))
        return json.loads(stored) if stored else {}

    def items(self, pk: str) -> list[Item]:
        """All items of a partition key."""
        return [json.loads(stored) for key, stored in self._items.items() if key[0] == pk]

    def store(self, item: Item) -> None:
        """Put an item without cost."""
        self._items[item[PK]["S"], item[SK]["S"]] = json.dumps(item, separators=(",", ":")).encode()

    def handle(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and body of the response to a request."""
        operation = headers["x-amz-target"].rpartition(".")[2]
        call = json.loads(body)
        try:
            if operation == "TransactWriteItems":
                answer = self._transact(call["TransactItems"])
            elif operation == "GetItem":
                self.reads += 1
                answer = {"Item": self.item(call["Key"][PK]["S"], call["Key"][SK]["S"])}
                self._clock.sleep(WRITE_SECONDS)
            else:
                answer = self._write(call)
        except Rejection as rejection:
            self._clock.sleep(WRITE_SECONDS)
            return 400, json.dumps(rejection.body).encode()
        return 200, json.dumps(answer).encode()

    def _write(self, call: Mapping[str, Any]) -> dict[str, Any]:
        key = _key_of(call)
        if self._is_locked(key):
            self.conflicts += 1
            raise Rejection("TransactionConflictException")
        if self._units_left(key) <= 0:
            self.throttled[_kind(key)] += 1
            raise Rejection("ThrottlingException")
        old, new = self._prepare(key, call)
        self._charge(key, new or old, 1)
        if new is None:
            raise Rejection("ConditionalCheckFailedException", Item=old)
        self._commit(old, new)
        self._clock.sleep(WRITE_SECONDS)
        returned = {"ALL_NEW": new, "ALL_OLD": old}.get(call.get("ReturnValues", ""))
        return {"Attributes": returned} if returned else {}

    def _transact(self, actions: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Items are locked in the last part of a transaction, and written at its end."""
        self._clock.sleep(TRANSACTION_SECONDS - LOCKED_SECONDS)
        calls = [call for action in actions for call in action.values()]
        keys = [_key_of(call) for call in calls]
        if any(self._is_locked(key) for key in keys):
            self.conflicts += 1
            raise _cancelled("TransactionConflict")
        for key in keys:
            if self._units_left(key) <= 0:
                self.throttled[_kind(key)] += 1
                raise _cancelled("ThrottlingError")
        for key, call in zip(keys, calls, strict=True):
            old, new = self._prepare(key, call)
            if new is None:
                raise _cancelled("ConditionalCheckFailed")
            self._charge(key, new, 2)
            self._locked[key] = self._clock.monotonic() + LOCKED_SECONDS
            self._commit(old, new)
        self._clock.sleep(LOCKED_SECONDS)
        return {}

    def _is_locked(self, key: _Key) -> bool:
        return self._locked.get(key, 0.0) > self._clock.monotonic()

    def _prepare(self, key: _Key, call: Mapping[str, Any]) -> tuple[Item, Item | None]:
        """The present item, and the item after a write; None if the write's condition does not hold."""
        old = self.item(*key)
        names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
        if not _holds(call.get("ConditionExpression", ""), old, names, values):
            return old, None
        new = call["Item"] if "Item" in call else _updated(old or call["Key"], call["UpdateExpression"], names, values)
        return old, new

    def _units_left(self, key: _Key) -> float:
        """At most the units of 100 ms are saved: no burst."""
        left, at = self._left.get(self._partition(key), (0.0, float("-inf")))
        return min(UNITS_PER_SECOND / 10, left + (self._clock.monotonic() - at) * UNITS_PER_SECOND)

    def _charge(self, key: _Key, item: Item, factor: int) -> None:
        size = sum(len(name) + size_of(value) for name, value in item.items())
        units = max(1, math.ceil(size / 1024)) * factor
        self._left[self._partition(key)] = self._units_left(key) - units, self._clock.monotonic()
        self.units[_kind(key)] += units
        self.largest[_kind(key)] = max(self.largest[_kind(key)], size)

    def _partition(self, key: _Key) -> str:
        return "" if self._one_partition else key[0]

    def _commit(self, old: Item, new: Item) -> None:
        self.store(new)
        if new[PK]["S"].startswith(USAGE):
            self._sequence += 1
            stream_record: dict[str, Any] = {
                "Keys": {PK: new[PK], SK: new[SK]},
                "NewImage": new,
                "SequenceNumber": str(self._sequence),
                "ApproximateCreationDateTime": self._clock.time(),
            }
            stream_record |= {"OldImage": old} if old else {}
            name = "MODIFY" if old else "INSERT"
            record = {"eventName": name, "eventSourceARN": ARN, "dynamodb": stream_record}
            self.records[new[PK]["S"]].append(record)


class SimulatedAws(AwsClient):
    """The Lambda's AWS client, retries included, with a simulated table."""

    def __init__(self, table: SimulatedTable, **options: Any) -> None:
        environ = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        super().__init__(environ, **options)
        self._simulated = table

    def _exchange(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> tuple[int, bytes]:
        """Pass a request on to the table instead of a connection."""
        del url, deadline
        return self._simulated.handle(headers, body)

    def signed_headers(self, *arguments: Any) -> dict[str, str]:
        """The headers as they are, since nobody checks signatures."""
        return dict(arguments[3])


def _cancelled(reason: str) -> Rejection:
    return Rejection("TransactionCanceledException", CancellationReasons=[{"Code": reason}])


def _key_of(call: Mapping[str, Any]) -> _Key:
    keys = call.get("Item") or call["Key"]
    return keys[PK]["S"], keys[SK]["S"]


def _kind(key: _Key) -> str:
    return key[0].partition("#")[0]


def _plain(attribute: Mapping[str, Any] | None) -> Any:
    """A comparable value."""
    if attribute is None:
        return None
    ((kind, value),) = attribute.items()
    return int(value) if kind == "N" else b64decode(value) if kind == "B" else value


def _holds(expression: str, item: Item, names: Mapping[str, str], values: Item) -> bool:
    return all(
        any(_term(match, item, names, values) for match in _CONDITION.finditer(part))
        for part in expression.split(" AND ")
        if part
    )


def _term(match: re.Match[str], item: Item, names: Mapping[str, str], values: Item) -> bool:
    """Whether one term of a condition holds."""
    absent, compared, comparison, value, member, options = match.groups()
    if absent is not None:
        return names[absent] not in item
    left = _plain(item.get(names[compared or member]))
    if left is None:
        return False
    if compared is not None:
        return bool(_COMPARISONS[comparison](left, _plain(values[value])))
    return left in [_plain(values[option]) for option in options.split(", ")]


def _updated(item: Item, expression: str, names: Mapping[str, str], values: Item) -> Item:
    new = dict(item)
    for name, value, verb in _changes(expression):
        if verb == "SET":
            new[names[name]] = values[value]
        elif verb == "ADD":
            amount = int(new.get(names[name], {"N": "0"})["N"]) + int(values[value]["N"])
            new[names[name]] = {"N": str(amount)}
        else:
            new.pop(names[name], None)
    return new


def _changes(expression: str) -> Iterator[tuple[str, str, str]]:
    """Placeholders of names and values in an update expression, with their verbs."""
    for verb, parts in _CLAUSE.findall(expression):
        for part in parts.split(", "):
            name, _, value = part.replace(" = ", " ").partition(" ")
            yield name, value, verb
