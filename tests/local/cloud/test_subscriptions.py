"""A subscription that nobody has confirmed is told from one that delivers."""

from __future__ import annotations

from local.cloud.client import Cloud


def test_a_subscription_has_its_arn_once_it_is_confirmed(cloud: Cloud) -> None:
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="subscriptions")["TopicArn"]
    queue = "arn:aws:sqs:eu-west-1:000000000000:nobody"
    confirmed = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://localhost:1/hook")
    expected = {"sqs": confirmed, "https": "PendingConfirmation"}
    for listed in (sns.list_subscriptions_by_topic(TopicArn=topic), sns.list_subscriptions()):
        found = {
            each["Protocol"]: each["SubscriptionArn"] for each in listed["Subscriptions"] if each["TopicArn"] == topic
        }
        assert found == expected
    sns.delete_topic(TopicArn=topic)
