"""The roles of the gateway, the aggregator and the sweeper: their code may do what it does, and write nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lambda_src.aggregator import Aggregator
from lambda_src.contract import (
    EXCEEDED_PK,
    MODELS_PK,
    Config,
    audit_pk,
    consumer_pk,
    event_pk,
    key_pk,
    rollup_pk,
    seen_pk,
    usage_pk,
)
from lambda_src.core.account import Hold
from lambda_src.core.budget_use import BudgetEvent, due_events
from lambda_src.core.policy import Budget, Policy
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.budget_events import BudgetNotifier
from lambda_src.edges.ledger import Ledger
from lambda_src.edges.source_addresses import AddressCounter
from local.cloud.client import Cloud
from tests.e2e.conftest import System
from tests.e2e.test_least_privilege import denied, everything
from tests.stream import is_passed_on

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def credentials_of_role(cloud: Cloud, function: str) -> Iterator[dict[str, str]]:
    """Environment of a function, with the key of a user who has the policy of the function's role."""
    iam, name = cloud.client("iam"), f"tollgate-e2e-{function}"
    document = iam.get_role_policy(RoleName=name, PolicyName="least-privilege")["PolicyDocument"]
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="role", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    yield {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_REGION": cloud.region,
        "AWS_ENDPOINT_URL": cloud.endpoint,
    }
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="role")
    iam.delete_user(UserName=name)


@pytest.fixture(scope="module")
def gateway(system: System) -> Iterator[dict[str, str]]:
    yield from credentials_of_role(system.cloud, "gateway")


@pytest.fixture(scope="module")
def aggregator(system: System) -> Iterator[dict[str, str]]:
    yield from credentials_of_role(system.cloud, "aggregator")


@pytest.fixture(scope="module")
def sweeper(system: System) -> Iterator[dict[str, str]]:
    yield from credentials_of_role(system.cloud, "sweeper")


FOREIGN = [key_pk("x"), consumer_pk("alpha"), MODELS_PK, audit_pk("2026-11")]
OF_OTHERS = {
    "gateway": [event_pk("alpha"), rollup_pk("alpha")],
    "aggregator": [usage_pk("alpha", "2026-11-26", 0), seen_pk("x"), EXCEEDED_PK],
    "sweeper": [rollup_pk("alpha"), seen_pk("x"), EXCEEDED_PK],
}
"""Partitions of the ledger that another function writes."""


@pytest.mark.parametrize("function", OF_OTHERS)
def test_functions_write_only_their_own_partitions(
    system: System, request: pytest.FixtureRequest, function: str
) -> None:
    """Code execution in a function changes no policy, key, price or audit row."""
    environ, table = request.getfixturevalue(function), system.outputs["table"]
    key = {"aws_access_key_id": environ["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"]}
    dynamodb, before = system.cloud.client("dynamodb", **key), everything(system)
    for partition in FOREIGN + OF_OTHERS[function]:
        item = {"pk": {"S": partition}, "sk": {"S": "POLICY"}}
        put: dict[str, Any] = {"TableName": table, "Item": item}
        update = {"TableName": table, "Key": item, "UpdateExpression": "SET a = :a"}
        update["ExpressionAttributeValues"] = {":a": {"S": "a"}}
        denied(dynamodb, "put_item", put)
        denied(dynamodb, "update_item", update)
        denied(dynamodb, "delete_item", {"TableName": table, "Key": item})
        for write in ({"Put": put}, {"Update": update}):
            denied(dynamodb, "transact_write_items", {"TransactItems": [write]})
    assert everything(system) == before


@pytest.fixture
def consumer(system: System) -> Iterator[str]:
    """A consumer without a policy, whose items are deleted afterwards."""
    yield "privilege"
    dynamodb = system.cloud.client("dynamodb")
    for item in everything(system):
        if "privilege" in item["pk"]["S"] + item["sk"]["S"]:
            dynamodb.delete_item(TableName=system.outputs["table"], Key={name: item[name] for name in ("pk", "sk")})


def records_of(system: System, environ: dict[str, str]) -> Iterator[dict[str, Any]]:
    """All records of the table's stream, read as Lambda reads them for a function with `environ`."""
    key = {"aws_access_key_id": environ["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"]}
    table = system.cloud.client("dynamodb").describe_table(TableName=system.outputs["table"])["Table"]
    streams, arn = system.cloud.client("dynamodbstreams", **key), table["LatestStreamArn"]
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while (page := streams.get_records(ShardIterator=iterator))["Records"]:
            yield from ({**record, "eventSourceARN": arn} for record in page["Records"])
            iterator = page["NextShardIterator"]


