"""The DynamoDB behaviour that the ledger relies on: conditions, transactions, the sparse index and write units."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud.client import Cloud

KEY = {"pk": {"S": "ACCOUNT#acme"}, "sk": {"S": "ACCOUNT"}}
RESERVE = "SET committed = if_not_exists(committed, :zero) + :hold"
FITS = "attribute_not_exists(committed) OR committed <= :room"


@pytest.fixture(scope="module")
def client(cloud: Cloud) -> Any:
    return cloud.client("dynamodb", config=Config(max_pool_connections=40, retries={"max_attempts": 0}))


@pytest.fixture
def table(client: Any) -> str:
    name = f"ledger-{uuid.uuid4().hex[:8]}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "account")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "accounts",
                "KeySchema": [
                    {"AttributeName": "account", "KeyType": "HASH"},
                    {"AttributeName": "pk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    return name


def reserve(client: Any, table: str, hold: int, limit: int) -> dict[str, Any] | None:
    """A conditional update: the new item, or None if the item in the error has too little room."""
    values = {":zero": {"N": "0"}, ":hold": {"N": str(hold)}, ":room": {"N": str(limit - hold)}}
    try:
        answer: dict[str, Any] = client.update_item(
            TableName=table,
            Key=KEY,
            UpdateExpression=RESERVE,
            ConditionExpression=FITS,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        fits = int(error.response["Item"]["committed"]["N"]) <= limit - hold
        return {"committed": {"N": "rejected although it fits"}} if fits else None
    attributes: dict[str, Any] = answer["Attributes"]
    return attributes


def test_concurrent_reservations_never_exceed_the_limit(client: Any, table: str) -> None:
    with ThreadPoolExecutor(40) as pool:
        reserved = list(pool.map(lambda _: reserve(client, table, 7, 100), range(200)))
    committed = sorted(int(item["committed"]["N"]) for item in reserved if item is not None)
    assert committed == [7 * n for n in range(1, 15)]


def test_cancelled_transaction_has_a_reason_for_each_item(client: Any, table: str) -> None:
    client.put_item(TableName=table, Item={**KEY, "committed": {"N": "5"}})
    row = {"pk": {"S": "USAGE#acme"}, "sk": {"S": "1"}}
    put = {"Put": {"TableName": table, "Item": row, "ConditionExpression": "attribute_not_exists(pk)"}}
    release = {
        "Update": {
            "TableName": table,
            "Key": KEY,
            "UpdateExpression": "SET committed = committed - :hold",
            "ConditionExpression": "committed >= :hold",
            "ExpressionAttributeValues": {":hold": {"N": "5"}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    client.transact_write_items(TransactItems=[put, release])
    with pytest.raises(ClientError) as cancelled:
        client.transact_write_items(TransactItems=[put, release])
    reasons = cancelled.value.response["CancellationReasons"]
    assert cancelled.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert [reason["Code"] for reason in reasons] == ["ConditionalCheckFailed", "ConditionalCheckFailed"]
    assert reasons[1]["Item"]["committed"] == {"N": "0"}
    assert "Item" not in reasons[0]


def test_cancelled_transaction_changes_nothing(client: Any, table: str) -> None:
    first = {"Put": {"TableName": table, "Item": {"pk": {"S": "a"}, "sk": {"S": "a"}}}}
    second = {
        "ConditionCheck": {"TableName": table, "Key": KEY, "ConditionExpression": "attribute_exists(pk)"},
    }
    with pytest.raises(ClientError, match=r"\[None, ConditionalCheckFailed\]"):
        client.transact_write_items(TransactItems=[first, second])
    assert client.scan(TableName=table)["Count"] == 0


def test_sparse_index_has_only_the_keys_of_account_items(client: Any, table: str) -> None:
    client.put_item(TableName=table, Item={**KEY, "account": {"S": "ACCOUNT"}, "committed": {"N": "5"}})
    client.put_item(TableName=table, Item={"pk": {"S": "USAGE#acme"}, "sk": {"S": "1"}})
    found = client.query(
        TableName=table,
        IndexName="accounts",
        KeyConditionExpression="account = :all",
        ExpressionAttributeValues={":all": {"S": "ACCOUNT"}},
    )["Items"]
    assert found == [{**KEY, "account": {"S": "ACCOUNT"}}]


@pytest.mark.parametrize(("bytes_of_value", "units"), [(10, 1.0), (900, 1.0), (1_024, 2.0), (3_000, 3.0), (5_000, 5.0)])
def test_write_costs_a_unit_per_started_kilobyte(client: Any, table: str, bytes_of_value: int, units: float) -> None:
    item = {**KEY, "v": {"S": "x" * (bytes_of_value - len("v"))}}
    put = client.put_item(TableName=table, Item=item, ReturnConsumedCapacity="TOTAL")
    update = client.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET w = :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnConsumedCapacity="TOTAL",
    )
    assert put["ConsumedCapacity"]["CapacityUnits"] == units
    assert update["ConsumedCapacity"]["CapacityUnits"] == units


def test_transaction_costs_twice_and_an_index_once_more(client: Any, table: str) -> None:
    account = {**KEY, "account": {"S": "ACCOUNT"}}
    first = client.put_item(TableName=table, Item=account, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert (first["CapacityUnits"], first["GlobalSecondaryIndexes"]["accounts"]["CapacityUnits"]) == (2.0, 1.0)
    update = {
        "TableName": table,
        "Key": KEY,
        "UpdateExpression": "SET v = :v",
        "ExpressionAttributeValues": {":v": {"S": "x" * 2_500}},
    }
    row = {"TableName": table, "Item": {"pk": {"S": "USAGE#acme"}, "sk": {"S": "1"}}}
    (cost,) = client.transact_write_items(
        TransactItems=[{"Put": row}, {"Update": update}], ReturnConsumedCapacity="TOTAL"
    )["ConsumedCapacity"]
    # 1 KB and 3 KB, twice each. The index costs nothing: the account's keys do not change.
    assert cost["CapacityUnits"] == 8.0
