"""IAM policy documents as plain JSON: one statement per purpose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

Statement = dict[str, object]

NETWORK_ACTIONS: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
"""docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html"""
XRAY_ACTIONS: Final = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")


def allow(name: str, actions: Iterable[str], resources: Iterable[str]) -> Statement:
    """Allow `actions` on `resources`; `name` states the purpose."""
    return {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def in_partitions(statement: Statement, partitions: Iterable[str]) -> Statement:
    """`statement` about DynamoDB items, limited to partition keys that match one of the patterns `partitions`
    (docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html)."""
    return statement | {"Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(partitions)}}}


def traces() -> Statement:
    """Send traces. X-Ray's actions have no resource-level permissions, hence `*`."""
    return allow("SendTraces", XRAY_ACTIONS, ["*"])


def join_vpc(function_arn: str) -> list[Statement]:
    """Let Lambda attach a function to a VPC with the function's role, and deny the same to the function's code
    (docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html). Lambda checks the
    role for these actions on any resource."""
    from_code = {"Condition": {"ArnLike": {"lambda:SourceFunctionArn": [function_arn]}}}
    manage = allow("JoinVpc", NETWORK_ACTIONS, ["*"])
    return [manage, manage | {"Sid": "DenyCode", "Effect": "Deny"} | from_code]


def use_key(arn: str) -> Statement:
    """Use of the KMS key that encrypts tables, secrets and topics."""
    return allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], [arn])


def document(statements: Sequence[Statement]) -> str:
    """A policy document with `statements`."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusted_by(service: str) -> str:
    """A trust policy that lets `service`, such as lambda.amazonaws.com, assume the role."""
    return document([{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}])
