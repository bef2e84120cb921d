"""The key policy that `gateway.kms_key_arn` needs; `tollgate kms-policy` prints it. It depends on the file alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from constructs_lib.permissions import Statement
from constructs_lib.settings import Environment
from constructs_lib.settings.platform import AwsSettings
from lambda_src.resource_names import log_group

_MANAGE: Final = [
    *(
        f"kms:{verb}*"
        for verb in ["Create", "Delete", "Describe", "Disable", "Enable", "Get", "List", "Put", "Revoke", "Update"]
    ),
    "kms:TagResource",
    "kms:UntagResource",
    "kms:ScheduleKeyDeletion",
    "kms:CancelKeyDeletion",
]
"""AWS's list for key administrators (docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html)."""
_USE: Final = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
_SERVICES: Final = ("dynamodb", "lambda", "secretsmanager", "sns")
"""Services that use the key with the permissions of their callers: the functions' roles, operators, and the deployer,
who also creates the grants of the table and the functions."""


def key_policy(environment: Environment) -> dict[str, object] | None:
    """The key policy as a document, or None if the environment names no key.

    The account is that of the key's ARN. IAM policies of the account decide who manages the key, and who uses it
    through the services of the stack.
    """
    key, aws = environment.gateway.kms_key_arn, environment.aws
    if key is None:
        return None
    account = key.split(":")[4]
    services = [*_SERVICES, *(["s3"] if aws.backend.kms_key_arn == key else [])]
    through_services = {"StringEquals": {"kms:ViaService": [f"{name}.{aws.region}.{aws.domain}" for name in services]}}
    grants = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    administrators = {"AWS": f"arn:{aws.partition}:iam::{account}:root"}
    groups = [f"arn:{aws.partition}:logs:{aws.region}:{account}:log-group:{name}" for name in log_groups(environment)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("Manage", administrators, _MANAGE),
            _statement("UseThroughServices", administrators, _USE) | {"Condition": through_services},
            _statement("CreateGrants", administrators, ["kms:CreateGrant"]) | {"Condition": through_services | grants},
            let_logs_encrypt(aws, groups),
            let_alarms_publish(),
        ],
    }


def log_groups(environment: Environment) -> list[str]:
    """Names of the stack's log groups. `*` stands for the API's id in the name that API Gateway chooses."""
    name = environment.name
    groups = [
        log_group(name, "usage"),
        log_group(name, "aggregator"),
        log_group(name, "sweeper"),
        log_group(name, "access"),
    ]
    groups += [log_group(name, "authorizer")] if environment.gateway.bearer else []
    groups += [log_group(name, "prompts")] if environment.logs_prompts() else []
    functions = (environment.first_name("functions", function) for function in environment.functions)
    groups += [function_log_group(name, function) for function in functions]
    return [*groups, execution_log_group("*", environment.gateway.stage)]


def function_log_group(environment: str, function: str) -> str:
    """Log group of a custom function."""
    return f"/tollgate/{environment}/functions/{function}"


def execution_log_group(api_id: str, stage: str) -> str:
    """Log group of API Gateway's own errors, whose name is given
    (docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html)."""
    return f"API-Gateway-Execution-Logs_{api_id}/{stage}"


def let_logs_encrypt(aws: AwsSettings, group_arns: Iterable[str]) -> Statement:
    """CloudWatch Logs encrypts these log groups (docs.aws.amazon.com/AmazonCloudWatch/latest/logs/
    encrypt-log-data-kms.html)."""
    actions = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    condition = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": list(group_arns)}}
    principal = {"Service": f"logs.{aws.region}.{aws.domain}"}
    return _statement("LetLogsEncrypt", principal, actions) | {"Condition": condition}


def let_alarms_publish() -> Statement:
    """CloudWatch alarms publish to an encrypted topic (docs.aws.amazon.com/sns/latest/dg/sns-key-management.html)."""
    return _statement(
        "LetAlarmsPublish", {"Service": "cloudwatch.amazonaws.com"}, ["kms:Decrypt", "kms:GenerateDataKey*"]
    )


def _statement(sid: str, principal: dict[str, str], actions: list[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*"}
