"""The HTTP server of the stand-in provider: authentication, scripted faults and delivery.

    with StandInProvider.start() as provider:
        OpenAI(base_url=f"{provider.url}/v1", api_key="sk-standin-openai")
        provider.calls()

`local.provider.cli` describes what it serves.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from local.provider.call_log import ID_HEADERS, CallLog, ServedCall, as_json, totals
from local.provider.protocol import (
    JSON,
    JsonObject,
    ProviderError,
    ReceivedRequest,
    StandInKeys,
    SuccessResponse,
    json_bytes,
)
from local.provider.routes import DIALECTS, ServedDialect, route_of
from local.provider.script import Script, UnknownScriptWord, script_of

RELEASE_SECONDS = 10.0
"""How long a stepped stream waits for `release`, before it is cut."""
_NO_LINGER = struct.pack("ii", 1, 0)
_GARBAGE = b"<html><body>Bad gateway</body></html>"


class StandInProvider(ThreadingHTTPServer):
    """The running provider, with one thread per connection; connections are kept alive."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, host: str, port: int, keys: StandInKeys) -> None:
        super().__init__((host, port), ConnectionHandler)
        self.keys = keys
        self.log = CallLog()
        self.steps = threading.Semaphore(0)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    @classmethod
    def start(cls, port: int = 0, *, host: str = "127.0.0.1", keys: StandInKeys | None = None) -> StandInProvider:
        """Serve in threads of this process until `stop`. Port 0 takes a free port; OSError if `port` is taken."""
        provider = cls(host, port, keys or StandInKeys())
        threading.Thread(target=provider.serve_forever, args=(0.05,), name="standin", daemon=True).start()
        return provider

    @property
    def url(self) -> str:
        """`http://host:port`; append `/v1` for OpenAI's SDK."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def calls(self) -> list[ServedCall]:
        """Copies of all calls since the last `clear`, in order of arrival."""
        return self.log.calls()

    def totals(self) -> dict[str, object]:
        """Sums of `calls()`; see `call_log.totals`."""
        return totals(self.calls())

    def clear(self) -> None:
        """Delete all calls from the log, and take back what `release` has allowed."""
        self.log.clear()
        self.steps = threading.Semaphore(0)

    def release(self, events: int = 1) -> None:
        """Let stepped streams send so many more events."""
        self.steps.release(events)

    def stop(self) -> None:
        """Stop at once: close open connections and refuse new ones."""
        self.shutdown()
        self.server_close()
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client has closed it already

    def __enter__(self) -> StandInProvider:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def server_bind(self) -> None:
        """Bind without looking up the host name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def track(self, connection: socket.socket, *, opened: bool) -> None:
        """Record an opened or closed connection, so that `stop` can close those that are kept alive."""
        with self._open_lock:
            (self._open.add if opened else self._open.discard)(connection)


