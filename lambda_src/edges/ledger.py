"""Ledger operations. docs/accounting.md explains why the figures are exact.

reserve         one conditional update of the account, if it exceeds no limit
count_request   one conditional update of the account: count a request that reserves nothing
open            put the request's usage row as `held`; the provider is called only after that
settle          put the whole row with its cost, unless it has ended already; no other item is touched
withdraw        put the row as `refused`: it is unknown whether `open` was executed
book_unbilled   put the row of a request that reserved nothing
replay          put the row of a usage line whose ledger write failed
lapse           put the row as `unsettled`, charged the held amount: its deadline has passed
close, prune    the sweeper's updates of an account

Accounts and rollups follow from the rows, by way of the table's stream (lambda_src/aggregator.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from lambda_src.contract import (
    ACCOUNT_SK,
    ACCOUNTS_INDEX,
    ACCOUNTS_INDEX_KEY,
    CORRECTION,
    EXCEEDED_PK,
    MODEL_ROUTES,
    PK,
    SK,
    TTL_ATTRIBUTE,
    USAGE_SLOTS,
    account_pk,
    correction_sk,
    usage_pk,
    usage_sk,
    usage_slot,
)
from lambda_src.core import account as accounts
from lambda_src.core import booking
from lambda_src.core.account import BUCKET_MS, Account, Hold
from lambda_src.core.policy import Policy
from lambda_src.core.row_change import HELD, UNRESERVED
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import Settlement, UsageRecord, record_from_row
from lambda_src.core.windows import label, utc_datetime
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize_item
from lambda_src.edges.dynamodb_table import CONDITION_FAILED, ConditionError, DynamoDBTable, item_key

_SECONDS_PER_DAY = 86_400
_BUSY_SECONDS = 0.5
"""How long a reserve is retried if DynamoDB throttles it: the caller can repeat the request at no cost."""
LAPSES_AT = "lapses_at"
"""Attribute of a held row: epoch seconds after which the sweeper ends it."""

Outcome = Literal["settled", "replayed", "corrected", "kept"]


class NoRoomError(Exception):
    """A reserve would exceed a limit. account: as it was when the condition failed."""

    def __init__(self, account: Account) -> None:
        super().__init__("the reserve would exceed a limit")
        self.account = account


class Ledger(DynamoDBTable):
    """The ledger table. now: returns epoch seconds; tests replace it."""

    def __init__(
        self, aws: AwsClient, table: str, environment: str, retention_days: int, now: Callable[[], float] = time.time
    ) -> None:
        super().__init__(aws, table)
        self._environment = environment
        self._retention_days = retention_days
        self.now = now

    # --- requests ---------------------------------------------------------------------------------------

    def reserve(self, hold: Hold, consumer: str, policy: Policy, deadline: float) -> Account:
        """Reserve the amount of `hold`. Returns the account after it. NoRoomError if it would exceed a limit.

        The caller must have checked that the amount does not exceed a whole limit: conditions always pass for a counter
        that does not exist. After an AwsError the amount may be reserved; the sweeper frees it when it closes the
        bucket.
        """
        update = accounts.reserve(hold, policy)
        busy = min(deadline, time.monotonic() + _BUSY_SECONDS)
        try:
            item = self.update(account_pk(consumer), ACCOUNT_SK, update, deadline, throttled_until=busy, repeats=1)
        except ConditionError as failure:
            account = Account(failure.item)
            if account.applied(hold):
                return account  # by an earlier attempt whose response was lost
            if account.is_closed(hold.bucket):
                raise AwsError("TooLate", "the request is older than a request may last") from None
            raise NoRoomError(account) from None
        return Account(item)

    def count_request(self, consumer: str, limit: int, at_ms: int, deadline: float) -> None:
        """Count a request that reserves nothing. NoRoomError if `limit`, its maximum per minute, is exhausted.

        `limit` must be at least 1, as for `reserve`. A repeated attempt whose first response was lost counts twice.
        """
        busy = min(deadline, time.monotonic() + _BUSY_SECONDS)
        update = accounts.count_request(at_ms, limit)
        try:
            self.update(account_pk(consumer), ACCOUNT_SK, update, deadline, throttled_until=busy)
        except ConditionError as failure:
            raise NoRoomError(Account(failure.item)) from None

    def open(self, record: UsageRecord, hold: Hold, deadline: float) -> None:
        """Put the row of a request whose reserve succeeded. After an AwsError it may have been put: `withdraw` it."""
        values = {name: value for name, value in record.row().items() if value not in (0, False)}
        values |= {
            "settlement": HELD,
            "held_nano_usd": hold.amount,
            "cost_nano_usd": 0,
            "tokens_input": hold.tokens,
            LAPSES_AT: hold.deadline,
        }
        existing = self._put(record, values, deadline, absent=True)
        if existing is not None and existing.get("settlement") != HELD:  # a repeated attempt finds its own row
            raise AwsError("RowExists", "another request has the same id")

    def settle(self, record: UsageRecord, deadline: float) -> Outcome:
        """End a held row with `record`, once. After an AwsError the row is still held, unless only the response was
        lost."""
        existing = self._end(record, deadline)
        if existing is None:
            return "settled"
        if not existing:  # the table was restored from a backup
            return self._insert(record, deadline)
        if existing["settlement"] != "unsettled" or record.settlement == "unsettled":
            return "replayed"
        return self._supersede(record, bool(existing.get(UNRESERVED)), deadline)

    def hold_in_full(self, record: UsageRecord, deadline: float) -> None:
        """Remember that the provider of the record's model exceeded a request's maximum output, until an operator
        clears it. A request from before an operator cleared it changes nothing."""
        mark = {
            "status": "held",
            "at": utc_datetime(record.at_ms).isoformat(),
            "request_id": record.request_id,
            "output_over_maximum": record.output_over_maximum,
        }
        parameters = {
            "TableName": self._table,
            "Item": {**item_key(EXCEEDED_PK, record.model), **serialize_item(mark)},
            "ConditionExpression": "attribute_not_exists(#p) OR (#s = :cleared AND #at < :at)",
            "ExpressionAttributeNames": {"#p": PK, "#s": "status", "#at": "at"},
            "ExpressionAttributeValues": serialize_item({":cleared": "cleared", ":at": mark["at"]}),
        }
        try:
            self._call("PutItem", parameters, deadline)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise

    def withdraw(self, record: UsageRecord, deadline: float) -> Outcome:
        """Book a rejection whose held row may or may not have been put, so that the request is never charged."""
        existing = self._put(record, record.row(), deadline, absent=True, replaces="held")
        return "settled" if existing is None else "replayed"

    def book_unbilled(self, record: UsageRecord, deadline: float) -> Outcome:
        """Book a record that reserved nothing, such as a rejection or a token count, once."""
        return self._insert(record, deadline)

    def replay(self, record: UsageRecord, deadline: float) -> Outcome:
        """Book the record of a usage line, unless it is booked: the ledger was down, or restored from a backup."""
        if record.route in MODEL_ROUTES or (record.error_code == "consumer_busy" and not record.held_nano_usd):
            return "replayed"  # these requests have no rows
        return self.settle(record, deadline)

    # --- the sweeper ------------------------------------------------------------------------------------

    def bucket_rows(self, consumer: str, number: int, deadline: float) -> Iterator[dict[str, Any]]:
        """The usage rows of requests of bucket `number`, read consistently."""
        start = number * BUCKET_MS
        day = label("day", utc_datetime(start))
        for slot in range(USAGE_SLOTS):
            pk = usage_pk(consumer, day, slot)
            items = self.query_between(pk, usage_sk(start, ""), usage_sk(start + BUCKET_MS, ""), deadline)
            yield from (item for item in items if item.get("kind") != CORRECTION)

    def lapse(self, row: Mapping[str, Any], deadline: float) -> UsageRecord | None:
        """End a held row past its deadline. Returns its record; None if the request has ended meanwhile."""
        record = unsettled_record(row, self._environment)
        return record if self._end(record, deadline) is None else None

    def close(self, consumer: str, account: Account, number: int, deadline: float) -> bool:
        """Close bucket `number`. False if the account changed meanwhile: read it again."""
        try:
            self.update(account_pk(consumer), ACCOUNT_SK, booking.close(account, number), deadline)
        except ConditionError:
            return False
        return True

    def prune(self, consumer: str, account: Account, deadline: float) -> None:
        """Remove what the account does not need any more, a part at a time."""
        now_ms = int(self.now() * 1000)
        with suppress(ConditionError):  # a marker has changed: the next sweep sees it
            while update := booking.prune(account, now_ms):
                account = Account(self.update(account_pk(consumer), ACCOUNT_SK, update, deadline))

    # --- reading ----------------------------------------------------------------------------------------

    def account(self, consumer: str, deadline: float) -> Account:
        """A consumer's account, read consistently; empty if it has none."""
        return Account(self.get(account_pk(consumer), ACCOUNT_SK, deadline))

    def consumers(self, deadline: float) -> list[str]:
        """The consumers that have an account."""
        rows = self._query(
            {
                "IndexName": ACCOUNTS_INDEX,
                "KeyConditionExpression": "#a = :a",
                "ExpressionAttributeNames": {"#a": ACCOUNTS_INDEX_KEY},
                "ExpressionAttributeValues": {":a": {"S": ACCOUNTS_INDEX_KEY}},
            },
            deadline,
        )
        return sorted(row[PK].partition("#")[2] for row in rows)

    # --- helpers ----------------------------------------------------------------------------------------

    def _end(self, record: UsageRecord, deadline: float) -> dict[str, Any] | None:
        """Put the row of `record` in place of a held one. Returns None, or what `_put` does."""
        return self._put(record, record.row(), deadline, replaces="held")

    def _supersede(self, record: UsageRecord, unreserved: bool, deadline: float) -> Outcome:
        """Replace an `unsettled` row by what really happened. A row that an operator corrected is kept: the stated
        amount stands. unreserved: whether nothing is reserved for the row."""
        values = {**record.row(), UNRESERVED: unreserved or None}
        put = self._put_parameters(record, values, absent=False, replaces="unsettled")
        pk, sk = _row_key(record)
        correction = {
            "TableName": self._table,
            "Key": item_key(pk, correction_sk(sk, 1)),
            "ConditionExpression": "attribute_not_exists(#p)",
            "ExpressionAttributeNames": {"#p": PK},
        }
        try:
            self._call(
                "TransactWriteItems", {"TransactItems": [{"Put": put}, {"ConditionCheck": correction}]}, deadline
            )
        except AwsError as error:
            failed = [reason.get("Code") == CONDITION_FAILED for reason in error.details.get("CancellationReasons", ())]
            if not any(failed):
                raise
            return "replayed" if failed[0] else "kept"
        return "corrected"

    def _insert(self, record: UsageRecord, deadline: float) -> Outcome:
        """Put a row if there is none. Nothing is reserved for it."""
        values = {**record.row(), UNRESERVED: True}
        return "settled" if self._put(record, values, deadline, absent=True) is None else "replayed"

    def _put(
        self,
        record: UsageRecord,
        values: Mapping[str, object],
        deadline: float,
        *,
        absent: bool = False,
        replaces: Settlement | None = None,
    ) -> dict[str, Any] | None:
        """Put the row of `record` if there is none (`absent`), or in place of one whose settlement is `replaces`.

        Returns None; or, if the condition does not hold, the row that is there, which is empty if there is none.
        """
        parameters = self._put_parameters(record, values, absent=absent, replaces=replaces)
        try:
            self._call("PutItem", parameters, deadline)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            return deserialize_item(error.details.get("Item", {}))
        return None

    def _put_parameters(
        self, record: UsageRecord, values: Mapping[str, object], *, absent: bool, replaces: Settlement | None
    ) -> dict[str, object]:
        key = item_key(*_row_key(record))
        ttl = record.at_ms // 1000 + self._retention_days * _SECONDS_PER_DAY if self._retention_days else None
        conditions, names = [], {}
        if absent:
            conditions.append("attribute_not_exists(#p)")
            names["#p"] = PK
        if replaces is not None:
            conditions.append("#s = :s")
            names["#s"] = "settlement"
        parameters: dict[str, object] = {
            "TableName": self._table,
            "Item": {**key, **serialize_item({**values, TTL_ATTRIBUTE: ttl})},
            "ConditionExpression": " OR ".join(conditions),
            "ExpressionAttributeNames": names,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if replaces is not None:
            parameters["ExpressionAttributeValues"] = {":s": {"S": replaces}}
        return parameters


def _row_key(record: UsageRecord) -> tuple[str, str]:
    slot = usage_slot(record.request_id)
    return usage_pk(record.consumer, record.day, slot), usage_sk(record.at_ms, record.request_id)


def unsettled_record(row: Mapping[str, Any], environment: str) -> UsageRecord:
    """The record that ends a lapsed row: the held amount, marked `unsettled`."""
    record = record_from_row(row[PK], row[SK], row)
    record.environment, record.settlement, record.usage_source = environment, "unsettled", "estimated"
    record.status, record.error_code, record.cost_nano_usd = 504, "unsettled", record.held_nano_usd
    record.tokens = Tokens(input=record.tokens.input)
    return record
