"""Ledger operations. All are idempotent.

reserve         one conditional update of the account: add a hold, if it exceeds no limit
count_request   one conditional update of the account: count a request without a hold, if it exceeds no limit
settle          one transaction: usage row (once per request id), account (hold → spent), rollup
book_unbilled   one transaction: usage row and rollup of a request without hold and cost
withdraw        book_unbilled, and the end of a hold that may or may not have been placed
sweep           turn expired holds into usage rows marked `unsettled`, charged the held amount
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
    EXCEEDED_PK,
    MODEL_ROUTES,
    PK,
    SK,
    TTL_ATTRIBUTE,
    account_pk,
    correction_sk,
    rollup_pk,
    rollup_sk,
    usage_pk,
    usage_sk,
)
from lambda_src.core import account as accounts
from lambda_src.core.account import Account, Hold, Update
from lambda_src.core.policy import Policy
from lambda_src.core.unsettled import supersedes, unsettled_record, unsettled_rollup
from lambda_src.core.usage_record import UsageRecord
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize_item
from lambda_src.edges.dynamodb_table import CONDITION_FAILED, DynamoDBTable, item_key
from lambda_src.edges.dynamodb_update import build_update

_SECONDS_PER_DAY = 86_400

Outcome = Literal["settled", "replayed", "corrected", "kept"]


class NoRoomError(Exception):
    """A hold would exceed a limit. account: as it was when the condition failed."""

    def __init__(self, account: Account) -> None:
        super().__init__("the hold would exceed a limit")
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

    # --- writing ----------------------------------------------------------------------------------------

    def reserve(self, hold: Hold, consumer: str, policy: Policy, deadline: float) -> Account:
        """Place `hold`. Returns the account after it. NoRoomError if the hold would exceed a limit.

        The caller must have checked that the hold does not exceed a whole limit: conditions always pass for a counter
        that does not exist. After an AwsError the hold may or may not have been placed.
        """
        try:
            return self._update_within_limits(consumer, accounts.reserve(hold, policy), deadline)
        except NoRoomError as failure:
            if failure.account.hold(hold.request_id) == hold:
                return failure.account  # placed by an earlier attempt whose response was lost
            raise

    def count_request(self, consumer: str, limit: int, at_ms: int, deadline: float) -> None:
        """Count a request without a hold. NoRoomError if `limit`, its maximum per minute, is exhausted.

        `limit` must be at least 1, as for `reserve`. A repeated attempt whose first response was lost counts twice.
        """
        account = self._update_within_limits(consumer, accounts.count_request(at_ms, limit), deadline)
        stale = account.stale_minutes(int(self.now() * 1000))
        if stale:  # no settle removes them if the consumer sends no other requests
            removal = Update(sets={}, adds={}, removes=stale)
            with suppress(AwsError):  # the next request tries again
                self._call("UpdateItem", self._account_update(consumer, removal), deadline)

    def settle(
        self, record: UsageRecord, hold: Hold, stale: tuple[str, ...], deadline: float, *, tokens: int | None = None
    ) -> Outcome:
        """Book `record` and end `hold`, once. After an AwsError nothing is booked and the hold remains, unless only the
        response was lost."""
        used = record.tokens.total if tokens is None else tokens
        update = accounts.settle(hold, record.cost_nano_usd, used, int(self.now() * 1000), stale)
        try:
            self._transact(record, update, deadline)
        except AwsError as error:
            row, hold_is_gone = _failed_conditions(error)
            if row is not None:
                return self._settle_again(record, hold, row, deadline)
            if not hold_is_gone:
                raise
            return self._settle_without_hold(record, hold, deadline)
        return "settled"

    def replay(self, record: UsageRecord, deadline: float) -> Outcome:
        """Book the record of a usage line, unless its row exists: the ledger was down, or restored from a backup."""
        if record.route in MODEL_ROUTES:
            return "replayed"  # these requests have no rows
        hold = self.account(record.consumer, deadline).hold(record.request_id)
        if record.settlement == "refused" and hold is not None:
            return self.withdraw(record, hold, deadline)
        if hold is not None:
            return self.settle(record, hold, (), deadline)
        if record.cost_nano_usd == 0:
            return self.book_unbilled(record, deadline)
        return self._settle_without_hold(record, None, deadline)

    def book_unbilled(self, record: UsageRecord, deadline: float) -> Outcome:
        """Book a record without hold and cost, such as a rejection or a token count, once."""
        try:
            self._transact(record, None, deadline)
        except AwsError as error:
            row, _ = _failed_conditions(error)
            if row is None:
                raise
            return self._correct(record, row, deadline) if supersedes(record, row) else "replayed"
        return "settled"

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

    def withdraw(self, record: UsageRecord, hold: Hold, deadline: float) -> Outcome:
        """Book a rejection whose hold may or may not have been placed, so that the hold is never charged.

        The row is written first: if the reserve arrives later, the sweeper finds the row and only ends the hold.
        """
        outcome = self.book_unbilled(record, deadline)
        self._release(record.consumer, hold, deadline)
        return outcome

    def sweep(
        self, consumer: str, account: Account, deadline: float, *, limit: int = 1000
    ) -> Iterator[UsageRecord | None]:
        """End at most `limit` expired holds of the account. Yields for each the `unsettled` record that was booked, or
        None if the request already has a row.

        It raises AwsError at the end if a hold could not be ended. The next sweep retries it.
        """
        failed: AwsError | None = None
        for hold in account.expired_holds(self.now())[:limit]:
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

    def _account_update(self, consumer: str, update: Update) -> dict[str, object]:
        return build_update(self._table, item_key(account_pk(consumer), ACCOUNT_SK), update)

    def _update_within_limits(self, consumer: str, update: Update, deadline: float) -> Account:
        """The account after `update`. NoRoomError if its condition fails."""
        parameters = self._account_update(consumer, update)
        parameters |= {"ReturnValues": "ALL_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            response = self._call("UpdateItem", parameters, deadline)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            raise NoRoomError(Account(deserialize_item(error.details.get("Item", {})))) from None
        return Account(deserialize_item(response["Attributes"]))

    def _settle_without_hold(self, record: UsageRecord, hold: Hold | None, deadline: float) -> Outcome:
        """Book a record whose hold is gone although it has no row, for example because the account was deleted."""
        try:
            self._transact(record, self._charge(record, record.cost_nano_usd, deadline), deadline)
        except AwsError as error:
            row, _ = _failed_conditions(error)
            if row is None:
                raise
            return self._settle_again(record, hold, row, deadline)
        return "settled"

    def _charge(self, record: UsageRecord, amount: int, deadline: float) -> Update:
        account = self.account(record.consumer, deadline)
        return accounts.charge(record.at_ms, amount, account, int(self.now() * 1000))

    def _settle_again(self, record: UsageRecord, hold: Hold | None, row: Mapping[str, Any], deadline: float) -> Outcome:
        """Handle a request that already has a row: correct the row if the sweeper wrote it, else only end the hold."""
        if supersedes(record, row):
            return self._correct(record, row, deadline)
        if hold is not None:
            self._release(record.consumer, hold, deadline)
        return "replayed"

    def _release(self, consumer: str, hold: Hold, deadline: float) -> None:
        """End a hold whose request has a row: a duplicate reserve may arrive after the settle."""
        try:
            self._call("UpdateItem", self._account_update(consumer, accounts.release(hold)), deadline)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise

    def _correct(self, record: UsageRecord, row: Mapping[str, Any], deadline: float) -> Outcome:
        """Replace an `unsettled` row by the actual record, and book the difference. A row that an operator corrected is
        kept: the stated amount stands."""
        before = unsettled_rollup(row)
        delta = {name: value - before.get(name, 0) for name, value in record.rollup().items()}
        delta |= {name: -value for name, value in before.items() if name not in delta}
        update = self._charge(record, record.cost_nano_usd - int(row["cost_nano_usd"]), deadline)
        put = self._row(record)
        put["ConditionExpression"] = "#settlement = :unsettled"
        put["ExpressionAttributeNames"] = {"#settlement": "settlement"}
        put["ExpressionAttributeValues"] = {":unsettled": {"S": "unsettled"}}
        try:
            self._write(put, record, update if update.adds else None, delta, deadline, uncorrected=True)
        except AwsError as error:
            if _failed_conditions(error)[0] is not None:
                return "replayed"
            if _is_corrected(error):
                return "kept"
            raise
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
        self,
        put: dict[str, Any],
        record: UsageRecord,
        update: Update | None,
        rollup: dict[str, int],
        deadline: float,
        *,
        uncorrected: bool = False,
    ) -> None:
        """One transaction. uncorrected: on condition that the row has no correction."""
        account = item_key(account_pk(record.consumer), ACCOUNT_SK)
        daily = item_key(rollup_pk(record.consumer), rollup_sk(record.day, record.model, record.key_id))
        writes: list[dict[str, object]] = [{"Put": put}]
        if update is not None:
            writes.append({"Update": build_update(self._table, account, update)})
        writes.append({"Update": build_update(self._table, daily, Update(sets={}, adds=rollup))})
        if uncorrected:
            first = item_key(put["Item"][PK]["S"], correction_sk(put["Item"][SK]["S"], 1))
            absent = {"ConditionExpression": "attribute_not_exists(#p)", "ExpressionAttributeNames": {"#p": PK}}
            writes.append({"ConditionCheck": {"TableName": self._table, "Key": first, **absent}})
        self._call("TransactWriteItems", {"TransactItems": writes}, deadline)


def _is_corrected(error: AwsError) -> bool:
    """Whether the last condition of a cancelled transaction failed: that the row has no correction."""
    reasons = error.details.get("CancellationReasons", [])
    return bool(reasons) and reasons[-1].get("Code") == CONDITION_FAILED


def _failed_conditions(error: AwsError) -> tuple[dict[str, Any] | None, bool]:
    """The results of a cancelled transaction: the usage row if it already exists, and whether the account's condition
    failed because the hold is gone."""
    if error.code != "TransactionCanceledException":
        return None, False
    reasons = error.details.get("CancellationReasons", [])
    row, account = [*reasons, {}, {}][:2]
    existing = deserialize_item(row.get("Item", {})) if row.get("Code") == CONDITION_FAILED else None
    return existing, account.get("Code") == CONDITION_FAILED
