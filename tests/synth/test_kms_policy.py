"""The key policy of `tollgate kms-policy` covers everything in the stack that the key encrypts, and nothing else."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.kms_policy import key_policy
from tests.e2e.command import Command
from tests.synth.reading import CHECKOUT, ENVIRONMENTS, Synthesized, synthesize

SERVICES = {
    "aws_dynamodb_table": "dynamodb",
    "aws_lambda_function": "lambda",
    "aws_secretsmanager_secret": "secretsmanager",
}


def statements_of(stack: Synthesized) -> dict[str, dict[str, Any]]:
    policy: Any = key_policy(stack.environment)
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def with_key(stack: Synthesized) -> dict[str, dict[str, dict[str, Any]]]:
    """Resources that name the key, by type and name. IAM policies name it to allow its use."""
    key = str(stack.environment.gateway.kms_key_arn)
    found = {
        resource_type: {name: resource for name, resource in resources.items() if key in json.dumps(resource)}
        for resource_type, resources in stack.json["resource"].items()
        if not resource_type.startswith("aws_iam_")
    }
    return {resource_type: resources for resource_type, resources in found.items() if resources}


@pytest.fixture(params=["full", "prod"])
def stack(request: pytest.FixtureRequest, full: Synthesized, shipped: dict[str, Synthesized]) -> Synthesized:
    """Environments with a KMS key."""
    return full if request.param == "full" else shipped["prod"]


def test_log_groups_are_covered_exactly(stack: Synthesized) -> None:
    """CloudWatch Logs rejects a log group whose ARN the policy does not allow, in the middle of an apply."""
    statement, aws = statements_of(stack)["LetLogsEncrypt"], stack.environment.aws
    assert statement["Principal"] == {"Service": f"logs.{aws.region}.amazonaws.com"}
    patterns = statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    names = {
        re.sub(r"\$\{[^}]*\}", "a1b2c3", group["name"])
        for group in with_key(stack)["aws_cloudwatch_log_group"].values()
    }
    arns = {f"arn:aws:logs:{aws.region}:111122223333:log-group:{name}" for name in names}
    assert len(arns) == len(patterns) == len(stack.all("aws_cloudwatch_log_group"))
    for arn in arns:
        assert sum(fnmatchcase(arn, pattern) for pattern in patterns) == 1, arn


def test_services_are_those_of_the_resources_that_name_the_key(stack: Synthesized) -> None:
    """A new kind of resource with the key needs a statement here."""
    statements, region = statements_of(stack), stack.environment.aws.region
    types = with_key(stack).keys() - {"aws_cloudwatch_log_group", "aws_sns_topic"}
    assert types == SERVICES.keys()
    via = {f"{name}.{region}.amazonaws.com" for name in (*SERVICES.values(), "sns")}
    for sid in ("UseThroughServices", "CreateGrants"):
        assert set(statements[sid]["Condition"]["StringEquals"]["kms:ViaService"]) == via
    assert statements["CreateGrants"]["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
    assert statements["LetAlarmsPublish"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}


def test_the_account_can_still_manage_the_key(stack: Synthesized) -> None:
    """KMS rejects a policy that locks out its author; a key that nobody can manage only AWS Support can recover."""
    manage = statements_of(stack)["Manage"]
    assert manage["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert {"kms:Put*", "kms:Create*", "kms:ScheduleKeyDeletion"} <= set(manage["Action"])
    assert not [action for action in manage["Action"] if re.match("kms:(.*crypt|Generate|Sign)", action)]


def test_state_bucket_with_the_same_key(tmp_path: Path) -> None:
    text = (
        (ENVIRONMENTS / "full.toml")
        .read_text()
        .replace("eu-north-1:111122223333:key/state", "eu-west-3:111122223333:key/main")
    )
    (tmp_path / "full.toml").write_text(text)
    via = statements_of(synthesize(tmp_path / "full.toml", tmp_path / "out"))["UseThroughServices"]
    assert "s3.eu-west-3.amazonaws.com" in str(via)


def test_command_prints_the_policy_without_aws(stack: Synthesized, tmp_path: Path) -> None:
    folder = ENVIRONMENTS if stack.environment.name == "full" else CHECKOUT / "environments"
    command = Command(
        {"TOLLGATE_ENV": stack.environment.name, "TOLLGATE_ENVIRONMENTS": str(folder), "HOME": str(tmp_path)}
    )
    assert json.loads(command.here("kms-policy").out) == key_policy(stack.environment)


def test_command_without_a_key(tmp_path: Path) -> None:
    command = Command({"TOLLGATE_ENV": "bare", "TOLLGATE_ENVIRONMENTS": str(ENVIRONMENTS), "HOME": str(tmp_path)})
    assert "set gateway.kms_key_arn" in command.here("kms-policy", accepted=1).err
