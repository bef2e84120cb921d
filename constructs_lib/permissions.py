"""IAM policy documents as plain JSON: one statement per purpose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

Statement = dict[str, object]

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


def use_key(arn: str) -> Statement:
    """Use of the KMS key that encrypts tables, secrets and topics."""
    return allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], [arn])


def document(statements: Sequence[Statement]) -> str:
    """A policy document with `statements`."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusted_by(service: str) -> str:
    """A trust policy that lets `service`, such as lambda.amazonaws.com, assume the role."""
    return document([{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}])
