"""Canary prompts, keys and secrets appear in no log, metric, alarm, notification, page, report, plan or table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_src.contract import AUTHORIZER_HANDLER
from lambda_src.resource_names import log_group
from tests.e2e.command import Command
from tests.e2e.conftest import CANARY_PROMPT, CANARY_SECRETS, System
from tests.e2e.temporary_changes import AUTHORIZER, temporarily
from tests.recorded_requests import record_requests

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

PERSONAL = (
    "write to jane.roe@example.com, card 4111 1111 1111 1111, about PROJECT-4711, with sk-proj-0123456789abcdefghij"
)
OPT_OUT = "canary-opted-out-5eed"
KEYS_OF_OTHERS = {
    "bearer": "sk-proj-CanaryBearer0123456789abcdefghijklmnopqrstuvwxyz",  # could be an API key
    "short": "sk-canary-short",
    "long": "sk-canary-long-" + "x" * 200,
    "basic": "Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk",
    "header": "canary-header-0123456789abcdefghijklmnop",
}


def send_chat(system: System, consumer: str, text: str, model: str = "standin-small", **headers: str) -> int:
    """The status of a chat completion."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return system.call("POST", "/v1/chat/completions", body, {"x-api-key": system.key(consumer), **headers}).status


def monitoring_data(system: System) -> Iterator[tuple[str, Any]]:
    """Metrics, alarms, dashboard and Contributor Insights rules in CloudWatch."""
    client = system.cloud.client("cloudwatch")
    for operation in ("list_metrics", "describe_alarms", "describe_alarm_history"):
        yield operation, list(client.get_paginator(operation).paginate())
    yield "dashboard", client.get_dashboard(DashboardName="tollgate-e2e")["DashboardBody"]
    yield "rules", client.describe_insight_rules()


def command_output(system: System, tollgate: Command, folder: Path) -> Iterator[tuple[str, Any]]:
    """Output and HTML pages of the operator's command."""
    for arguments in (
        ("keys", "list"), ("consumers", "show", "alpha"), ("usage", "report", "--by", "consumer,key,status"),
        ("logs", "query", "usage-by-key"), ("logs", "query", "errors"), ("audit",), ("providers", "list"),
    ):  # fmt: skip
        yield " ".join(arguments), tollgate.here("--output", "json", *arguments).out
    pages = {"report": ("usage", "report", "--format", "html"), "dashboard": ("dashboard",)}
    for name, arguments in pages.items():
        tollgate.here(*arguments, "--to", str(folder / f"{name}.html"))
        yield name, (folder / f"{name}.html").read_text()


def places(system: System, tollgate: Command, folder: Path) -> Iterator[tuple[str, str]]:
    """Name and text of everything that is stored, logged or displayed, except the prompt log."""
    for group in system.log_groups():
        if group != log_group("e2e", "prompts"):
            yield group, "\n".join(system.log_lines(group))
    pages = system.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=system.outputs["table"])
    yield "table", json.dumps([page["Items"] for page in pages], default=str)
    yield "outputs", json.dumps(system.outputs)
    for file in system.deployment.stack.glob("*.json"):
        yield file.name, file.read_text()
    for name, content in (*monitoring_data(system), *command_output(system, tollgate, folder)):
        yield name, content if isinstance(content, str) else json.dumps(content, default=str)


