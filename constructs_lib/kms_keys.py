"""KMS keys that a stack makes itself, where the environment names none and AWS's own will not do."""

from __future__ import annotations

import json

from constructs_lib.aws import Construct, Fn, KmsKey, addressed
from constructs_lib.permissions import Statement


def account_in(arn: str) -> str:
    """Number of the account that `arn`, a reference, is in: known without asking AWS for it."""
    account: str = Fn.element(Fn.split(":", arn), 4)
    return account


def own_key(scope: Construct, name: str, *, description: str, account: str, partition: str, user: Statement) -> str:
    """ARN of a rotated key that its account administers and that `user` lets a service use."""
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
