"""Everything that leaves the gateway is valid UTF-8 and valid JSON of a bounded size, whatever comes in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from lambda_src.contract import Provider
from lambda_src.core.http_event import HttpResponse
from lambda_src.gateway import Gateway
from lambda_src.resource_names import log_group
from tests.bench import Bench, chat, request
from tests.gateway.conftest import rows_of, send

HALF = "\\ud800"
GROUP = log_group("hostile", "prompts")
MESSAGES, RESPONSES, CONVERSE = "/v1/messages", "/v1/responses", "/bedrock/model/{model}/converse"


class Scripted(BaseHTTPRequestHandler):
    """Sends `body` to every request."""

    protocol_version = "HTTP/1.1"
    body = b"{}"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("x-request-id", "caf\u00e9")
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def scripted() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def hostile(bench: Bench, scripted: str) -> Gateway:
    """A gateway whose OpenAI provider is scripted, with a prompt log."""
    bench.cloud.client("logs").create_log_group(logGroupName=GROUP)
    bench.add_consumer("hostile", prompt_log=True)
    gateway = bench.gateway(prompt_log_group=GROUP)
    gateway.config.providers["openai"] = Provider(kind="openai", base_url=scripted, secret="bench/openai")
    return gateway


def strict(text: str | bytes) -> Any:
    """The JSON value in `text`, which must be valid UTF-8 and JSON and contain no half of a surrogate pair."""

    def reject(name: str) -> object:
        raise AssertionError(f"{name} is not JSON")

    parsed = json.loads(text.encode() if isinstance(text, str) else text.decode(), parse_constant=reject)
    json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def checked(response: HttpResponse, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The usage line of a response, after a check of everything that was written."""
    event: dict[str, Any] = response.to_event()
    strict(json.dumps(event, ensure_ascii=False))
    assert all(value.isascii() for value in event["headers"].values())
    lines = [strict(line) for line in capsys.readouterr().out.split("\n") if line]
    (usage,) = [line for line in lines if line["kind"] == "usage"]
    assert not [line for line in lines if line["kind"] == "prompt_log_failed"]
    assert not usage["ledger_failed"]
    return dict(usage)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", '{"model": "standin-small", "max_tokens": "HALF"}'),
        ("/v1/chat/completions", '{"model": "standin-small", "stream": "HALF"}'),
        ("/v1/chat/completions", '{"model": "standin-small", "service_tier": "HALF"}'),
        ("/v1/chat/completions", '{"model": "standin-small", "service_tier": ["HALF"]}'),
        ("/v1/chat/completions", '{"model": "standin-small", "models": ["HALF"]}'),
        ("/v1/chat/completions", '{"model": "standin-small", "tools": [{"type": "HALF"}]}'),
        ("/v1/chat/completions", '{"HALF": 1, "HALF": 2}'),
        ("/v1/chat/completions", '{"model": "HALF"}'),
        ("/v1/chat/completions", '{"model": ["HALF"]}'),
        (RESPONSES, '{"model": "standin-small", "input": [{"type": "HALF"}], "max_output_tokens": "HALF"}'),
        (RESPONSES, '{"model": "standin-small", "prompt": {"id": "HALF"}}'),
        (MESSAGES, '{"model": "claude-small", "max_tokens": "HALF"}'),
        (MESSAGES, '{"model": "claude-small", "max_tokens": 9, "speed": "HALF"}'),
        (MESSAGES, '{"model": "claude-small", "max_tokens": 9, "tools": [{"type": "HALF"}]}'),
        (CONVERSE, '{"inferenceConfig": {"maxTokens": "HALF"}}'),
        (CONVERSE, '{"serviceTier": {"type": "flexHALF"}, "performanceConfig": {"latency": "HALF"}}'),
    ],
)
@pytest.mark.parametrize("value", [HALF, "x" * 3_900_000])
def test_errors_are_valid_and_short(
    bench: Bench, hostile: Gateway, capsys: pytest.CaptureFixture[str], path: str, body: str, value: str
) -> None:
    model = "nova" if path == CONVERSE else None
    raw = body.replace("HALF", value, 1).replace("HALF", value if "1, " in body else "x")
    response = send(hostile, request("key-hostile", raw.encode(), path=path, model=model))
    assert 400 <= response.status < 500
    strict(response.body)
    assert len(response.body) < 3_000
    assert checked(response, capsys)["status"] == response.status
    (row,) = rows_of(bench, response)
    assert len(json.dumps(row, ensure_ascii=False).encode()) < 3_000


