"""The prompt log: opt-in per consumer, redacted, in a separate log group, and never the cause of a failed request."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from lambda_src.contract import HEADER_PROMPT_LOG
from lambda_src.core.glossary import PROMPT_FIELDS
from lambda_src.gateway import Gateway
from lambda_src.resource_names import log_group
from tests.bench import Bench, chat, request
from tests.gateway.conftest import UsageLog, send

CANARIES = ("sk-canary-0123456789abcdef", "canary@example.com", "4111 1111 1111 1111", "Project Canary")
TEXT = "Hello, " + ", ".join(CANARIES)
MASKED = "Hello, [redacted:key], [redacted:email], [redacted:card], [redacted:pattern]"
GROUP = log_group("bench", "prompts")
CONVERSE = {"messages": [{"role": "user", "content": [{"text": TEXT}]}]}


@pytest.fixture(scope="module")
def watched(bench: Bench) -> str:
    """Key of a consumer with a prompt log; also creates the log group."""
    bench.cloud.client("logs").create_log_group(logGroupName=GROUP)
    return bench.add_consumer("watched", prompt_log=True)


@pytest.fixture(scope="module")
def logging(bench: Bench, watched: str) -> Gateway:
    return bench.gateway(prompt_log_group=GROUP, prompt_log_patterns=(r"Project \w+",), upstream_timeout_seconds=2.0)


def logged(bench: Bench) -> list[dict[str, Any]]:
    """All lines of the prompt log, oldest first."""
    pages = bench.cloud.client("logs").filter_log_events(logGroupName=GROUP)
    return [json.loads(event["message"]) for event in pages["events"]]


def line_of(bench: Bench, request_id: str) -> dict[str, Any]:
    """The only line of a request."""
    (line,) = [line for line in logged(bench) if line["request_id"] == request_id]
    return line


def test_line_has_the_redacted_prompt_and_response(bench: Bench, logging: Gateway, watched: str) -> None:
    began = time.time()
    headers = {"x-amzn-trace-id": "Root=1-6741c2a8-0123456789abcdef01234567"}
    send(logging, request(watched, chat(text=TEXT), request_id="plain", headers=headers))
    line = line_of(bench, "plain")
    assert set(line) == set(PROMPT_FIELDS)
    prompt, response = json.loads(line.pop("prompt")), json.loads(line.pop("response"))
    assert prompt == chat(text=MASKED)
    assert MASKED in response["choices"][0]["message"]["content"], "the stand-in provider echoes the prompt"
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
def test_streams_are_joined_before_redaction(
    bench: Bench, logging: Gateway, watched: str, path: str, model: str | None, body: dict[str, Any], where: str | None
) -> None:
    """A stream splits a secret over several events, which no pattern matches one by one."""
    response = send(logging, request(watched, body, path=path, model=model))
    assert response.status == 200
    line = line_of(bench, response.headers["x-tollgate-request-id"])
    logged_response = json.loads(line["response"])
    assert MASKED in (json.dumps(logged_response) if where is None else logged_response[where])
    assert not [canary for canary in CANARIES if canary in json.dumps(line)]


def test_errors_and_cut_streams_are_logged(bench: Bench, logging: Gateway, watched: str) -> None:
    for name, stream, status in (
        ("standin-500", False, 500),
        ("standin-cut", True, 200),
        ("standin-reset", False, 502),
        ("standin-garbage", False, 502),
    ):
        send(logging, request(watched, chat(name, TEXT, stream=stream), request_id=f"bad-{name}"))
        line = line_of(bench, f"bad-{name}")
        assert line["status"] == status
        assert MASKED in json.loads(line["prompt"])["messages"][0]["content"]
        assert line["response"]
    assert "upstream_cut" in json.loads(line_of(bench, "bad-standin-cut")["response"])["error.code"]


def test_rejected_and_opted_out_requests_are_not_logged(
    bench: Bench, logging: Gateway, watched: str, log: UsageLog
) -> None:
    before = len(logged(bench))
    for http_request in (
        request("key-free", chat(text=TEXT)),  # another consumer
        request(watched, chat(text=TEXT), headers={"X-Tollgate-Log": " OFF "}),
        request(watched, chat("no-such-model", TEXT)),
        request(watched, b"{"),
        request(watched, {}, path="/v1/models", method="GET"),
    ):
        send(logging, http_request)
    send(bench.gateway(), request(watched, chat(text=TEXT)))  # an environment without a prompt log
    assert len(logged(bench)) == before
    assert len(log.lines()) == 6, "the usage log has all of them"


def test_prompts_are_absent_from_the_usage_log_and_the_ledger(
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


def test_long_prompt_is_truncated(bench: Bench, watched: str) -> None:
    gateway = bench.gateway(prompt_log_group=GROUP, prompt_log_max_bytes=300)
    send(gateway, request(watched, chat(text="word " * 1_000 + TEXT), request_id="long"))
    line = line_of(bench, "long")
    assert (len(line["prompt"]) <= 300, line["prompt_truncated"], line["response_truncated"]) == (True, True, True)


def test_line_stays_below_the_size_limit_of_cloudwatch(
    bench: Bench, watched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_REDACTION_SECONDS", "TIMEOUT_SECONDS"):
        monkeypatch.setattr(f"lambda_src.edges.prompt_log.{name}", 10.0)  # the machine may be busy
    gateway = bench.gateway(prompt_log_group=GROUP, prompt_log_max_bytes=900_000, max_request_bytes=4_000_000)
    send(gateway, request(watched, chat(text="word " * 300_000, max_tokens=5), request_id="huge"))
    line = line_of(bench, "huge")
    assert len(json.dumps(line, ensure_ascii=False).encode()) <= 1_000_000
    assert line["prompt_truncated"] is True


def test_one_log_stream_per_sandbox_recreated_if_deleted(bench: Bench, watched: str, log: UsageLog) -> None:
    logs = bench.cloud.client("logs")
    group = "/tollgate/bench/streams"
    logs.create_log_group(logGroupName=group)
    gateway = bench.gateway(prompt_log_group=group)

    def streams() -> list[str]:
        return [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]]

    for _ in range(2):
        send(gateway, request(watched, chat()))
    (name,) = streams()
    logs.delete_log_stream(logGroupName=group, logStreamName=name)
    send(gateway, request(watched, chat()))
    send(gateway, request(watched, chat()))
    (other,) = streams()
    assert other != name


def warnings(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"prompt_log_failed"' in line]


def test_missing_log_group_only_logs_a_warning(bench: Bench, watched: str, capsys: pytest.CaptureFixture[str]) -> None:
    response = send(bench.gateway(prompt_log_group="/gone"), request(watched, chat(), request_id="nowhere"))
    assert response.status == 200
    (warning,) = warnings(capsys)
    assert warning == {
        "kind": "prompt_log_failed", "level": "WARN", "request_id": "nowhere", "code": "ResourceNotFoundException",
    }  # fmt: skip


def test_slow_pattern_is_aborted(bench: Bench, watched: str, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = bench.gateway(prompt_log_group=GROUP, prompt_log_patterns=(r"(a+)+$",))
    response = send(gateway, request(watched, chat(text="a" * 60 + "!"), request_id="endless"))
    assert response.status == 200, "the pattern would take years"
    assert [warning["code"] for warning in warnings(capsys)] == ["TooSlow"]
    assert not [line for line in logged(bench) if line["request_id"] == "endless"]


def test_cold_start_does_not_import_the_prompt_log() -> None:
    code = (
        "import sys, lambda_src.gateway; "
        "print([name for name in ('edges.prompt_log', 'core.redaction', 'core.stream_text') "
        "if f'lambda_src.{name}' in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("value", ["off", " OFF ", "false", "no", "0", ""])
def test_any_header_value_but_on_opts_out(bench: Bench, logging: Gateway, watched: str, value: str) -> None:
    send(logging, request(watched, chat(text=TEXT), request_id=f"out-{value}", headers={HEADER_PROMPT_LOG: value}))
    assert f"out-{value}" not in {line["request_id"] for line in logged(bench)}


def test_header_value_on_is_logged(bench: Bench, logging: Gateway, watched: str) -> None:
    send(logging, request(watched, chat(text=TEXT), request_id="in", headers={HEADER_PROMPT_LOG: "On"}))
    assert line_of(bench, "in")["status"] == 200
