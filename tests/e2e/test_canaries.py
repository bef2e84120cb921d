"""A canary prompt, key and secret: found in no log, metric, alarm, notification, page, report, plan or table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_src.contract import prompt_log_group
from tests.e2e.command import Command
from tests.e2e.conftest import CANARY_PROMPT, CANARY_SECRETS, System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

PERSONAL = (
    "write to jane.roe@example.com, card 4111 1111 1111 1111, about PROJECT-4711, with sk-proj-0123456789abcdefghij"
)
OPT_OUT = "canary-opted-out-5eed"


def ask(system: System, consumer: str, text: str, model: str = "standin-small", **headers: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return system.call("POST", "/v1/chat/completions", body, {"x-api-key": system.key(consumer), **headers}).status


def monitored(system: System) -> Iterator[tuple[str, Any]]:
    """What CloudWatch knows."""
    client = system.cloud.client("cloudwatch")
    for operation in ("list_metrics", "describe_alarms", "describe_alarm_history"):
        yield operation, list(client.get_paginator(operation).paginate())
    yield "dashboard", client.get_dashboard(DashboardName="tollgate-e2e")["DashboardBody"]
    yield "rules", client.describe_insight_rules()


def asked(system: System, tollgate: Command, folder: Path) -> Iterator[tuple[str, Any]]:
    """What the operator's command says and writes."""
    for words in (
        ("keys", "list"), ("consumers", "show", "alpha"), ("usage", "report", "--by", "consumer,key,status"),
        ("logs", "query", "usage-by-key"), ("logs", "query", "errors"), ("audit",), ("providers", "list"),
    ):  # fmt: skip
        yield " ".join(words), tollgate.here("--output", "json", *words).out
    pages = {"report": ("usage", "report", "--format", "html"), "dashboard": ("dashboard",)}
    for name, words in pages.items():
        tollgate.here(*words, "--to", str(folder / f"{name}.html"))
        yield name, (folder / f"{name}.html").read_text()


def places(system: System, tollgate: Command, folder: Path) -> Iterator[tuple[str, str]]:
    """Everything that is kept, told or shown, as text."""
    for group in system.log_groups():
        if group != prompt_log_group("e2e"):
            yield group, "\n".join(system.log_lines(group))
    pages = system.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=system.outputs["table"])
    yield "table", json.dumps([page["Items"] for page in pages], default=str)
    yield "outputs", json.dumps(system.outputs)
    for file in system.deployment.stack.glob("*.json"):
        yield file.name, file.read_text()
    for name, found in (*monitored(system), *asked(system, tollgate, folder)):
        yield name, found if isinstance(found, str) else json.dumps(found, default=str)


@pytest.fixture
def told(system: System) -> Iterator[list[str]]:
    """Bodies of what the alerts' topic tells while a test runs; read at its end."""
    sqs, sns = system.cloud.client("sqs"), system.cloud.client("sns")
    url = sqs.create_queue(QueueName="canaries-told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = system.outputs["topic_arn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    bodies: list[str] = []
    yield bodies
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.delete_queue(QueueUrl=url)
    found = [canary for canary in (CANARY_PROMPT, *CANARY_SECRETS.values()) for body in bodies if canary in body]
    assert not found


@pytest.mark.usefixtures("told")
def test_no_canary_is_anywhere(system: System, tollgate: Command, tmp_path: Path) -> None:
    """Calls that go well, fail at the provider, are refused and spend a budget; then everything is searched."""
    assert ask(system, "alpha", CANARY_PROMPT) == 200
    assert ask(system, "alpha", CANARY_PROMPT, "standin-500") == 500
    assert ask(system, "alpha", CANARY_PROMPT, "no-such-model") == 404
    assert ask(system, "poor", CANARY_PROMPT * 40) == 429
    system.cloud.advance(0)

    canaries = {CANARY_PROMPT, *CANARY_SECRETS.values(), *(system.key(each) for each in ("alpha", "poor"))}
    searched = dict(places(system, tollgate, tmp_path))
    assert len(searched) >= 15
    filled = (
        "table",
        "/tollgate/e2e/usage",
        "/tollgate/e2e/access",
        "list_metrics",
        "dashboard",
        "report",
        "keys list",
    )
    assert [name for name in filled if len(searched[name]) < 500] == [], "there is something to search"
    assert [(place, canary[:9]) for place, text in searched.items() for canary in canaries if canary in text] == []


def test_a_prompt_log_is_masked_and_by_itself(system: System, tollgate: Command, tmp_path: Path) -> None:
    assert ask(system, "logged", PERSONAL) == 200
    assert ask(system, "logged", OPT_OUT, **{"x-tollgate-log": "off"}) == 200
    lines = [json.loads(line) for line in system.log_lines(prompt_log_group("e2e"))]
    (line,) = [each for each in lines if "about" in json.dumps(each["prompt"])]
    assert (line["consumer"], line["status"]) == ("logged", 200)
    for part in ("prompt", "response"):  # the stand-in echoes what it was asked
        said = json.dumps(line[part])
        assert said.count("[redacted:") == 4
        assert not [raw for raw in ("jane.roe", "4111", "PROJECT-4711", "sk-proj") if raw in said]
    texts = dict(places(system, tollgate, tmp_path))
    assert [place for place, text in texts.items() if "jane.roe" in text or OPT_OUT in text] == []
    assert OPT_OUT not in json.dumps(lines)