@pytest.mark.parametrize(
    ("headers", "model"),
    [
        ({"x-tollgate-tags": "a=\ud800"}, "standin-small"),
        ({"content-type": "text/\ud800"}, "standin-small"),
        ({"content-type": "x" * 9_000}, "standin-small"),
        ({"x-tollgate-tags": "x" * 9_000}, "standin-small"),
        ({"x-tollgate-tags": ",".join(["x"] * 5_000)}, "standin-small"),
    ],
)
def test_errors_about_headers_are_valid_and_short(
    hostile: Gateway, capsys: pytest.CaptureFixture[str], headers: dict[str, str], model: str
) -> None:
    response = send(hostile, request("key-hostile", chat(model), headers=headers))
    assert response.status in (400, 415)
    strict(response.body)
    assert len(response.body) < 1_000
    checked(response, capsys)


@pytest.mark.parametrize("path", [CONVERSE, "/v1/models/{model}"])
@pytest.mark.parametrize("model", ["\ud800", "x" * 9_000])
def test_errors_about_models_in_paths_are_valid_and_short(
    hostile: Gateway, capsys: pytest.CaptureFixture[str], path: str, model: str
) -> None:
    method = "POST" if path == CONVERSE else "GET"
    response = send(hostile, request("key-hostile", {}, path=path, model=model, method=method))
    assert response.status in (400, 404)
    strict(response.body)
    assert len(response.body) < 1_000
    checked(response, capsys)


DEEP = "[" * 800 + "]" * 800


@pytest.mark.parametrize(
    ("usage", "kept"),
    [
        (f'"extra": "{HALF}"', {"extra": "\ufffd"}),
        (f'"{HALF}": 1', {"\ufffd": 1}),
        ('"extra": [NaN, Infinity, -Infinity, 1e999]', {"extra": [None] * 4}),
        ('"extra": "\\ud83d\\ude00"', {"extra": "\U0001f600"}),
        (f'"extra": {DEEP}', None),
        (f'"extra": "{"x" * 3_000_000}"', {}),
        (f'"extra": {"9" * 2_000}', None),
    ],
)
def test_the_providers_usage_is_written_as_valid_and_short_json(
    bench: Bench, hostile: Gateway, capsys: pytest.CaptureFixture[str], usage: str, kept: dict[str, Any] | None
) -> None:
    counts = {"prompt_tokens": 7, "completion_tokens": 5}
    Scripted.body = (
        f'{{"model": "m{HALF}", "service_tier": "{HALF}", "choices": [], "usage": {{"prompt_tokens": 7, '
        f'"completion_tokens": 5, {usage}}}}}'
    ).encode()
    response = send(hostile, request("key-hostile", chat()))
    assert response.status == 200
    line = checked(response, capsys)
    assert (line["tokens_input"], line["tokens_output"], line["usage_source"]) == (7, 5, "reported")
    assert (line["model_served"], line["service_tier"]) == (None, "standard")
    (row,) = rows_of(bench, response)
    if kept is None:
        assert (line["usage_raw"], "usage_raw" in row) == (None, False)
    else:
        assert line["usage_raw"] == counts | kept
        assert strict(str(row["usage_raw"])) == counts | kept


def test_counts_that_are_no_numbers_are_replaced_by_an_estimate(
    hostile: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    Scripted.body = b'{"choices": [], "usage": {"prompt_tokens": NaN, "completion_tokens": 1e999}}'
    response = send(hostile, request("key-hostile", chat()))
    line = checked(response, capsys)
    assert (line["usage_source"], line["usage_raw"]) == (
        "estimated",
        {"prompt_tokens": None, "completion_tokens": None},
    )


def test_the_prompt_log_has_valid_text(bench: Bench, hostile: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    deltas = (
        f'{{"choices": [{{"index": 0, "delta": {{"content": "{text}"}}}}]}}' for text in ("\\ud83d", "\\ude00", HALF)
    )
    deep = f'{{"choices": [{{"index": 0, "delta": {"[" * 700 + "]" * 700}}}]}}'
    Scripted.body = "".join(f"data: {event}\n\n" for event in (*deltas, deep, "[DONE]")).encode()
    raw = b'{"model": "standin-small", "stream": true, "messages": [{"role": "user", "content": "\\ud800"}]}'
    response = send(hostile, request("key-hostile", raw, request_id="half"))
    assert response.status == 200
    checked(response, capsys)
    events = bench.cloud.client("logs").filter_log_events(logGroupName=GROUP)["events"]
    (line,) = [entry for event in events if (entry := strict(event["message"]))["request_id"] == "half"]
    assert strict(line["prompt"])["messages"][0]["content"] == "\ufffd"
    assert strict(line["response"]) == {"0.content": "\U0001f600\ufffd"}


def test_infinite_numbers_are_not_forwarded(hostile: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    raw = b'{"model": "standin-small", "temperature": 1e999, "messages": [], "max_tokens": 5, "stream": true}'
    response = send(hostile, request("key-hostile", raw))
    assert (response.status, strict(response.body)["error"]["code"]) == (400, "invalid_json")
    checked(response, capsys)
