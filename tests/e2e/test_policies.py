"""The stack's two policies are enough for the command, and no more: tried by users who have nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from lambda_src.contract import MODELS_PK, PK, SK
from tests.e2e.command import Command
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def _user(system: System, command: Command, policy: str) -> Iterator[Command]:
    """The command in the hands of a user with one policy, who is gone before the policy has to go."""
    iam, arn = system.cloud.client("iam"), str(system.outputs[f"{policy}_policy_arn"])
    name = f"policies-{policy}"
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    signed = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    yield dataclasses.replace(command, variables={**command.variables, **signed})
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    iam.delete_user(UserName=name)


@pytest.fixture(scope="module")
def viewer(system: System, tollgate: Command) -> Iterator[Command]:
    yield from _user(system, tollgate, "viewer")


@pytest.fixture(scope="module")
def operator(system: System, tollgate: Command) -> Iterator[Command]:
    yield from _user(system, tollgate, "operator")


@pytest.mark.parametrize(
    "line",
    [
        "audit",
        "budgets forecast",
        "budgets show",
        "consumers show alpha",
        "keys list",
        "keys show alpha/default",
        "logs errors",
        "logs query top-consumers",
        "open",
    ],
)
def test_a_viewer_looks(viewer: Command, line: str) -> None:
    viewer.here(*line.split())


@pytest.mark.parametrize(
    ("line", "denied"),
    [
        ("keys issue alpha --label policies", "apigateway:GET on resource: arn:aws:apigateway:eu-west-1::/apikeys"),
        ("consumers pause retired", "dynamodb:PutItem on resource: arn:aws:dynamodb:eu-west-1:000000000000:table/"),
        ("budgets raise alpha --usd 1 --until 7d --per month", "dynamodb:PutItem on resource: arn:aws:dynamodb:"),
        ("providers secret set openai", "secretsmanager:PutSecretValue on resource: arn:aws:secretsmanager:"),
    ],
)
def test_a_viewer_changes_nothing_and_sees_no_value(viewer: Command, line: str, denied: str) -> None:
    said = viewer.here("--yes", *line.split(), stdin="sk-never-set", accepted=254)
    assert f"user/policies-viewer is not authorized to perform: {denied}" in said.err


def test_an_operator_works_under_their_own_name(operator: Command, system: System) -> None:
    issued = operator.here("--output", "json", "keys", "issue", "alpha", "--label", "policies").json
    rotated = operator.here("--output", "json", "--yes", "keys", "rotate", issued["key_id"]).json
    ids = (issued["key_id"], rotated["key_id"])
    for line in (
        f"keys show {ids[0]}",
        f"keys disable {ids[1]}",
        f"keys enable {ids[1]}",
        f"keys revoke {ids[0]}",
        f"keys revoke {ids[1]}",
        "consumers pause retired",
        "consumers resume retired",
        "budgets raise alpha --usd 1 --until 7d --per month",
        "budgets raise alpha --clear",
    ):
        operator.here("--yes", *line.split())
    rows = operator.here("--output", "json", "audit", "--by", "policies-operator").json
    assert {row["by"] for row in rows} == {"arn:aws:iam::000000000000:user/policies-operator"}
    assert {row["action"] for row in rows} >= {"keys.issue", "keys.rotate", "keys.revoke", "consumers.pause"}
    # Terraform does not know the keys that operators make.
    gateway = system.cloud.client("apigateway")
    for key in gateway.get_api_keys(nameQuery="tollgate-e2e-alpha-policies")["items"]:
        gateway.delete_api_key(apiKey=key["id"])


def test_an_operator_changes_neither_plans_nor_models(operator: Command, system: System) -> None:
    signed = {
        "aws_access_key_id": operator.variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": operator.variables["AWS_SECRET_ACCESS_KEY"],
    }
    plan = next(iter(system.outputs["plan_ids"].values()))
    with pytest.raises(ClientError, match="apigateway:PATCH"):
        system.cloud.client("apigateway", **signed).update_usage_plan(usagePlanId=plan)
    with pytest.raises(ClientError, match="dynamodb:PutItem"):
        system.cloud.client("dynamodb", **signed).put_item(
            TableName=system.outputs["table"], Item={PK: {"S": MODELS_PK}, SK: {"S": "free"}}
        )
