"""`tollgate kms-policy`: the key policy of the environment's KMS key."""

from __future__ import annotations

import json
import sys

import typer

from admin.errors import ConfigurationError, RefusedError
from admin.session import session_of


def kms_policy(context: typer.Context) -> None:
    """Print the key policy that gateway.kms_key_arn needs.

    The JSON document depends on the environment file alone; no service is called. It replaces the key's policy: if
    several environments share a key, merge their statements. IAM policies decide who uses the key through the services
    of the stack. Deploying needs kms:CreateGrant, kms:DescribeKey, kms:Encrypt, kms:Decrypt and kms:GenerateDataKey.

    Examples:
      tollgate --env prod kms-policy > policy.json
      aws kms put-key-policy --key-id KEY_ARN --policy-name default --policy file://policy.json
    """
    from constructs_lib.kms_policy import key_policy
    from constructs_lib.settings import EnvironmentErrors, load

    session = session_of(context)
    file = session.files / f"{session.environment}.toml"
    try:
        policy = key_policy(load(file))
    except FileNotFoundError:
        raise ConfigurationError(f"no environment file {file}; pass another --env or --environments.") from None
    except EnvironmentErrors as errors:
        raise ConfigurationError(str(errors)) from None
    if policy is None:
        raise RefusedError(
            f"{file} names no KMS key, so AWS's own keys encrypt the data. To use a key of yours: create it, set "
            "gateway.kms_key_arn to its ARN, and run this command again before you deploy."
        )
    sys.stdout.write(f"{json.dumps(policy, indent=2)}\n")