def test_functions_may_do_what_their_code_does(
    system: System, gateway: dict[str, str], aggregator: dict[str, str], sweeper: dict[str, str], consumer: str
) -> None:
    """The embedded cloud runs functions as root. This test runs their code with the policies of their roles."""
    deadline, now, table = time.monotonic() + 60, int(time.time()), str(system.outputs["table"])
    policy = Policy(
        consumer=consumer, plan="p", models=frozenset({"*"}), budgets=(Budget(10_000_000, "day"),), thresholds=(5,)
    )
    hold = Hold(request_id="privilege-1", amount=600_000, deadline=now - 1, at_ms=now * 1000, tokens=10)
    record = UsageRecord(
        request_id=hold.request_id, at_ms=hold.at_ms, environment="e2e", consumer=consumer, key_id="key", model="m",
        status=200, settlement="settled", tokens=Tokens(input=10), cost_nano_usd=600_000, held_nano_usd=hold.amount,
        output_over_maximum=1,
    )  # fmt: skip

    def ledger_of(environ: dict[str, str]) -> tuple[AwsClient, Ledger]:
        aws = AwsClient(environ)
        return aws, Ledger(aws, table, "e2e", 1)

    _, ledger = ledger_of(gateway)
    swept_by, swept = ledger_of(sweeper)
    ledger.reserve(hold, consumer, policy, deadline)
    ledger.open(record, hold, deadline)
    (row,) = swept.bucket_rows(consumer, hold.bucket, deadline)
    lapsed = swept.lapse(row, deadline)
    assert lapsed is not None
    assert lapsed.settlement == "unsettled"
    assert ledger.settle(record, deadline) == "corrected"
    other, settled = replace(hold, request_id="privilege-2"), replace(record, request_id="privilege-2", cost_nano_usd=1)
    ledger.reserve(other, consumer, policy, deadline)
    ledger.open(settled, other, deadline)
    assert ledger.settle(settled, deadline) == "settled"
    ledger.reserve(replace(hold, request_id="privilege-3"), consumer, policy, deadline)
    refused = replace(record, request_id="privilege-3", settlement="refused", cost_nano_usd=0)
    assert ledger.withdraw(refused, deadline) == "settled"
    unbilled = replace(refused, request_id="privilege-4", held_nano_usd=0)
    assert ledger.book_unbilled(unbilled, deadline) == "settled"
    ledger.count_request(consumer, 1_000, hold.at_ms, deadline)
    ledger.hold_in_full(replace(record, model="privilege"), deadline)
    assert AddressCounter(ledger, "e2e", time.time).count("privilege", "192.0.2.1", deadline) == 1

    books, booked = ledger_of(aggregator)
    records = [change for change in records_of(system, aggregator) if is_passed_on(change)]
    own = [change for change in records if f"#{consumer}#" in change["dynamodb"]["Keys"]["pk"]["S"]]
    assert len(own) == 5, "lapsed, settled late, settled, withdrawn, not billed"
    Aggregator(Config(environment="e2e", table=table, providers={}), books, booked).run(own, deadline)
    (rollup,) = ledger.query_partition(rollup_pk(consumer), deadline)
    assert rollup["requests"] == 4

    def events() -> Iterator[BudgetEvent]:
        return due_events("e2e", policy, ledger.account(consumer, deadline), hold.at_ms)

    assert BudgetNotifier(books, booked, None).publish_new(events(), deadline)
    swept.now = lambda: time.time() + 3_600
    swept.set_attributes(event_pk(consumer), next(events()).sk, {"published": False}, deadline)
    assert BudgetNotifier(swept_by, swept, None).publish_pending(consumer, deadline) == 1
    assert consumer in swept.consumers(deadline)
    assert swept.close(consumer, swept.account(consumer, deadline), hold.bucket, deadline)
    swept.now = lambda: time.time() + 30 * 3_600
    swept.prune(consumer, swept.account(consumer, deadline), deadline)
    left = ledger.account(consumer, deadline).item
    assert not [name for name in left if name[:2] in ("R|", "E|", "m|", "r|")]
    assert left["s|total|all"] == left["c|total|all"] == 600_001
