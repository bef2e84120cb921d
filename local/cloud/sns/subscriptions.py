"""SNS subscriptions that nobody has confirmed are listed without an ARN.

AWS: "PendingConfirmation" in place of the ARN, in ListSubscriptions and ListSubscriptionsByTopic
(sns/latest/api/API_ListSubscriptionsByTopic.html). MiniStack lists an ARN, as if they were confirmed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import sns


def apply() -> None:
    """Replace both operations."""
    sns._list_subscriptions = _pending_shown(sns._list_subscriptions)
    sns._list_subscriptions_by_topic = _pending_shown(sns._list_subscriptions_by_topic)


def _pending_shown(listing: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def list_subscriptions(params: Any) -> Any:
        status, headers, body = listing(params)
        for topic in sns._topics.values():
            for each in topic["subscriptions"]:
                if not each["confirmed"]:
                    shown = f"<SubscriptionArn>{each['arn']}<".encode()
                    body = body.replace(shown, b"<SubscriptionArn>PendingConfirmation<")
        return status, headers, body

    return list_subscriptions
