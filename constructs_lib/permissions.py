"""IAM policy documents as plain JSON: one statement per thing a role may do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

Statement = dict[str, object]

XRAY_ACTIONS: Final = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")


def allow(name: str, actions: Iterable[str], resources: Iterable[str]) -> Statement:
    """Allow `actions` on `resources`; `name` says what for."""
    return {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def traces() -> Statement:
    """X-Ray's actions know no resources: the one place where `*` stands."""
    return allow("SendTraces", XRAY_ACTIONS, ["*"])


def use_key(arn: str) -> Statement:
    """What a caller of encrypted tables, secrets and topics needs of their KMS key."""
    return allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], [arn])


def document(statements: Sequence[Statement]) -> str:
    """A policy document of `statements`."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusted_by(service: str) -> str:
    """A trust policy: `service`, such as lambda.amazonaws.com, may assume the role."""
    return document([{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}])
