"""Alarms in a chat channel, through Amazon Q Developer in chat applications (AWS Chatbot)."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import (
    ChatbotSlackChannelConfiguration,
    ChatbotTeamsChannelConfiguration,
    Construct,
    IamRole,
    IamRolePolicy,
    addressed,
)
from constructs_lib.notifications import Notifications
from constructs_lib.permissions import allow, document, trusted_by
from constructs_lib.settings import Environment

_GUARDRAIL: Final = "arn:{}:iam::aws:policy/CloudWatchReadOnlyAccess"
"""Upper limit of what users may do from the channel. Without a guardrail AWS allows everything
(docs.aws.amazon.com/chatbot/latest/adminguide/understanding-permissions.html)."""


class ChatChannels(Construct):
    """The channels of `[alerts]`, and the role that lets them draw an alarm's graph.

    None with aws.endpoint: the embedded cloud has no chat, and Terraform would create the channels on AWS.
    """

    def __init__(self, scope: Construct, *, environment: Environment, notifications: Notifications) -> None:
        super().__init__(scope, "chat")
        slack, teams = environment.alerts.slack, environment.alerts.teams
        if (slack is None and teams is None) or environment.aws.endpoint is not None:
            return
        role_arn = self._role(f"{environment.prefix}-chat")
        guardrail = _GUARDRAIL.format(environment.aws.partition)
        if slack is not None:
            channel = ChatbotSlackChannelConfiguration(
                self,
                "slack",
                configuration_name=f"{environment.prefix}-slack",
                iam_role_arn=role_arn,
                slack_team_id=slack.workspace_id,
                slack_channel_id=slack.channel_id,
                sns_topic_arns=[notifications.arn],
                guardrail_policy_arns=[guardrail],
                logging_level="ERROR",
            )
            addressed("slack", channel)
        if teams is not None:
            team_channel = ChatbotTeamsChannelConfiguration(
                self,
                "teams",
                configuration_name=f"{environment.prefix}-teams",
                iam_role_arn=role_arn,
                tenant_id=teams.tenant_id,
                team_id=teams.team_id,
                channel_id=teams.channel_id,
                sns_topic_arns=[notifications.arn],
                guardrail_policy_arns=[guardrail],
                logging_level="ERROR",
            )
            addressed("teams", team_channel)

    def _role(self, name: str) -> str:
        role = IamRole(self, "role", name=name, assume_role_policy=trusted_by("chatbot.amazonaws.com"))
        addressed("chat", role)
        # These actions have no resource-level permissions.
        draw = allow(
            "DrawAlarms",
            ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:GetMetricWidgetImage"],
            ["*"],
        )
        policy = IamRolePolicy(self, "policy", name="least-privilege", role=role.name, policy=document([draw]))
        addressed("chat", policy)
        return role.arn