@pytest.fixture
def notifications(system: System) -> Iterator[None]:
    """Check that no notification sent during a test contains a canary."""
    sqs, sns = system.cloud.client("sqs"), system.cloud.client("sns")
    url = sqs.create_queue(QueueName="canary-notifications")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = system.outputs["topic_arn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    yield
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.delete_queue(QueueUrl=url)
    leaked = [canary for canary in (CANARY_PROMPT, *CANARY_SECRETS.values()) for body in bodies if canary in body]
    assert not leaked


@pytest.mark.usefixtures("notifications")
def test_canaries_are_found_nowhere(system: System, tollgate: Command, tmp_path: Path) -> None:
    """Searched after requests that succeed, fail at the provider, are rejected and exceed a budget."""
    assert send_chat(system, "alpha", CANARY_PROMPT) == 200
    assert send_chat(system, "alpha", CANARY_PROMPT, "standin-500") == 500
    assert send_chat(system, "alpha", CANARY_PROMPT, "no-such-model") == 404
    assert send_chat(system, "poor", CANARY_PROMPT * 40) == 400
    system.cloud.advance(0)

    canaries = {CANARY_PROMPT, *CANARY_SECRETS.values(), *(system.key(consumer) for consumer in ("alpha", "poor"))}
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
    assert [name for name in filled if len(searched[name]) < 500] == [], "too little content to search"
    assert [(place, canary[:9]) for place, text in searched.items() for canary in canaries if canary in text] == []


def test_keys_of_other_services_are_found_nowhere(
    system: System, tollgate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may send its real OpenAI key by mistake: alone, next to a valid key, and while the authorizer fails."""
    received = record_requests(monkeypatch)
    schemes = {"basic": "Basic ", "header": ""}
    given = [
        {"x-api-key" if name == "header" else "authorization": schemes.get(name, "Bearer ") + value}
        for name, value in KEYS_OF_OTHERS.items()
    ]
    body = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}

    def statuses(path: str, **more: str) -> set[int]:
        return {system.call("POST", path, body, headers | more).status for headers in given}

    assert statuses("/v1/chat/completions") == statuses("/tools/echo") == {401}
    assert statuses("/v1/nothing") == {403, 404}
    key = {"x-api-key": system.key("logged")}  # its prompts are logged
    assert statuses("/v1/chat/completions", **key) == statuses("/tools/echo", **key) == {200}
    client = system.cloud.client("lambda")
    with temporarily(
        lambda: client.update_function_configuration(FunctionName=AUTHORIZER, Handler="lambda_src.authorizer.nothing"),
        lambda: client.update_function_configuration(FunctionName=AUTHORIZER, Handler=AUTHORIZER_HANDLER),
    ):
        assert statuses("/v1/chat/completions") == {503}
    system.cloud.advance(0)

    searched = dict(places(system, tollgate, tmp_path))
    searched["prompts"] = "\n".join(system.log_lines(log_group("e2e", "prompts")))
    searched["state"] = (system.deployment.stack / "terraform.tfstate").read_text()
    searched["provider"] = "\n".join(received)
    filled = ("table", "/tollgate/e2e/usage", "/tollgate/e2e/access", "prompts", "state", "provider")
    assert [name for name in filled if len(searched[name]) < 500] == [], "too little content to search"
    assert "/tollgate/e2e/authorizer" in searched
    leaked = [
        (place, name) for place, text in searched.items() for name, value in KEYS_OF_OTHERS.items() if value in text
    ]
    assert leaked == []


def test_prompt_log_is_redacted_and_separate(system: System, tollgate: Command, tmp_path: Path) -> None:
    assert send_chat(system, "logged", PERSONAL) == 200
    assert send_chat(system, "logged", OPT_OUT, **{"x-tollgate-log": "off"}) == 200
    lines = [json.loads(line) for line in system.log_lines(log_group("e2e", "prompts"))]
    (line,) = [line for line in lines if "about" in json.dumps(line["prompt"])]
    assert (line["consumer"], line["status"]) == ("logged", 200)
    for part in ("prompt", "response"):  # the stand-in provider echoes the prompt
        text = json.dumps(line[part])
        assert text.count("[redacted:") == 4
        assert not [raw for raw in ("jane.roe", "4111", "PROJECT-4711", "sk-proj") if raw in text]
    texts = dict(places(system, tollgate, tmp_path))
    assert [place for place, text in texts.items() if "jane.roe" in text or OPT_OUT in text] == []
    assert OPT_OUT not in json.dumps(lines)
