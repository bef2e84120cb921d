"""HTTP of the stand-in provider: routes, faults and delivery. What is delivered comes from the dialects."""

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

from local.provider.call_log import ID_HEADERS, CallLog, ServedCall, as_json, totals
from local.provider.routes import DIALECTS, ServedDialect, route_of
from local.provider.script import Script, UnknownScript, script_of
from local.provider.wire import JSON, JsonObject, Keys, ProviderError, Received, Reply, dump

_LINGER_NOT = struct.pack("ii", 1, 0)
_GARBAGE = b"<html><body>A proxy in between had a bad day.</body></html>"


class Server(ThreadingHTTPServer):
    """A thread per connection; connections are kept alive."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, host: str, port: int, keys: Keys, log: CallLog) -> None:
        super().__init__((host, port), Handler)
        self.keys = keys
        self.log = log
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def track(self, connection: socket.socket, *, opened: bool) -> None:
        """Know the open connections, so that `close_connections` ends those kept alive."""
        with self._open_lock:
            (self._open.add if opened else self._open.discard)(connection)

    def close_connections(self) -> None:
        """End every open connection."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other side was faster


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        """Called once per connection."""
        super().setup()
        self.server.track(self.connection, opened=True)

    def finish(self) -> None:
        """Called once per connection."""
        self.server.track(self.connection, opened=False)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Silence: the account of calls says more."""

    def do_POST(self) -> None:
        """Serve one request of any method."""
        received = Received(self.command, self.path.partition("?")[0], self.headers, self._body())
        if received.path.startswith("/_standin/"):
            self._account(received)
            return
        name, operation, model = route_of(received)
        ids = {each: value for each in ID_HEADERS if (value := self.headers.get(each)) is not None}
        call = self.server.log.begin(name, operation, ids)
        dialect = DIALECTS[name]
        try:
            try:
                self._serve(call, dialect, received, model)
            except ProviderError as refusal:
                call.status, call.outcome = refusal.status, "delivered"
                body, headers = dialect.error(refusal, call.request_id)
                self._send(refusal.status, JSON, body, headers | refusal.headers)
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

    def _account(self, received: Received) -> None:
        calls = self.server.log.calls()
        answers: dict[tuple[str, str], JsonObject] = {
            ("GET", "/_standin/calls"): {"calls": as_json(calls), "totals": totals(calls)},
            ("GET", "/_standin/totals"): totals(calls),
        }
        if (received.method, received.path) == ("DELETE", "/_standin/calls"):
            self.server.log.clear()
            self._send(204, JSON, b"", {})
        elif (found := answers.get((received.method, received.path))) is not None:
            self._send(200, JSON, dump(found), {})
        else:
            text = f"{received.method} {received.path}: try GET or DELETE /_standin/calls, or GET /_standin/totals"
            self._send(404, JSON, dump({"error": text}), {})

    def _serve(self, call: ServedCall, dialect: ServedDialect, received: Received, model: str | None) -> None:
        dialect.check(received, self.server.keys)
        if not call.operation:
            raise ProviderError(404, f"Invalid URL ({received.method} {received.path})")
        body = _json(received) if received.method == "POST" else {}
        if model is not None:
            body["model"] = model
        call.model = str(body.get("model", ""))
        call.stream = body.get("stream") is True or call.operation == "converse_stream"
        if not call.model and call.operation != "models":
            raise ProviderError(400, "you must provide a model parameter")
        script = _script(call.model)
        if script.slow:
            time.sleep(script.slow)
            self._still_there()
        if "reset" in script.flags:
            self._reset(call)
            return
        self._fail(script, received)
        reply = dialect.answer(call.operation, body, len(received.body), script, call.request_id)
        call.tokens, call.usage_shown = reply.tokens, reply.usage_shown and "garbage" not in script.flags
        call.service_tier, call.prompt, call.status = reply.service_tier, reply.question[:80], 200
        headers = dialect.success_headers(call.request_id)
        if "garbage" in script.flags:
            reply = Reply("text/html", _GARBAGE)
        if reply.events is None:
            self._deliver(call, script, reply, headers)
        else:
            self._stream(call, script, reply, reply.events, headers)

    def _fail(self, script: Script, received: Received) -> None:
        """Refusal where the script wants an error, now."""
        if script.status is None:
            return
        if script.failures is not None:
            fingerprint = hashlib.sha256(received.path.encode() + received.body).digest()
            if not self.server.log.fails(fingerprint, script.failures):
                return
        headers = {} if script.retry_after is None else {"retry-after": script.retry_after}
        raise ProviderError(script.status, f"The model's name asks for status {script.status}.", headers=headers)

    def _still_there(self) -> None:
        """ConnectionAbortedError where the caller did not wait: the kernel alone would take one more answer."""
        try:
            if self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                raise ConnectionAbortedError
        except BlockingIOError:
            return

    def _reset(self, call: ServedCall) -> None:
        call.outcome, self.close_connection = "reset", True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        # The base class would say goodbye first; a descriptor that is just closed resets the connection.
        self.server.track(self.connection, opened=False)
        os.close(self.connection.detach())

    def _deliver(self, call: ServedCall, script: Script, reply: Reply, headers: dict[str, str]) -> None:
        # The account is right before the caller has the last byte, so that it can be read at once.
        if "cut" in script.flags:
            call.outcome, self.close_connection = "cut", True
            self._send(200, reply.content_type, reply.body, headers, most=len(reply.body) // 2)
        else:
            call.outcome = "delivered"
            self._send(200, reply.content_type, reply.body, headers)

    def _stream(
        self, call: ServedCall, script: Script, reply: Reply, events: tuple[bytes, ...], headers: dict[str, str]
    ) -> None:
        half = len(events) // 2
        outcome, parts, end = "delivered", list(events), b"0\r\n\r\n"
        if "cut" in script.flags:
            outcome, parts, end = "cut", [*events[:half], events[half][: len(events[half]) // 2]], b""
            self.close_connection = True
        elif "error-event" in script.flags:
            outcome, parts = "error_event", [*events[:half], reply.failure]
        head = _head(200, reply.content_type, headers | {"transfer-encoding": "chunked", "cache-control": "no-cache"})
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
        if script.drip:
            self.wfile.write(head)
            for chunk in chunks:
                self.wfile.write(chunk)
                time.sleep(script.drip / len(chunks))
            head, chunks = b"", []
        call.outcome = outcome
        self.wfile.write(b"".join((head, *chunks, end)))

    def _send(
        self, status: int, content_type: str, body: bytes, headers: dict[str, str], most: int | None = None
    ) -> None:
        """One write: header and body (its first `most` bytes) together."""
        self.wfile.write(_head(status, content_type, headers | {"content-length": str(len(body))}) + body[:most])


def _head(status: int, content_type: str, headers: dict[str, str]) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Overloaded"  # 529
    lines = [f"HTTP/1.1 {status} {reason}", f"content-type: {content_type}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _json(received: Received) -> JsonObject:
    try:
        body = json.loads(received.body)
    except ValueError:
        raise ProviderError(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise ProviderError(400, f"Invalid body: expected an object, got {type(body).__name__}.")
    return body


def _script(model: str) -> Script:
    try:
        return script_of(model)
    except UnknownScript as error:
        raise ProviderError(404, f"The model `{model}` does not exist: {error}", "model_not_found") from None
