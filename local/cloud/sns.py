"""Subscriptions that nobody has confirmed are listed without an ARN.

AWS: docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html ("PendingConfirmation" in place of the ARN).
MiniStack always lists an ARN.
Test: tests/e2e/test_cli_doctor.py::test_missing_and_unconfirmed_subscriptions
"""

from __future__ import annotations

from typing import Any

from ministack.services import sns

_list_subscriptions_by_topic = sns._list_subscriptions_by_topic


def apply() -> None:
    """Wrap ListSubscriptionsByTopic."""
    sns._list_subscriptions_by_topic = list_subscriptions_by_topic


def list_subscriptions_by_topic(params: dict[str, Any]) -> Any:
    """ListSubscriptionsByTopic."""
    status, headers, body = _list_subscriptions_by_topic(params)
    for subscription in sns._topics[sns._p(params, "TopicArn")]["subscriptions"]:
        if not subscription["confirmed"]:
            body = body.replace(f">{subscription['arn']}<".encode(), b">PendingConfirmation<")
    return status, headers, body
