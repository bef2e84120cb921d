"""Terraform as a user who has the policies of `tollgate deployer-policy` and nothing else."""

from __future__ import annotations

import json
from typing import Any, Final

from constructs_lib.deployer_policy import deployer_policies
from local.deployment import Deployment

_MISTAKEN: Final = {"Sid": "Mistaken", "Effect": "Allow", "Action": "lambda:ListEventSourceMappings", "Resource": "*"}
"""MiniStack takes GetEventSourceMapping for this action."""


def use_deployer(deployment: Deployment) -> None:
    """Let Terraform sign the synthesized stack's requests with the key of a new user.

    The embedded cloud evaluates the policies' actions. It does not know the resources of many requests, so these and
    conditions are those of the tests of the policies.
    """
    document = json.loads((deployment.stack / "cdk.tf.json").read_text())
    iam = deployment.cloud.client("iam")
    iam.create_user(UserName="deployer")
    for number, policy in enumerate(deployer_policies(document, deployment.environment)):
        text = json.dumps({**policy, "Statement": [*map(_everywhere, policy["Statement"]), _MISTAKEN]})
        arn = iam.create_policy(PolicyName=f"deployer-{number}", PolicyDocument=text)["Policy"]["Arn"]
        iam.attach_user_policy(UserName="deployer", PolicyArn=arn)
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    signed = {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}
    (deployment.stack / "deployer_override.tf.json").write_text(json.dumps({"provider": {"aws": [signed]}}))


def _everywhere(statement: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != "Condition"} | {"Resource": "*"}
