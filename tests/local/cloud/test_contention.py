"""The embedded DynamoDB rejects writes to items of a running transaction, and too many writes to one partition key."""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud.client import Cloud

HELD, FREE = ({"pk": {"S": pk}, "sk": {"S": "1"}} for pk in ("held", "free"))


class Table:
    """A table, and the codes of the errors of writes to it."""

    def __init__(self, cloud: Cloud) -> None:
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=20)
        self.client = cloud.client("dynamodb", config=config)
        self.name = f"contended-{uuid.uuid4().hex[:8]}"
        self.client.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )

    def put(self, item: dict[str, Any]) -> str:
        return self._code(lambda: self.client.put_item(TableName=self.name, Item=item))

    def update(self, key: dict[str, Any]) -> str:
        values = {":one": {"N": "1"}}
        return self._code(
            lambda: self.client.update_item(
                TableName=self.name, Key=key, UpdateExpression="ADD n :one", ExpressionAttributeValues=values
            )
        )

    def delete(self, key: dict[str, Any]) -> str:
        return self._code(lambda: self.client.delete_item(TableName=self.name, Key=key))

    def transact(self, *items: dict[str, Any]) -> str:
        puts = [{"Put": {"TableName": self.name, "Item": item}} for item in items]
        return self._code(lambda: self.client.transact_write_items(TransactItems=puts))

    @staticmethod
    def _code(call: Callable[[], object]) -> str:
        try:
            call()
        except ClientError as error:
            reasons = [reason["Code"] for reason in error.response.get("CancellationReasons", ())]
            return " ".join([error.response["Error"]["Code"], *reasons])
        return "ok"


@pytest.fixture
def table(cloud: Cloud) -> Table:
    return Table(cloud)


def test_writes_conflict_with_a_running_transaction(cloud: Cloud, table: Table) -> None:
    with cloud.contention(transaction_seconds=0.5):
        transaction = threading.Thread(target=table.transact, args=(HELD,))
        transaction.start()
        time.sleep(0.2)
        assert table.put(HELD) == "TransactionConflictException"
        assert table.update(HELD) == "TransactionConflictException"
        assert table.delete(HELD) == "TransactionConflictException"
        assert table.transact(FREE, HELD) == "TransactionCanceledException None TransactionConflict"
        assert table.put(FREE) == "ok"
        assert table.client.get_item(TableName=table.name, Key=HELD)["Item"] == HELD
        transaction.join()
        assert table.update(HELD) == "ok"


def test_partition_key_takes_a_number_of_write_units_per_second(cloud: Cloud, table: Table) -> None:
    with cloud.contention(write_units=5):
        started = time.monotonic()
        large = {**HELD, "v": {"S": "x" * 3_500}}  # 4 units
        assert [table.put(large) for _ in range(3)] == ["ok", "ok", "ThrottlingException"]
        assert table.transact(FREE, HELD) == "TransactionCanceledException None ThrottlingError"
        assert table.put(FREE) == "ok"
        while table.update(HELD) != "ok":
            time.sleep(0.05)
        assert time.monotonic() - started > 0.5
    assert {table.put(FREE) for _ in range(20)} == {"ok"}


def test_transaction_costs_twice_the_write_units(cloud: Cloud, table: Table) -> None:
    with cloud.contention(write_units=2):
        assert [table.put(FREE) for _ in range(4)] == ["ok", "ok", "ok", "ThrottlingException"]
        cancelled = "TransactionCanceledException ThrottlingError"
        assert [table.transact(HELD) for _ in range(3)] == ["ok", "ok", cancelled]
