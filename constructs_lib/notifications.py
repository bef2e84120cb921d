"""The topic that carries alarms and budget events to people."""

from __future__ import annotations

from constructs_lib.aws import Construct, SnsTopic, SnsTopicSubscription, addressed
from constructs_lib.kms_keys import account_in, own_key
from constructs_lib.permissions import Statement, allow, use_key
from constructs_lib.settings import Environment


class Notifications(Construct):
    """An encrypted SNS topic with the environment's e-mail addresses and HTTPS endpoints.

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
        endpoints = [("email", each) for each in environment.alerts.emails]
        endpoints += [("https", each) for each in environment.alerts.https]
        for protocol, endpoint in endpoints:
            subscription = SnsTopicSubscription(
                self, endpoint, topic_arn=self.topic.arn, protocol=protocol, endpoint=endpoint
            )
            addressed(_terraform_name(endpoint), subscription)

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
        alarms: Statement = {
            "Sid": "LetAlarmsPublish",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
        }
        description = f"Alerts of {environment.prefix}"
        account, partition = account_in(account_of), environment.aws.partition
        return own_key(self, "alerts", description=description, account=account, partition=partition, user=alarms)


def _terraform_name(endpoint: str) -> str:
    return "".join(character if character.isalnum() or character == "-" else "_" for character in endpoint)
