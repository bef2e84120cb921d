"""The topic that carries alarms and budget events to people."""

from __future__ import annotations

import json

from constructs_lib.aws import Construct, Fn, KmsKey, SnsTopic, SnsTopicSubscription, addressed
from constructs_lib.permissions import Statement, allow, use_key
from constructs_lib.settings import Environment


class Notifications(Construct):
    """An encrypted SNS topic with the environment's e-mail addresses.

    CloudWatch alarms may not use AWS's own key for SNS, so that a topic encrypted with it would stay silent. Without a
    key of the environment's, one is made whose policy lets them.
    """

    def __init__(self, scope: Construct, *, environment: Environment, account_of: str) -> None:
        """account_of: an ARN in the account, to know its number without asking AWS for it."""
        super().__init__(scope, "notifications")
        self._key_arn = environment.gateway.kms_key_arn or self._own_key(environment, account_of)
        self.topic = addressed(
            "alerts",
            SnsTopic(self, "topic", name=f"{environment.prefix}-alerts", kms_master_key_id=self._key_arn),
        )
        for address in environment.alerts.emails:
            subscription = SnsTopicSubscription(
                self, address, topic_arn=self.topic.arn, protocol="email", endpoint=address
            )
            addressed(_terraform_name(address), subscription)

    @property
    def arn(self) -> str:
        """ARN of the topic."""
        return self.topic.arn

    def publish(self) -> list[Statement]:
        """Permission to publish to it."""
        return [
            allow("PublishEvents", ["sns:Publish"], [self.topic.arn]),
            use_key(self._key_arn) | {"Sid": "UseTopicKey"},
        ]

    def _own_key(self, environment: Environment, account_of: str) -> str:
        account = Fn.element(Fn.split(":", account_of), 4)
        owner = {
            "Sid": "Administer",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        alarms = {
            "Sid": "LetAlarmsPublish",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
        }
        key = KmsKey(
            self,
            "key",
            description=f"Alerts of {environment.prefix}",
            enable_key_rotation=True,
            deletion_window_in_days=7,
            policy=json.dumps({"Version": "2012-10-17", "Statement": [owner, alarms]}),
        )
        return addressed("alerts", key).arn


def _terraform_name(address: str) -> str:
    return "".join(character if character.isalnum() or character == "-" else "_" for character in address)
