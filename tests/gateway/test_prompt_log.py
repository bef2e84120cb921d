"""The log of prompts and answers: only for whom it is switched on, masked, in its own group, and never in the way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from lambda_src.contract import HEADER_PROMPT_LOG, prompt_log_group
from lambda_src.core.glossary import PROMPT_FIELDS
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, request
from tests.gateway.conftest import Log, send

CANARIES = ("sk-canary-0123456789abcdef", "canary@example.com", "4111 1111 1111 1111", "Project Canary")
TEXT = "Hello, " + ", ".join(CANARIES)
MASKED = "Hello, [redacted:key], [redacted:email], [redacted:card], [redacted:pattern]"
GROUP = prompt_log_group("bench")
CONVERSE = {"messages": [{"role": "user", "content": [{"text": TEXT}]}]}


@pytest.fixture(scope="module")
def watched(bench: Bench) -> str:
    """A consumer that has its prompts logged, and the group they go to; its key."""
    bench.cloud.client("logs").create_log_group(logGroupName=GROUP)
    return bench.consumer("watched", prompt_log=True)


@pytest.fixture(scope="module")
def logging(bench: Bench, watched: str) -> Gateway:
    """A gateway that knows the group."""
    return bench.gateway(prompt_log_group=GROUP, prompt_log_patterns=(r"Project \w+",), upstream_timeout_seconds=2.0)


def logged(bench: Bench) -> list[dict[str, Any]]:
    """All lines of the group, oldest first."""
    pages = bench.cloud.client("logs").filter_log_events(logGroupName=GROUP)
    return [json.loads(each["message"]) for each in pages["events"]]


def last(bench: Bench, request_id: str) -> dict[str, Any]:
    """The line of a request."""
    (line,) = [each for each in logged(bench) if each["request_id"] == request_id]
    return line


def test_a_line_says_what_was_asked_and_answered(bench: Bench, logging: Gateway, watched: str) -> None:
    began = time.time()
    headers = {"x-amzn-trace-id": "Root=1-6741c2a8-0123456789abcdef01234567"}
    send(logging, request(watched, chat(text=TEXT), request_id="plain", headers=headers))
    line = last(bench, "plain")
    assert set(line) == set(PROMPT_FIELDS)
    prompt, response = json.loads(line.pop("prompt")), json.loads(line.pop("response"))
    assert prompt == chat(text=MASKED)
    assert MASKED in response["choices"][0]["message"]["content"], "the stand-in echoes"
    assert line.pop("time").startswith(time.strftime("%Y-%m-%dT", time.gmtime(began)))
    assert line == {
        "kind": "prompt", "level": "INFO", "request_id": "plain", "trace_id": "1-6741c2a8-0123456789abcdef01234567",
        "environment": "bench", "consumer": "watched", "key_id": watched, "model": "standin-small", "route": "chat",
        "status": 200, "prompt_truncated": False, "response_truncated": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "model", "body", "where"),
    [
        ("/v1/chat/completions", None, chat(text=TEXT, stream=True), "0.content"),
        ("/v1/responses", None, {"model": "standin-small", "input": TEXT, "stream": True}, "0"),
        (
            "/v1/messages", None,
            {"model": "claude-small", "max_tokens": 90, "stream": True, "messages": chat(text=TEXT)["messages"]},
            "0.text",
        ),
        ("/bedrock/model/{model}/converse-stream", "nova", CONVERSE, "0.text"),
        ("/bedrock/model/{model}/converse", "nova", CONVERSE, None),
    ],
)  # fmt: skip
def test_streams_are_put_together_before_they_are_masked(
    bench: Bench, logging: Gateway, watched: str, path: str, model: str | None, body: dict[str, Any], where: str | None
) -> None:
    """A secret is spread over the events of a stream: no pattern would know its pieces."""
    response = send(logging, request(watched, body, path=path, model=model))
    assert response.status == 200
    line = last(bench, response.headers["x-tollgate-request-id"])
    said = json.loads(line["response"])
    assert MASKED in (json.dumps(said) if where is None else said[where])
    assert not [canary for canary in CANARIES if canary in json.dumps(line)]


def test_errors_and_cut_streams_are_logged_too(bench: Bench, logging: Gateway, watched: str) -> None:
    for name, stream in (
        ("standin-500", False),
        ("standin-cut", True),
        ("standin-reset", False),
        ("standin-garbage", False),
    ):
        response = send(logging, request(watched, chat(name, TEXT, stream=stream), request_id=f"bad-{name}"))
        line = last(bench, f"bad-{name}")
        assert line["status"] in (response.status, 200)
        assert MASKED in json.loads(line["prompt"])["messages"][0]["content"]
        assert line["response"]
    assert "upstream_cut" in json.loads(last(bench, "bad-standin-cut")["response"])["error.code"]


def test_what_was_not_sent_on_or_not_wanted_is_not_logged(
    bench: Bench, logging: Gateway, watched: str, log: Log
) -> None:
    before = len(logged(bench))
    for sent in (
        request("key-free", chat(text=TEXT)),  # another consumer
        request(watched, chat(text=TEXT), headers={"X-Tollgate-Log": " OFF "}),
        request(watched, chat("no-such-model", TEXT)),
        request(watched, b"{"),
        request(watched, {}, path="/v1/models", method="GET"),
    ):
        send(logging, sent)
    send(bench.gateway(), request(watched, chat(text=TEXT)))  # the environment has no such log
    assert len(logged(bench)) == before
    assert len(log.lines()) == 6, "the usage log has them all"


def test_nothing_of_a_prompt_is_in_the_usage_log_or_the_ledger(
    bench: Bench, logging: Gateway, watched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    send(logging, request(watched, chat(text=TEXT), request_id="secretive"))
    printed = capsys.readouterr().out
    items = json.dumps(bench.dynamodb.scan(TableName=bench.table)["Items"], default=str)
    assert "secretive" in printed
    assert "secretive" in items
    for canary in (*CANARIES, MASKED):
        assert canary not in printed
        assert canary not in items


def test_a_long_prompt_is_cut(bench: Bench, watched: str) -> None:
    gateway = bench.gateway(prompt_log_group=GROUP, prompt_log_max_bytes=300)
    send(gateway, request(watched, chat(text="word " * 1_000 + TEXT), request_id="long"))
    line = last(bench, "long")
    assert (len(line["prompt"]) <= 300, line["prompt_truncated"], line["response_truncated"]) == (True, True, True)


def test_an_event_is_never_larger_than_cloudwatch_takes(bench: Bench, watched: str) -> None:
    gateway = bench.gateway(prompt_log_group=GROUP, prompt_log_max_bytes=900_000, max_request_bytes=4_000_000)
    send(gateway, request(watched, chat(text="word " * 300_000, max_tokens=5), request_id="huge"))
    line = last(bench, "huge")
    assert len(json.dumps(line, ensure_ascii=False).encode()) <= 1_000_000
    assert line["prompt_truncated"] is True


def test_one_stream_per_sandbox_and_a_new_one_when_it_is_gone(bench: Bench, watched: str, log: Log) -> None:
    logs = bench.cloud.client("logs")
    group = "/tollgate/bench/streams"
    logs.create_log_group(logGroupName=group)
    gateway = bench.gateway(prompt_log_group=group)

    def streams() -> list[str]:
        return [each["logStreamName"] for each in logs.describe_log_streams(logGroupName=group)["logStreams"]]

    for _ in range(2):
        send(gateway, request(watched, chat()))
    (name,) = streams()
    logs.delete_log_stream(logGroupName=group, logStreamName=name)
    send(gateway, request(watched, chat()))
    send(gateway, request(watched, chat()))
    (other,) = streams()
    assert other != name


def warnings(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"prompt_log_failed"' in each]


def test_a_group_that_is_not_there_is_told_and_fails_nothing(
    bench: Bench, watched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    response = send(bench.gateway(prompt_log_group="/gone"), request(watched, chat(), request_id="nowhere"))
    assert response.status == 200
    (warning,) = warnings(capsys)
    assert warning == {
        "kind": "prompt_log_failed", "level": "WARN", "request_id": "nowhere", "code": "ResourceNotFoundException",
    }  # fmt: skip


def test_a_pattern_that_takes_for_ever_is_given_up(
    bench: Bench, watched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = bench.gateway(prompt_log_group=GROUP, prompt_log_patterns=(r"(a+)+$",))
    began = time.monotonic()
    response = send(gateway, request(watched, chat(text="a" * 60 + "!"), request_id="endless"))
    assert response.status == 200
    assert time.monotonic() - began < 2
    assert [each["code"] for each in warnings(capsys)] == ["TooSlow"]
    assert not [each for each in logged(bench) if each["request_id"] == "endless"]


def test_only_a_request_that_needs_it_pays_for_the_import() -> None:
    code = (
        "import sys, lambda_src.gateway; "
        "print([name for name in ('prompts', 'redaction', 'streamed') if f'lambda_src.{name}' in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("said", ["off", " OFF ", "false", "no", "0", ""])
def test_a_caller_who_says_anything_but_on_is_not_logged(
    bench: Bench, logging: Gateway, watched: str, said: str
) -> None:
    send(logging, request(watched, chat(text=TEXT), request_id=f"out-{said}", headers={HEADER_PROMPT_LOG: said}))
    assert f"out-{said}" not in {each["request_id"] for each in logged(bench)}


def test_a_caller_who_says_on_is_logged(bench: Bench, logging: Gateway, watched: str) -> None:
    send(logging, request(watched, chat(text=TEXT), request_id="in", headers={HEADER_PROMPT_LOG: "On"}))
    assert last(bench, "in")["status"] == 200
