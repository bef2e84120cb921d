"""KMS keys that a stack creates if the environment names none and an AWS managed key does not work."""

from __future__ import annotations

import json

from constructs_lib.aws import Construct, Fn, KmsKey, addressed
from constructs_lib.permissions import Statement


def account_in(arn: str) -> str:
    """Account id from `arn`, a reference: no lookup at plan time."""
    account: str = Fn.element(Fn.split(":", arn), 4)
    return account


def own_key(scope: Construct, name: str, *, description: str, account: str, partition: str, user: Statement) -> str:
    """ARN of a new key with rotation. The account administers it; the statement `user` lets a service use it."""
    owner = {
        "Sid": "Administer",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    key = KmsKey(
        scope,
        "key",
        description=description,
        enable_key_rotation=True,
        deletion_window_in_days=7,
        policy=json.dumps({"Version": "2012-10-17", "Statement": [owner, user]}),
    )
    return addressed(name, key).arn
