"""The gateway's loop on Lambda's Runtime API, against a server that follows a script."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from lambda_src import runtime

ROOT = Path(__file__).parent.parent.parent
TRACE = "_X_AMZN_TRACE_ID"
TYPE, BODY = "Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"


@dataclass
class Call:
    """A request that the Runtime API received. trailers: of a streamed response; None if it has no end."""

    path: str
    headers: dict[str, str]
    body: bytes
    trailers: dict[str, str] | None = None

    @property
    def prelude(self) -> dict[str, Any]:
        return dict(json.loads(self.body.partition(bytes(8))[0]))

    @property
    def streamed(self) -> bytes:
        return self.body.partition(bytes(8))[2]


@dataclass
class RuntimeApiServer(ThreadingHTTPServer):
    """Hands out `events`, and then status 500. answers: statuses for calls whose path ends so; 0: the connection is
    closed as soon as the head has come. asked: set by the second call of `next`, whose answer waits for `resumed`."""

    events: list[Any] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    next_headers: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    asked: Event = field(default_factory=Event)
    resumed: Event | None = None

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.daemon_threads = True

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def sent(self) -> list[Call]:
        """All calls but `next`."""
        return [call for call in self.calls if not call.path.endswith("/next")]


class _Handler(BaseHTTPRequestHandler):
    server: RuntimeApiServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self.server.calls.append(Call(self.path, dict(self.headers), b""))
        number = len([call for call in self.server.calls if call.path.endswith("/next")])
        if number == 2:
            self.server.asked.set()
            if self.server.resumed is not None:
                self.server.resumed.wait(20)
        if number > len(self.server.events):
            self._answer(self.server.answers.get("next", 500))
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": f"invocation-{number}",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 30_000),
            **self.server.next_headers,
        }
        if number == 1:
            headers["Lambda-Runtime-Trace-Id"] = "Root=1-2-3"
        event = self.server.events[number - 1]
        self._answer(200, event if isinstance(event, bytes) else json.dumps(event).encode(), headers)

    def do_POST(self) -> None:
        name = self.path.rpartition("/")[2]
        status = self.server.answers.get(name, 202)
        call = Call(self.path, dict(self.headers), b"")
        self.server.calls.append(call)
        if not status:
            self._answer(0)
            return
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline() or b"0", 16):
                call.body += self.rfile.read(size)
                self.rfile.readline()
            lines = list(iter(self.rfile.readline, b"\r\n"))
            call.trailers = dict(line.decode().strip().split(": ", 1) for line in lines)
            self.close_connection = True
        else:
            call.body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(status)

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def lambda_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[RuntimeApiServer]:
    server = RuntimeApiServer()
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", server.host)
    monkeypatch.setenv("_HANDLER", f"{__name__}.handler")
    monkeypatch.delenv(TRACE, raising=False)
    handlers = list(logging.getLogger().handlers)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    logging.getLogger().handlers[:] = handlers
    os.environ.pop(TRACE, None)


def handler(invocation: Any, stream: Any) -> Any:
    """The function of these tests: `event` names what it does."""
    return HANDLERS[invocation.event](invocation, stream)


def _stream(_: Any, stream: Any) -> None:
    stream.begin(201, {"content-type": "text/plain"}, b"a")
    stream.write(b"")
    stream.write(b"b" * 100_000)


def _fail_late(invocation: Any, stream: Any) -> None:
    _stream(invocation, stream)
    raise ValueError("a secret")


def _fail(*_: Any) -> None:
    raise ValueError("a secret")


def _exit(*_: Any) -> None:
    raise SystemExit(7)


def _log(*_: Any) -> dict[str, object]:
    logging.getLogger("urllib3.response").warning("two %s", "lengths")
    print(json.dumps({"kind": "usage"}))
    return {}


def _large_prelude(_: Any, stream: Any) -> None:
    from lambda_src.core.http_event import valid_headers

    headers = {name: "v" * size for name, size in (("x-request-id", 20_000), ("content-type", 512))}
    stream.begin(200, valid_headers(headers), b"")


HANDLERS: dict[str, Callable[[Any, Any], Any]] = {
    "stream": _stream,
    "whole": lambda *_: {"statusCode": 200},
    "trace": lambda *_: {"trace": os.environ.get(TRACE)},
    "left": lambda invocation, _: {"left": invocation.seconds_left},
    "nothing": lambda *_: None,
    "not json": lambda *_: {"a": object()},
    "fail": _fail,
    "fail late": _fail_late,
    "exit": _exit,
    "log": _log,
    "large prelude": _large_prelude,
}


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_stream_has_a_prelude_and_an_end(lambda_api: RuntimeApiServer) -> None:
    lambda_api.events = ["stream"]
    assert runtime.main() == 1, "the next invocation is an error of the container"
    (call,) = lambda_api.sent
    assert call.path == "/2018-06-01/runtime/invocation/invocation-1/response"
    assert call.headers["Lambda-Runtime-Function-Response-Mode"] == "streaming"
    assert call.headers["Content-Type"] == "application/vnd.awslambda.http-integration-response"
    assert call.prelude == {"statusCode": 201, "headers": {"content-type": "text/plain"}}
    assert call.streamed == b"a" + b"b" * 100_000
    assert call.trailers == {}


def test_trace_id_deadline_and_whole_responses(lambda_api: RuntimeApiServer) -> None:
    lambda_api.events = ["trace", "trace", "left"]
    runtime.main()
    first, second, third = (json.loads(call.body) for call in lambda_api.sent)
    assert (first["trace"], second["trace"]) == ("Root=1-2-3", None)
    assert 29 < third["left"] <= 30


@pytest.mark.parametrize("event", ["fail", "nothing", "not json"])
def test_an_exception_before_the_status_is_an_error_and_the_loop_goes_on(
    lambda_api: RuntimeApiServer, capsys: pytest.CaptureFixture[str], event: str
) -> None:
    lambda_api.events = [event, "whole"]
    runtime.main()
    failed, whole = lambda_api.sent
    error = {"fail": "ValueError"}.get(event, "TypeError")
    assert failed.path.endswith("/invocation-1/error")
    assert failed.headers[TYPE] == f"Runtime.{error}"
    assert json.loads(failed.body) == {"errorType": f"Runtime.{error}", "errorMessage": error, "stackTrace": []}
    assert json.loads(whole.body) == {"statusCode": 200}
    line, _ = lines_of(capsys)
    assert (line["kind"], line["request_id"], line["error_type"]) == ("exception", "invocation-1", error)
    assert "a secret" not in json.dumps(line)


def test_an_exception_after_the_status_is_in_the_trailers(lambda_api: RuntimeApiServer) -> None:
    lambda_api.events = ["fail late", "whole"]
    runtime.main()
    cut, _ = lambda_api.sent
    assert cut.streamed == b"a" + b"b" * 100_000
    assert cut.trailers is not None
    assert cut.trailers[TYPE] == "Runtime.ValueError"
    assert json.loads(base64.b64decode(cut.trailers[BODY]))["errorMessage"] == "ValueError"


def test_the_prelude_stays_below_16_kb(lambda_api: RuntimeApiServer) -> None:
    lambda_api.events = ["large prelude"]
    runtime.main()
    (call,) = lambda_api.sent
    assert call.prelude["headers"] == {"content-type": "v" * 512}


@pytest.mark.parametrize(("event", "name"), [("whole", "response"), ("stream", "response"), ("fail", "error")])
def test_a_rejected_response_is_logged_and_the_loop_goes_on(
    lambda_api: RuntimeApiServer, capsys: pytest.CaptureFixture[str], event: str, name: str
) -> None:
    lambda_api.events, lambda_api.answers = [event, "whole"], {name: 413}
    runtime.main()
    assert [call.path.split("/")[-2] for call in lambda_api.sent] == ["invocation-1", "invocation-2"]
    lost = [line for line in lines_of(capsys) if line["kind"] == "response_lost"]
    assert (lost[0]["request_id"], lost[0]["reason"], lost[0]["level"]) == ("invocation-1", "status 413", "WARN")


@pytest.mark.parametrize(("event", "name"), [("whole", "response"), ("stream", "response"), ("fail", "error")])
def test_a_container_error_ends_the_sandbox(
    lambda_api: RuntimeApiServer, capsys: pytest.CaptureFixture[str], event: str, name: str
) -> None:
    lambda_api.events, lambda_api.answers = [event, "whole"], {name: 500}
    assert runtime.main() == 1
    assert len(lambda_api.sent) == 1
    line = lines_of(capsys)[-1]
    assert (line["kind"], line["error_type"], line["reason"]) == ("exception", "RuntimeApiError", "status 500")


def test_a_closed_connection_loses_a_stream_and_the_loop_goes_on(
    lambda_api: RuntimeApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    lambda_api.events, lambda_api.answers = ["stream", "log"], {"response": 0}
    assert runtime.main() == 1
    lines = lines_of(capsys)
    assert lines[0]["kind"] == "response_lost"
    assert lines[0]["reason"] in ("BrokenPipeError", "ConnectionResetError", "RemoteDisconnected")
    assert {"kind": "usage"} in lines, "the next invocation is handled"


@pytest.mark.parametrize(("status", "reason"), [(403, "status 403"), (500, "status 500"), (0, "RemoteDisconnected")])
def test_next_fails(lambda_api: RuntimeApiServer, capsys: pytest.CaptureFixture[str], status: int, reason: str) -> None:
    lambda_api.answers = {"next": status}
    assert runtime.main() == 1
    (line,) = lines_of(capsys)
    assert line["reason"] == f"next: {reason}"


@pytest.mark.parametrize(("event", "headers"), [(b"a secret", {}), ("whole", {"Lambda-Runtime-Deadline-Ms": "soon"})])
def test_an_unreadable_invocation_ends_the_sandbox(
    lambda_api: RuntimeApiServer, capsys: pytest.CaptureFixture[str], event: Any, headers: dict[str, str]
) -> None:
    lambda_api.events, lambda_api.next_headers = [event], headers
    assert runtime.main() == 1
    (line,) = lines_of(capsys)
    assert line["reason"] == "next: invalid invocation"


@pytest.mark.parametrize("name", ["no_such_module.handler", "json.no_such_function", "malformed"])
def test_a_function_that_cannot_start_is_reported(
    lambda_api: RuntimeApiServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("_HANDLER", name)
    assert runtime.main() == 1
    (call,) = lambda_api.calls
    assert call.path == "/2018-06-01/runtime/init/error"
    assert call.headers[TYPE].startswith("Runtime.")


def test_system_exit_ends_the_sandbox_without_a_response(lambda_api: RuntimeApiServer) -> None:
    lambda_api.events = ["exit", "whole"]
    with pytest.raises(SystemExit):
        runtime.main()
    assert lambda_api.sent == []


def test_lines_are_those_of_lambdas_own_client(
    lambda_api: RuntimeApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    lambda_api.events = ["log"]
    runtime.main()
    record, printed, _ = lines_of(capsys)
    assert time.strptime(record.pop("timestamp"), "%Y-%m-%dT%H:%M:%SZ")
    assert record == {
        "level": "WARNING", "message": "two lengths", "logger": "urllib3.response", "requestId": "invocation-1",
    }  # fmt: skip
    assert printed == {"kind": "usage"}


def test_lines_are_out_before_the_next_invocation(lambda_api: RuntimeApiServer, tmp_path: Path) -> None:
    """stdout is a pipe in Lambda, where Python would keep lines in a buffer. The sandbox may be frozen after `next`."""
    (tmp_path / "app.py").write_text(
        "import os, sys\ndef handler(invocation, stream):\n    print('one'); print('half', end='')\n    return {}\n"
    )
    environment = {**os.environ, "_HANDLER": "app.handler", "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    lambda_api.events, lambda_api.resumed = ["first"], Event()
    command = [sys.executable, "-m", "lambda_src.runtime"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert lambda_api.asked.wait(20)
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100) == b"one\nhalf"
        lambda_api.resumed.set()
        process.stdout.read()
    assert process.returncode == 1
