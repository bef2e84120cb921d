"""The gateway's function in a process of its own, as Lambda starts it, and the Runtime API that it calls.

The benchmark's process plays API Gateway: it hands out events and receives the streamed responses.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from benchmarks.overhead import process
from lambda_src.contract import STREAM_VARIABLE

TIMEOUT_SECONDS: Final = 900
_DELIMITER: Final = bytes(8)


@dataclass(slots=True)
class Received:
    """A streamed response. first_byte: of the body, in time.perf_counter seconds."""

    head: bytes = b""
    first_byte: float = 0.0
    size: int = 0

    def add(self, part: bytes) -> None:
        """Take a part of the prelude or of the body."""
        if not self.first_byte:
            head, delimiter, part = (self.head + part).partition(_DELIMITER)
            self.head = head + delimiter
            if part:
                self.first_byte = time.perf_counter()
        self.size += len(part)


class Sandbox:
    """A running sandbox. Its CPU time and memory are those of process `pid`."""

    def __init__(self, pid: int, events: queue.Queue[dict[str, Any]], ended: queue.Queue[Received]) -> None:
        self.pid, self._events, self._ended = pid, events, ended

    def invoke(self, path: str, body: Mapping[str, object], model: str | None = None) -> tuple[float, Received]:
        """The response to a request, and the seconds until its first byte. model: in the path."""
        started = time.perf_counter()
        self._events.put(_event(path, body, model))
        received = self._ended.get(timeout=TIMEOUT_SECONDS)
        assert b'"statusCode":200' in received.head, received.head
        return received.first_byte - started, received


def _event(path: str, body: Mapping[str, object], model: str | None) -> dict[str, Any]:
    return {
        "httpMethod": "POST",
        "headers": {"content-type": "application/json"},
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "isBase64Encoded": True,
        "pathParameters": None if model is None else {"model": model},
        "stageVariables": {STREAM_VARIABLE: "true"},
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "requestTimeEpoch": int(time.time() * 1000),
            "resourcePath": path,
            "identity": {"apiKeyId": "key-bench"},
        },
    }


@contextlib.contextmanager
def sandbox(environment: Mapping[str, str]) -> Iterator[Sandbox]:
    """A sandbox that runs during a `with` block. environment: variables of the function."""
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    ended: queue.Queue[Received] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = json.dumps(events.get()).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + TIMEOUT_SECONDS) * 1000)))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            received = Received()
            while size := int(self.rfile.readline(), 16):
                received.add(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = True
            ended.put(received)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    variables = {
        **os.environ,
        **environment,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "_HANDLER": "lambda_src.streaming_handler.handler",
    }
    with process([sys.executable, "-m", "lambda_src.runtime"], env=variables, stdout=subprocess.DEVNULL) as child:
        yield Sandbox(child.pid, events, ended)
    server.shutdown()
