"""The SNS topic for alarms and budget events."""

from __future__ import annotations

from constructs_lib.aws import Construct, SnsTopic, SnsTopicSubscription, addressed
from constructs_lib.kms_keys import account_in, own_key
from constructs_lib.kms_policy import let_alarms_publish
from constructs_lib.permissions import Statement, allow, use_key
from constructs_lib.settings import Environment
from constructs_lib.settings.terraform_names import identifier


class Notifications(Construct):
    """An encrypted SNS topic, subscribed by the environment's e-mail addresses and HTTPS endpoints.

    CloudWatch alarms cannot publish to a topic that is encrypted with the AWS managed key for SNS. If the environment
    names no KMS key, the stack creates one whose policy allows it.
    """

    def __init__(self, scope: Construct, *, environment: Environment, account_of: str) -> None:
        """account_of: an ARN in the account."""
        super().__init__(scope, "notifications")
        self._key_arn = environment.gateway.kms_key_arn or self._key(environment, account_of)
        self.topic = addressed(
            "alerts",
            SnsTopic(self, "topic", name=f"{environment.prefix}-alerts", kms_master_key_id=self._key_arn),
        )
        endpoints = [("email", address) for address in environment.alerts.emails]
        endpoints += [("https", url) for url in environment.alerts.https]
        for protocol, endpoint in endpoints:
            subscription = SnsTopicSubscription(
                self, endpoint, topic_arn=self.topic.arn, protocol=protocol, endpoint=endpoint
            )
            addressed(identifier(endpoint), subscription)

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

    def _key(self, environment: Environment, account_of: str) -> str:
        return own_key(
            self,
            "alerts",
            description=f"Alerts of {environment.prefix}",
            account=account_in(account_of),
            partition=environment.aws.partition,
            user=let_alarms_publish(),
        )
