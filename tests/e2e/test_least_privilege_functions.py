"""The roles of the gateway and the sweeper: their code's writes are allowed, all other writes are denied."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lambda_src.contract import MODELS_PK, audit_pk, consumer_pk, event_pk, key_pk, rollup_pk, seen_pk
from lambda_src.core.account import Hold
from lambda_src.core.policy import Budget, Policy
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.budget_events import BudgetNotifier, due_events
from lambda_src.edges.ledger import Ledger
from lambda_src.edges.source_addresses import AddressCounter
from local.cloud.client import Cloud
from tests.e2e.conftest import System
from tests.e2e.test_least_privilege import denied, everything

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
def sweeper(system: System) -> Iterator[dict[str, str]]:
    yield from credentials_of_role(system.cloud, "sweeper")


@pytest.mark.parametrize("function", ["gateway", "sweeper"])
def test_functions_write_only_their_own_partitions(
    system: System, request: pytest.FixtureRequest, function: str
) -> None:
    """Code execution in a function changes no policy, key, price or audit row."""
    environ, table = request.getfixturevalue(function), system.outputs["table"]
    key = {"aws_access_key_id": environ["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"]}
    dynamodb, before = system.cloud.client("dynamodb", **key), everything(system)
    foreign = [key_pk("x"), consumer_pk("alpha"), MODELS_PK, audit_pk("2026-11")]
    for partition in foreign + ([seen_pk("x")] if function == "sweeper" else []):
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
        if "#privilege" in item["pk"]["S"]:
            dynamodb.delete_item(TableName=system.outputs["table"], Key={name: item[name] for name in ("pk", "sk")})


def test_functions_may_write_what_their_code_writes(
    system: System, gateway: dict[str, str], sweeper: dict[str, str], consumer: str
) -> None:
    """The embedded cloud runs functions as root. This test runs their code with the policies of their roles."""
    deadline, now = time.monotonic() + 60, int(time.time())
    policy = Policy(
        consumer=consumer,
        plan="p",
        models=frozenset({"*"}),
        budgets=(Budget(10_000_000, "day"),),
        thresholds=(5,),
    )
    hold = Hold(
        request_id="privilege-1", amount=600_000, deadline=now - 1, at_ms=now * 1000, tokens=10, key_id="key",
        route="chat", provider="openai", model="m", price_version="v",
    )  # fmt: skip
    record = UsageRecord(
        request_id=hold.request_id, at_ms=hold.at_ms, environment="e2e", consumer=consumer, key_id="key", model="m",
        status=200, settlement="settled", tokens=Tokens(input=10), cost_nano_usd=600_000,
    )  # fmt: skip

    def ledger_of(environ: dict[str, str]) -> tuple[AwsClient, Ledger]:
        aws = AwsClient(environ)
        return aws, Ledger(aws, system.outputs["table"], "e2e", 1)

    aws, ledger = ledger_of(gateway)
    ledger.reserve(hold, consumer, policy, deadline)
    swept_by, swept = ledger_of(sweeper)
    assert [row and row.settlement for row in swept.sweep(consumer, swept.account(consumer, deadline), deadline)] == [
        "unsettled"
    ]
    assert ledger.settle(record, hold, (), deadline) == "corrected"
    other = replace(hold, request_id="privilege-2")
    ledger.reserve(other, consumer, policy, deadline)
    assert ledger.settle(replace(record, request_id="privilege-2", cost_nano_usd=1), other, (), deadline) == "settled"
    refused = replace(record, request_id="privilege-3", settlement="refused", cost_nano_usd=0)
    assert ledger.withdraw(refused, replace(hold, request_id="privilege-3"), deadline) == "settled"
    assert AddressCounter(ledger, "e2e", time.time).count("privilege", "192.0.2.1", deadline) == 1

    def events() -> Any:
        return due_events("e2e", policy, ledger.account(consumer, deadline), hold.at_ms)

    assert BudgetNotifier(aws, ledger, None).publish_new(events(), deadline)
    swept.now = lambda: time.time() + 3_600
    swept.set_attributes(event_pk(consumer), next(events()).sk, {"published": False}, deadline)
    assert BudgetNotifier(swept_by, swept, None).publish_pending(consumer, deadline) == 1
    assert consumer in swept.consumers(deadline)
    assert rollup_pk(consumer) in {item["pk"]["S"] for item in everything(system)}