class ConnectionHandler(BaseHTTPRequestHandler):
    """Serves the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StandInProvider

    def setup(self) -> None:
        """Called when the connection opens."""
        super().setup()
        self.server.track(self.connection, opened=True)

    def finish(self) -> None:
        """Called when the connection closes."""
        self.server.track(self.connection, opened=False)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Print nothing: the call log contains more."""

    def do_POST(self) -> None:
        """Serve a request of any method."""
        request = ReceivedRequest(self.command, self.path.partition("?")[0], self.headers, self._body())
        if request.path.startswith("/_standin/"):
            self._serve_log(request)
            return
        name, operation, model = route_of(request)
        ids = {header: value for header in ID_HEADERS if (value := self.headers.get(header)) is not None}
        call = self.server.log.begin(name, operation, ids)
        dialect = DIALECTS[name]
        try:
            try:
                self._serve(call, dialect, request, model)
            except ProviderError as error:
                call.status, call.outcome = error.status, "delivered"
                body, headers = dialect.error_response(error, call.request_id)
                self._send(error.status, JSON, body, headers | error.headers)
        except OSError:
            call.outcome, self.close_connection = "client_gone", True

    do_GET = do_DELETE = do_PUT = do_POST  # noqa: N815 - the base class names them so

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve_log(self, request: ReceivedRequest) -> None:
        calls = self.server.log.calls()
        pages: dict[tuple[str, str], JsonObject] = {
            ("GET", "/_standin/calls"): {"calls": as_json(calls), "totals": totals(calls)},
            ("GET", "/_standin/totals"): totals(calls),
        }
        if (request.method, request.path) == ("DELETE", "/_standin/calls"):
            self.server.log.clear()
            self._send(204, JSON, b"", {})
        elif (page := pages.get((request.method, request.path))) is not None:
            self._send(200, JSON, json_bytes(page), {})
        else:
            text = f"{request.method} {request.path}: use GET or DELETE /_standin/calls, or GET /_standin/totals"
            self._send(404, JSON, json_bytes({"error": text}), {})

    def _serve(self, call: ServedCall, dialect: ServedDialect, request: ReceivedRequest, model: str | None) -> None:
        dialect.authenticate(request, self.server.keys)
        if not call.operation:
            raise ProviderError(404, f"Invalid URL ({request.method} {request.path})")
        call.body = request.body[:2_000].decode(errors="replace")
        body = _json(request) if request.method == "POST" else {}
        if model is not None:
            body["model"] = model
        call.model = str(body.get("model", ""))
        call.stream = body.get("stream") is True or call.operation == "converse_stream"
        if not call.model and call.operation != "models":
            raise ProviderError(400, "you must provide a model parameter")
        script = _script(call.model)
        if script.slow:
            time.sleep(script.slow)
            self._check_client()
        if "reset" in script.flags:
            self._reset(call)
            return
        self._fail(script, request)
        response = dialect.respond(call.operation, body, len(request.body), script, call.request_id)
        call.tokens = response.tokens
        call.usage_reported = response.usage_reported and "garbage" not in script.flags
        call.service_tier, call.prompt, call.status = response.service_tier, response.user_text[:80], 200
        headers = dialect.success_headers(call.request_id)
        if "garbage" in script.flags:
            response = SuccessResponse("text/html", _GARBAGE)
        if response.events is None:
            self._deliver(call, script, response, headers)
        else:
            self._stream(call, script, response, headers)

    def _fail(self, script: Script, request: ReceivedRequest) -> None:
        """Raise the ProviderError that the script asks for, if it applies to this attempt."""
        if script.status is None:
            return
        if script.failures is not None:
            fingerprint = hashlib.sha256(request.path.encode() + request.body).digest()
            if not self.server.log.fails(fingerprint, script.failures):
                return
        headers = {} if script.retry_after is None else {"retry-after": script.retry_after}
        raise ProviderError(script.status, f"The model name asks for status {script.status}.", headers=headers)

    def _check_client(self) -> None:
        """Raise ConnectionAbortedError if the client has hung up; the kernel would still accept one write."""
        try:
            if self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                raise ConnectionAbortedError
        except BlockingIOError:
            return

    def _reset(self, call: ServedCall) -> None:
        call.outcome, self.close_connection = "reset", True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        # The base class would shut the connection down properly. Closing the descriptor resets it.
        self.server.track(self.connection, opened=False)
        os.close(self.connection.detach())

    def _deliver(self, call: ServedCall, script: Script, response: SuccessResponse, headers: dict[str, str]) -> None:
        # The log is updated before the client has the last byte, because a test may read it right then.
        call.outcome, sent_bytes = "delivered", len(response.body)
        if "cut" in script.flags:
            call.outcome, sent_bytes, self.close_connection = "cut", sent_bytes // 2, True
        self._send(200, response.content_type, response.body, headers, sent_bytes)

    def _stream(self, call: ServedCall, script: Script, response: SuccessResponse, headers: dict[str, str]) -> None:
        events = response.events or ()
        half = len(events) // 2
        outcome, parts, end = "delivered", list(events), b"0\r\n\r\n"
        if "cut" in script.flags:
            outcome, parts, end = "cut", [*events[:half], events[half][: len(events[half]) // 2]], b""
            self.close_connection = True
        elif "error-event" in script.flags:
            outcome, parts = "error_event", [*events[:half], response.error_event]
        chunked = {"transfer-encoding": "chunked", "cache-control": "no-cache"}
        head = _head(200, response.content_type, headers | chunked)
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
        if script.drip or script.pause or "stepped" in script.flags:
            self.wfile.write(head)
            for number, chunk in enumerate(chunks):
                if "stepped" in script.flags and not self.server.steps.acquire(timeout=RELEASE_SECONDS):
                    call.outcome, self.close_connection = "unreleased", True
                    return
                self.wfile.write(chunk)
                time.sleep(script.drip / len(chunks) + (script.pause if number + 1 == half else 0))
            head, chunks = b"", []
        call.outcome = outcome
        self.wfile.write(b"".join((head, *chunks, end)))

    def _send(
        self, status: int, content_type: str, body: bytes, headers: dict[str, str], sent_bytes: int | None = None
    ) -> None:
        """Write the header and the body's first `sent_bytes` (None: all of it) in one call."""
        self.wfile.write(_head(status, content_type, headers | {"content-length": str(len(body))}) + body[:sent_bytes])


def _head(status: int, content_type: str, headers: dict[str, str]) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Overloaded"  # 529
    lines = [f"HTTP/1.1 {status} {reason}", f"content-type: {content_type}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _json(request: ReceivedRequest) -> JsonObject:
    try:
        body = json.loads(request.body)
    except ValueError:
        raise ProviderError(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise ProviderError(400, f"Invalid body: expected an object, got {type(body).__name__}.")
    return body


def _script(model: str) -> Script:
    try:
        return script_of(model)
    except UnknownScriptWord as error:
        raise ProviderError(404, f"The model `{model}` does not exist: {error}", "model_not_found") from None
