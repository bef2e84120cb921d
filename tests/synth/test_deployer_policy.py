"""IAM policies for deployers: every resource of every environment, within IAM's limits."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

import pytest

from admin.cli import run
from constructs_lib.deployer_policy import MAX_CHARACTERS, UnknownTypeError, deployer_policies
from tests.synth.reading import Synthesized


def statements(stack: Synthesized) -> dict[str, dict[str, Any]]:
    """All statements by their ids."""
    policies = deployer_policies(stack.json, stack.environment.name)
    found = [statement for policy in policies for statement in policy["Statement"]]
    result = {statement["Sid"]: statement for statement in found}
    assert len(result) == len(found), "IAM rejects a policy with an id twice"
    return result


def test_each_policy_fits_into_a_managed_policy(every: list[Synthesized]) -> None:
    """IAM would reject it, and a role has at most ten."""
    for stack in every:
        policies = deployer_policies(stack.json, stack.environment.name)
        assert 0 < len(policies) <= 3
        for policy in policies:
            assert len(json.dumps(policy, separators=(",", ":"))) <= MAX_CHARACTERS
            assert all(statement["Resource"] for statement in policy["Statement"])
            assert all(statement["Sid"].isalnum() for statement in policy["Statement"])


def test_the_resources_names_match(full: Synthesized) -> None:
    """A name outside its pattern would fail in the middle of an apply."""
    allowed = statements(full)
    names = {
        "LambdaFunctions": ("aws_lambda_function", "function_name", "arn:aws:lambda:r:1:function:"),
        "IamRoles": ("aws_iam_role", "name", "arn:aws:iam::1:role/"),
        "IamPolicies": ("aws_iam_policy", "name", "arn:aws:iam::1:policy/"),
        "DynamodbTable": ("aws_dynamodb_table", "name", "arn:aws:dynamodb:r:1:table/"),
        "CloudwatchAlarms": ("aws_cloudwatch_metric_alarm", "alarm_name", "arn:aws:cloudwatch:r:1:alarm:"),
        "CloudwatchDashboard": ("aws_cloudwatch_dashboard", "dashboard_name", "arn:aws:cloudwatch::1:dashboard/"),
        "CloudwatchInsightRules": (
            "aws_cloudwatch_contributor_insight_rule", "rule_name", "arn:aws:cloudwatch:r:1:insight-rule/",
        ),
        "EventsEventRules": ("aws_cloudwatch_event_rule", "name", "arn:aws:events:r:1:rule/"),
        "SnsTopics": ("aws_sns_topic", "name", "arn:aws:sns:r:1:"),
        "LogsLogGroups": ("aws_cloudwatch_log_group", "name", "arn:aws:logs:r:1:log-group:"),
        "SecretsmanagerSecrets": ("aws_secretsmanager_secret", "name", "arn:aws:secretsmanager:r:1:secret:"),
    }  # fmt: skip
    for sid, (kind, attribute, arn) in names.items():
        assert full.all(kind), kind
        for name, resource in full.all(kind).items():
            value = arn + resource[attribute].replace("${aws_api_gateway_rest_api.gateway.id}", "abc")
            value += "-AbCdEf" if kind == "aws_secretsmanager_secret" else ""  # Secrets Manager appends six characters
            assert any(fnmatch.fnmatch(value, pattern) for pattern in allowed[sid]["Resource"]), f"{kind}.{name}"


def test_powerful_actions_are_limited(full: Synthesized) -> None:
    """Whoever passes any role to any service has every permission of the account."""
    allowed = statements(full)
    assert allowed["PassRoles"]["Resource"] == ["arn:aws:iam::*:role/tollgate-full-*"]
    assert "lambda.amazonaws.com" in allowed["PassRoles"]["Condition"]["StringEquals"]["iam:PassedToService"]
    everywhere = {
        action for statement in allowed.values() if statement["Resource"] == ["*"] for action in statement["Action"]
    }
    changing = {action for action in everywhere if not action.split(":")[1].startswith(("Get", "List", "Describe"))}
    assert changing == {
        "chatbot:CreateMicrosoftTeamsChannelConfiguration", "chatbot:CreateSlackChannelConfiguration",
        "chatbot:DeleteMicrosoftTeamsChannelConfiguration", "chatbot:DeleteSlackChannelConfiguration",
        "chatbot:TagResource", "chatbot:UntagResource", "chatbot:UpdateMicrosoftTeamsChannelConfiguration",
        "chatbot:UpdateSlackChannelConfiguration", "lambda:CreateEventSourceMapping", "logs:DeleteQueryDefinition",
        "logs:PutQueryDefinition", "sns:SetSubscriptionAttributes", "sns:Unsubscribe",
    }  # fmt: skip
    assert not [action for statement in allowed.values() for action in statement["Action"] if action.endswith(":*")]
    (items,) = [statement for statement in allowed.values() if "dynamodb:PutItem" in statement["Action"]]
    assert items["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] == [
        "KEY#*", "CONSUMER#*", "MODELS", "NAMES",
    ]  # fmt: skip


def test_the_state_and_keys_of_yours_are_included(full: Synthesized) -> None:
    allowed = statements(full)
    backend = full.json["terraform"]["backend"]["s3"]
    assert allowed["KeepState"]["Resource"][0] == f"arn:aws:s3:::{backend['bucket']}/{backend['key']}"
    assert allowed["KeepState"]["Resource"][1].endswith(".tflock")
    assert allowed["UseKeys"]["Resource"] == [full.environment.gateway.kms_key_arn]


def test_own_resources_are_refused(full: Synthesized) -> None:
    document = {"resource": {**full.json["resource"], "aws_sqs_queue": {"own": {}}}}
    with pytest.raises(UnknownTypeError, match="aws_sqs_queue"):
        deployer_policies(document, "full")


def test_the_command_writes_the_policies(full: Synthesized, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = str(full.folder / "cdk.tf.json")
    assert run(["--env", "full", "deployer-policy", str(tmp_path / "new"), "--stack", stack]) == 0
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names[0] == "tollgate-full-deployer-1.json"
    assert "aws iam create-policy --policy-name tollgate-full-deployer-1" in capsys.readouterr().err
    assert run(["--env", "full", "deployer-policy", str(tmp_path), "--stack", str(tmp_path / "none")]) == 1
    assert "make synth" in capsys.readouterr().err
    (tmp_path / "list.json").write_text("[]")
    assert run(["--env", "full", "deployer-policy", str(tmp_path), "--stack", str(tmp_path / "list.json")]) == 2
