"""A secret without a value has none, and a subscription that nobody has confirmed is pending."""

import pytest

from local.cloud.client import Cloud


def test_secret_without_a_value_is_not_found(cloud: Cloud) -> None:
    secrets, name = cloud.client("secretsmanager"), "tollgate/test/providers/none"
    secrets.create_secret(Name=name)
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId=name)
    secrets.put_secret_value(SecretId=name, SecretString="sk-1")
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "sk-1"


def test_unconfirmed_subscription_has_no_arn(cloud: Cloud) -> None:
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="subscriptions")["TopicArn"]
    queue = "arn:aws:sqs:eu-west-1:000000000000:nobody"
    confirmed = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://localhost:1/hook")
    found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arns = {subscription["Protocol"]: subscription["SubscriptionArn"] for subscription in found}
    assert arns == {"sqs": confirmed, "https": "PendingConfirmation"}
    sns.delete_topic(TopicArn=topic)
