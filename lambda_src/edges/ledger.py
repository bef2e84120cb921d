"""The ledger's edge: reserve, settle, note, sweep. Each is safe to repeat; none has two effects.

reserve   one conditional update of the account: a hold, if every limit leaves room for it
settle    one transaction: usage row (once per request id) + account (hold → spent) + rollup
note      one transaction: usage row + rollup, for requests that hold nothing
withdraw  note + the end of a hold, where nobody knows whether the reserve was done
sweep     a hold past its deadline becomes a usage row marked `unsettled`, at the held amount
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from lambda_src.contract import (
    ACCOUNT_SK,
    ACCOUNTS_INDEX,
    ACCOUNTS_INDEX_KEY,
    PK,
    TTL_ATTRIBUTE,
    account_pk,
    rollup_pk,
    rollup_sk,
    usage_pk,
    usage_sk,
)
from lambda_src.core import account as accounts
from lambda_src.core.account import Account, Hold, Update
from lambda_src.core.policy import Policy
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize_item
from lambda_src.edges.dynamodb_table import CONDITION, DynamoDBTable, item_key
from lambda_src.edges.dynamodb_update import build_update

_SECONDS_PER_DAY = 86_400

Outcome = Literal["settled", "replayed", "corrected"]


class NoRoomError(Exception):
    """A limit leaves no room for a hold. account: the item as it was when the condition failed."""

    def __init__(self, account: Account) -> None:
        super().__init__("no room")
        self.account = account


class Ledger(DynamoDBTable):
    """The table `table`, through signed calls. now: epoch seconds, replaceable by tests."""

    def __init__(
        self, aws: AwsClient, table: str, environment: str, retention_days: int, now: Callable[[], float] = time.time
    ) -> None:
        super().__init__(aws, table)
        self._environment = environment
        self._retention_days = retention_days
        self.now = now

    # --- the four verbs -------------------------------------------------------------------------------

    def reserve(self, hold: Hold, consumer: str, policy: Policy, deadline: float) -> Account:
        """Place `hold`; the account afterwards. NoRoomError where a limit is in the way; AwsError: not placed.

        The caller has refused what is larger than a whole limit: an absent counter passes any condition.
        """
        members = build_update(self._table, item_key(account_pk(consumer), ACCOUNT_SK), accounts.reserve(hold, policy))
        members |= {"ReturnValues": "ALL_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            answer = self._call("UpdateItem", members, deadline)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            before = Account(deserialize_item(error.details.get("Item", {})))
            if before.hold(hold.request_id) == hold:
                return before  # our own update, sent again after its answer was lost
            raise NoRoomError(before) from None
        return Account(deserialize_item(answer["Attributes"]))

    def settle(
        self, record: UsageRecord, hold: Hold, stale: tuple[str, ...], deadline: float, *, tokens: int | None = None
    ) -> Outcome:
        """Book `record` and end `hold`, once. AwsError: nothing was booked and the hold stands."""
        used = record.tokens.total if tokens is None else tokens
        update = accounts.settle(hold, record.cost_nano_usd, used, int(self.now() * 1000), stale)
        try:
            self._transact(record, update, deadline)
        except AwsError as error:
            row, ours = _failed_conditions(error)
            if row is not None:
                return self._again(record, hold, row, deadline)
            if not ours:
                raise
            return self._settle_without_hold(record, hold, deadline)
        return "settled"

    def replay(self, record: UsageRecord, deadline: float) -> Outcome:
        """Book what a log line says and the table may lack: whoever wrote the line could not, or a backup forgot it."""
        hold = self.account(record.consumer, deadline).hold(record.request_id)
        if record.settlement == "refused" and hold is not None:
            return self.withdraw(record, hold, deadline)
        if hold is not None:
            return self.settle(record, hold, (), deadline)
        if record.cost_nano_usd == 0:
            return self.book_unbilled(record, deadline)
        return self._settle_without_hold(record, None, deadline)

    def book_unbilled(self, record: UsageRecord, deadline: float) -> Outcome:
        """Book a record that holds and costs nothing (a refusal, a count of tokens), once."""
        try:
            self._transact(record, None, deadline)
        except AwsError as error:
            row, _ = _failed_conditions(error)
            if row is None:
                raise
            return self._correct(record, row, deadline) if _outranks(record, row) else "replayed"
        return "settled"

    def withdraw(self, record: UsageRecord, hold: Hold, deadline: float) -> Outcome:
        """Book a refusal whose reserve may or may not have been done, so that its hold is never charged.

        The row comes first: should the reserve arrive even later, the sweeper finds the row and only ends the hold.
        """
        outcome = self.book_unbilled(record, deadline)
        self._release(record.consumer, hold, deadline)
        return outcome

    def sweep(
        self, consumer: str, account: Account, deadline: float, *, most: int = 1000
    ) -> Iterator[UsageRecord | None]:
        """End the account's lapsed holds, each with a row marked `unsettled` at the held amount: that row as it is
        booked, or None where the request has a row already.

        AwsError at the end where a hold could not be ended: the others are, and the next sweep tries it again.
        """
        failed: AwsError | None = None
        for hold in account.expired_holds(self.now())[:most]:
            record = unsettled_record(hold, consumer, self._environment)
            try:
                outcome = self.settle(record, hold, (), deadline, tokens=hold.tokens)
            except AwsError as error:
                if time.monotonic() >= deadline:
                    raise
                failed = error
                continue
            yield record if outcome == "settled" else None
        if failed is not None:
            raise failed

    # --- reading ----------------------------------------------------------------------------------------

    def account(self, consumer: str, deadline: float) -> Account:
        """The account item, read consistently; an empty one where there is none."""
        return Account(self.get(account_pk(consumer), ACCOUNT_SK, deadline))

    def consumers(self, deadline: float) -> list[str]:
        """Every consumer that has an account."""
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

    # --- within -------------------------------------------------------------------------------------------

    def _settle_without_hold(self, record: UsageRecord, hold: Hold | None, deadline: float) -> Outcome:
        """The hold is gone and no row says why (somebody removed the account): the money was spent all the same."""
        try:
            self._transact(record, self._charge(record, record.cost_nano_usd, deadline), deadline)
        except AwsError as error:
            row, _ = _failed_conditions(error)
            if row is None:
                raise
            return self._again(record, hold, row, deadline)
        return "settled"

    def _charge(self, record: UsageRecord, amount: int, deadline: float) -> Update:
        present = self.account(record.consumer, deadline)
        return accounts.charge(record.at_ms, amount, present, int(self.now() * 1000))

    def _again(self, record: UsageRecord, hold: Hold | None, row: Mapping[str, Any], deadline: float) -> Outcome:
        """The request has a row already. What really happened corrects the sweeper's row; all else changes nothing."""
        if _outranks(record, row):
            return self._correct(record, row, deadline)
        if hold is not None:
            self._release(record.consumer, hold, deadline)
        return "replayed"

    def _release(self, consumer: str, hold: Hold, deadline: float) -> None:
        """End a hold that has its row: a reserve whose answer was lost may come in again after the settle."""
        try:
            members = build_update(self._table, item_key(account_pk(consumer), ACCOUNT_SK), accounts.release(hold))
            self._call("UpdateItem", members, deadline)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise

    def _correct(self, record: UsageRecord, row: Mapping[str, Any], deadline: float) -> Outcome:
        """Replace an `unsettled` row with what the request really cost, and book the difference."""
        before = unsettled_rollup(row)
        delta = {name: value - before.get(name, 0) for name, value in record.rollup().items()}
        delta |= {name: -value for name, value in before.items() if name not in delta}
        update = self._charge(record, record.cost_nano_usd - int(row["cost_nano_usd"]), deadline)
        put = self._row(record)
        put["ConditionExpression"] = "#settlement = :unsettled"
        put["ExpressionAttributeNames"] = {"#settlement": "settlement"}
        put["ExpressionAttributeValues"] = {":unsettled": {"S": "unsettled"}}
        try:
            self._write(put, record, update if update.adds else None, delta, deadline)
        except AwsError as error:
            if _failed_conditions(error)[0] is None:
                raise
            return "replayed"
        return "corrected"

    def _transact(self, record: UsageRecord, update: Update | None, deadline: float) -> None:
        self._write(self._row(record), record, update, record.rollup(), deadline)

    def _row(self, record: UsageRecord) -> dict[str, Any]:
        key = item_key(usage_pk(record.consumer, record.day), usage_sk(record.at_ms, record.request_id))
        ttl = record.at_ms // 1000 + self._retention_days * _SECONDS_PER_DAY if self._retention_days else None
        return {
            "TableName": self._table,
            "Item": {**key, **serialize_item({**record.row(), TTL_ATTRIBUTE: ttl})},
            "ConditionExpression": "attribute_not_exists(#p)",
            "ExpressionAttributeNames": {"#p": PK},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _write(
        self, put: dict[str, Any], record: UsageRecord, update: Update | None, rollup: dict[str, int], deadline: float
    ) -> None:
        account = item_key(account_pk(record.consumer), ACCOUNT_SK)
        daily = item_key(rollup_pk(record.consumer), rollup_sk(record.day, record.model, record.key_id))
        writes: list[dict[str, object]] = [{"Put": put}]
        if update is not None:
            writes.append({"Update": build_update(self._table, account, update)})
        writes.append({"Update": build_update(self._table, daily, Update(sets={}, adds=rollup))})
        self._call("TransactWriteItems", {"TransactItems": writes}, deadline)


def unsettled_record(hold: Hold, consumer: str, environment: str) -> UsageRecord:
    """What is booked for a hold that nothing ever settled: the whole held amount, marked."""
    return UsageRecord(
        request_id=hold.request_id,
        at_ms=hold.at_ms,
        environment=environment,
        consumer=consumer,
        key_id=hold.key_id,
        route=hold.route,
        provider=hold.provider,
        model=hold.model,
        status=504,
        error_code="unsettled",
        settlement="unsettled",
        usage_source="estimated",
        tokens=Tokens(input=hold.tokens),
        held_nano_usd=hold.amount,
        cost_nano_usd=hold.amount,
        price_version=hold.price_version,
    )


def unsettled_rollup(row: Mapping[str, Any]) -> dict[str, int]:
    """What an `unsettled` row added to its rollup."""
    return {
        "requests": 1,
        "errors": 1,
        "estimated": 1,
        "unsettled": 1,
        "status_504": 1,
        "code_unsettled": 1,
        "cost_nano_usd": int(row["cost_nano_usd"]),
        "tokens_input": int(row.get("tokens_input", 0)),
    }


def _outranks(record: UsageRecord, row: Mapping[str, Any]) -> bool:
    """Whether `row` is only the sweeper's assumption and `record` says what really happened."""
    return row.get("settlement") == "unsettled" and record.settlement != "unsettled"


def _failed_conditions(error: AwsError) -> tuple[dict[str, Any] | None, bool]:
    """Of a cancelled transaction: the usage row that was there already (None: none was), and whether the account's
    condition failed."""
    if error.code != "TransactionCanceledException":
        return None, False
    reasons = error.details.get("CancellationReasons", [])
    row, account = [*reasons, {}, {}][:2]
    there = deserialize_item(row.get("Item", {})) if row.get("Code") == CONDITION else None
    return there, account.get("Code") == CONDITION
