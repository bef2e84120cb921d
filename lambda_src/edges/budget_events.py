"""Soft thresholds of budgets: one event each per window, exactly once, to the log and to SNS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from lambda_src.contract import TTL_ATTRIBUTE, Window, consumer_pk
from lambda_src.core.account import Account
from lambda_src.core.policy import Policy
from lambda_src.core.pricing import usd
from lambda_src.core.windows import label, utc_datetime
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger

EVENT_SK = "EVENT#"
_KEPT_SECONDS = 62 * 86_400
"""Longer than any window that ends; the event of one that never ends is kept for ever, or it would be raised again."""
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """`spent_nano_usd` of a consumer in `window` reached `percent` of its budget.

    limit_nano_usd: the budget as it was then; raised_nano_usd of it an operator added for a while.
    """

    environment: str
    consumer: str
    per: Window
    window: str
    percent: int
    limit_nano_usd: int
    spent_nano_usd: int
    raised_nano_usd: int = 0

    @property
    def sk(self) -> str:
        """Its sort key in the consumer's partition: what makes it happen once, and once more for a raised limit."""
        raised = f"#{self.limit_nano_usd}" if self.raised_nano_usd else ""
        return f"{EVENT_SK}{self.per}#{self.window}#{self.percent}{raised}"

    @property
    def subject(self) -> str:
        """One line for people."""
        return f"Tollgate {self.environment}: {self.consumer} spent {self.percent} % of its budget per {self.per}"


def due_events(environment: str, policy: Policy, account: Account, at_ms: int, more: int = 0) -> Iterator[BudgetEvent]:
    """Events due once `more` nano-USD are spent on top of what `account` says."""
    at = utc_datetime(at_ms)
    for budget in policy.budgets:
        spent = account.spent(budget.per, at) + more
        for percent in policy.thresholds:
            if budget.limit and spent * 100 >= percent * budget.limit:
                window = label(budget.per, at)
                yield BudgetEvent(
                    environment, policy.consumer, budget.per, window, percent, budget.limit, spent, budget.raised
                )


def peak_percentages(
    policy: Policy, account: Account, at_ms: int, spent: int = 0, committed: int = 0
) -> tuple[float, float]:
    """Spent, and committed (spent and held), percent of the fullest budget, with `spent` and `committed` nano-USD on
    top of what `account` says; (0, 0) without budgets. A budget of nothing is full by definition and left out."""
    at = utc_datetime(at_ms)
    limits = [budget for budget in policy.budgets if budget.limit]
    return (
        max((_percent(account.spent(each.per, at) + spent, each.limit) for each in limits), default=0.0),
        max((_percent(account.committed(each.per, at) + committed, each.limit) for each in limits), default=0.0),
    )


def _percent(part: int, whole: int) -> float:
    """With two decimals; only metrics are told in it, money never is."""
    return part * 10_000 // whole / 100


class BudgetNotifier:
    """Raises budget events. The item in the ledger makes each of them happen once; `published` says SNS has it.

    An event whose publishing failed is published by the sweeper; SNS itself delivers at least once.
    """

    def __init__(self, aws: AwsClient, ledger: Ledger, topic_arn: str | None) -> None:
        self._aws = aws
        self._ledger = ledger
        self._topic_arn = topic_arn
        self._known: set[tuple[str, str]] = set()

    def raise_all(self, events: Iterator[BudgetEvent], deadline: float) -> list[BudgetEvent]:
        """Raise those that nobody raised before; they are logged by the caller. AwsError: the rest comes later."""
        raised = []
        for event in events:
            if (event.consumer, event.sk) in self._known:
                continue
            at = int(self._ledger.now())
            values = {"event": message(event), "subject": event.subject, "raised_at": at, "published": False}
            if event.per != "total":
                values[TTL_ATTRIBUTE] = at + _KEPT_SECONDS
            if self._ledger.put_new(consumer_pk(event.consumer), event.sk, values, deadline):
                raised.append(event)
                print(json.dumps({"kind": "budget_event", "level": "WARN", **asdict(event)}))
                self._publish(event.consumer, event.sk, event.subject, values["event"], deadline)
            if len(self._known) > 10_000:
                self._known.clear()
            self._known.add((event.consumer, event.sk))
        return raised

    def publish_late(self, consumer: str, deadline: float) -> int:
        """Publish what an earlier attempt could not; how many."""
        late = 0
        for each in self._ledger.query_partition(consumer_pk(consumer), deadline, sk_prefix=EVENT_SK):
            if not each.get("published") and self._ledger.now() - each["raised_at"] > _PATIENCE_SECONDS:
                self._publish(consumer, each["sk"], each["subject"], each["event"], deadline)
                late += 1
        return late

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
        self._ledger.set_attributes(consumer_pk(consumer), sk, {"published": True}, deadline)


def message(event: BudgetEvent) -> str:
    """What SNS carries: a custom notification of Amazon Q Developer in chat applications, which drops anything else
    that is not AWS's own. Programs read `metadata.additionalContext`, whose values have to be text
    (docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html)."""
    spent, limit = usd(event.spent_nano_usd), usd(event.limit_nano_usd)
    content = {
        "title": event.subject,
        "description": f"{spent} of {limit} USD are spent in the window {event.window}.",
        "nextSteps": ["See who spends it: `tollgate usage top`", "Help out for a while: `tollgate budgets raise`"],
    }
    context = {name: str(value) for name, value in asdict(event).items()} | {"spent_usd": spent, "limit_usd": limit}
    metadata = {"summary": event.subject, "eventType": "budget_event", "additionalContext": context}
    return json.dumps({"version": "1.0", "source": "custom", "content": content, "metadata": metadata})
