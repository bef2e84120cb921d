"""Budget events: each threshold of a budget is reported once per window, to the log and to SNS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from lambda_src.contract import TTL_ATTRIBUTE, event_pk
from lambda_src.core.budget_use import EVENT_SK, BudgetEvent
from lambda_src.core.json_text import json_text
from lambda_src.core.pricing import usd
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger

_KEPT_SECONDS = 62 * 86_400
"""Longer than any window but `total`, whose events are kept forever, since they would be published again otherwise."""
_PENDING_SECONDS = 60
"""After this time an unpublished event counts as failed, not as in progress."""


class BudgetNotifier:
    """Publishes budget events. An item in the ledger makes each happen once; its `published` is set after SNS took it.

    The sweeper publishes events whose publishing failed. SNS delivers at least once.
    """

    def __init__(self, aws: AwsClient, ledger: Ledger, topic_arn: str | None) -> None:
        self._aws = aws
        self._ledger = ledger
        self._topic_arn = topic_arn
        self._known: set[tuple[str, str]] = set()

    def publish_new(self, events: Iterator[BudgetEvent], deadline: float) -> list[BudgetEvent]:
        """Store, log and publish the events that are new. Returns them. After an AwsError a later call continues."""
        new = []
        for event in events:
            if (event.consumer_id, event.sk) in self._known:
                continue
            at = int(self._ledger.now())
            values = {"event": sns_message(event), "subject": event.subject, "raised_at": at, "published": False}
            if event.per != "total":
                values[TTL_ATTRIBUTE] = at + _KEPT_SECONDS
            if self._ledger.put_new(event_pk(event.consumer_id), event.sk, values, deadline):
                new.append(event)
                print(json_text({"kind": "budget_event", "level": "WARN", **asdict(event)}))
                self._publish(event.consumer_id, event.sk, event.subject, values["event"], deadline)
            if len(self._known) > 10_000:
                self._known.clear()
            self._known.add((event.consumer_id, event.sk))
        return new

    def publish_pending(self, consumer: str, deadline: float) -> int:
        """Publish events that earlier attempts could not publish. Returns their number."""
        count = 0
        for item in self._ledger.query_partition(event_pk(consumer), deadline, sk_prefix=EVENT_SK):
            if not item.get("published") and self._ledger.now() - item["raised_at"] > _PENDING_SECONDS:
                self._publish(consumer, item["sk"], item["subject"], item["event"], deadline)
                count += 1
        return count

    def _publish(self, consumer: str, sk: str, subject: str, text: object, deadline: float) -> None:
        if self._topic_arn is not None:
            fields = {
                "Action": "Publish",
                "Version": "2010-03-31",
                "TopicArn": self._topic_arn,
                "Subject": subject[:100],
                "Message": str(text),
            }
            self._aws.query("sns", fields, deadline=deadline)
        self._ledger.set_attributes(event_pk(consumer), sk, {"published": True}, deadline)


def sns_message(event: BudgetEvent) -> str:
    """The SNS message: a custom notification of Amazon Q Developer in chat applications, which drops other messages.
    Programs read `metadata.additionalContext`, whose values must be strings
    (docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html)."""
    spent, limit = usd(event.spent_nano_usd), usd(event.limit_nano_usd)
    content = {
        "title": event.subject,
        "description": f"Spent {spent} of {limit} USD in the window {event.window}.",
        "nextSteps": ["See the usage: `tollgate usage top`", "Raise the budget temporarily: `tollgate budgets raise`"],
    }
    context = {name: str(value) for name, value in asdict(event).items()} | {"spent_usd": spent, "limit_usd": limit}
    metadata = {"summary": event.subject, "eventType": "budget_event", "additionalContext": context}
    return json_text({"version": "1.0", "source": "custom", "content": content, "metadata": metadata})
