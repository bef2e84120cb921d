"""Fuzzes providers on the wire: no caller gets another's response, no call hangs, and each answered one is charged.

python -m tests.fuzz wire SEED SECONDS
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from local.cloud.client import Cloud
from tests.fuzz.findings import Findings, part
from tests.fuzz.sandbox import Outcome, Sandbox, event, running
from tests.gateway.test_provider_connection import certificate, request_body

_WORKERS, _BATCH = 4, 12
_TIMEOUT, _SLACK = 1.0, 20.0
"""Seconds: the upstream timeout, and what a request may take in addition on a busy machine."""
_CALLER = re.compile(rb"caller-\d+-\d+-")
_SLOW_PARTS = 40
_NO_LINGER = struct.pack("ii", 1, 0)
_PROPER_INTERIM = (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
_INTERIM = (
    *_PROPER_INTERIM * 4, b"HTTP/1.1 102 A\r\ncontent-length: 2\r\n\r\n",
    b"HTTP/1.1 199 A\r\ntransfer-encoding: chunked\r\n\r\n", b"HTTP/1.1 101 A\r\nupgrade: x\r\n\r\n",
    b"HTTP/1.0 100 A\n\n", b"\r\n", b"HTTP/1.1 100",
)  # fmt: skip
_STATUS_LINES = (
    *(b"HTTP/1.1 200 OK",) * 40, b"HTTP/1.0 200 OK", b"HTTP/1.1 201", b"HTTP/1.1 204 A", b"HTTP/1.1 304 A",
    b"HTTP/1.1 206 A", b"HTTP/1.1 404 A", b"HTTP/1.1 429 A", b"HTTP/1.1 500 A", b"HTTP/1.1 600 A", b"HTTP/1.1 099 A",
    b"HTTP/1.1 1000 A", b"HTTP/2 200", b"HTTP/0.9 200 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1  200 OK", b"HTP/1.1 200 OK",
    b"\x16\x03\x03\x00\x7a", b"", b"HTTP/1.1 200 " + b"a" * 70_000,
)  # fmt: skip
_ODD_HEADERS = (
    b"connection: close", b"connection: keep-alive", b"content-encoding: gzip", b"content-encoding: br",
    b"transfer-encoding: gzip, chunked", b"transfer-encoding: identity", b"content-length: 5", b"content-length: 0",
    b"content-length: -1", b"content-length: 99999", b"content-length: x", b"content-length: 5, 5", b" folded",
    b"no colon", b": no name", b"a: " + b"b" * 70_000, b"a: \x00\xff", b"x-request-id: \xe9",
    b"location: http://127.0.0.1:1/", b"content-range: bytes 0-1/2", b"retry-after: 99999", b"retry-after: nan",
    b"content-type: text/html", b"a: b\n\rc: d", b"\r\n".join([b"a: b"] * 110),
)  # fmt: skip
_TLS_GARBAGE = (
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x16\x03\x03\x00\x7a\x02\x00",
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x17\x03\x03\xff\xff",
    b"\x00" * 99,
    b"",
)


@dataclass
class Behaviour:
    """What a provider does with one request. parts: bytes to send, each after a pause in seconds.

    end: keep the connection open, close it, or reset it. whole: the body, if it is sent as HTTP requires.
    done: set when all of it has happened.
    """

    parts: list[tuple[float, bytes]]
    end: str
    whole: bytes | None = None
    received: bool = False
    done: threading.Event = field(default_factory=threading.Event)


def generated(caller: str, random_: random.Random) -> Behaviour:
    """A response that names `caller`. What follows it names it as well, and so must not reach anyone else."""
    size = random_.choice((0, 100, 8_192, 30_000))
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": caller + "a" * size}}]}
    body = json.dumps(answer | {"usage": {"prompt_tokens": 7, "completion_tokens": 5}}).encode()
    headers = [b"content-type: application/json"]
    if random_.random() < 0.4:
        headers += random_.choices(_ODD_HEADERS, k=random_.choice((1, 1, 2)))
    framing, sent = _framed(body, random_)
    end = "keep"
    lines = [random_.choice(_STATUS_LINES), *random_.sample(headers + framing, len(headers + framing))]
    interim = random_.choices(_INTERIM, k=random_.choice((0, 0, 0, 1, 2, 40)))
    data = b"".join(interim) + b"\r\n".join(lines) + b"\r\n\r\n" + sent
    proper = (
        lines[0] == _STATUS_LINES[0] and len(headers) == 1 and {*interim} <= {*_PROPER_INTERIM} and len(interim) < 3
    )
    if random_.random() < 0.4:
        other = json.dumps({"choices": [], "id": f"after {caller}"}).encode()
        follower = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(other), other)
        data += random_.choice((follower, follower, b"\r\n" + follower, b"\r\n", b"0\r\n\r\n" + follower, other))
    if random_.random() < 0.2:
        data = data[: random_.randrange(len(data) + 1)]
        end, proper = random_.choice(("close", "reset", "keep")), False
    elif not framing or random_.random() < 0.1:
        end = "close"
    parts = _split(data, random_)
    proper = proper and framing == [b"content-length: %d" % len(body)] and len(parts) < _SLOW_PARTS
    return Behaviour(parts, end, body if proper else None)


def _framed(body: bytes, random_: random.Random) -> tuple[list[bytes], bytes]:
    """Headers that say how long a body is, and the body in this form. Often wrong."""
    kind = random_.randrange(10)
    if kind < 4:
        return [b"content-length: %d" % len(body)], body
    if kind == 4:
        return [b"content-length: %d" % max(0, len(body) + random_.choice((-30, -1, 1, 30)))], body
    if kind == 5:
        return [], body
    cuts = sorted(random_.randrange(len(body) + 1) for _ in range(3))
    pieces = [body[start:end] for start, end in zip((0, *cuts), (*cuts, len(body)), strict=True)]
    chunks = b"".join(
        b"%x%s\r\n%s\r\n" % (len(piece), random_.choice((b"", b";a=b")), piece) for piece in pieces if piece
    )
    last = random_.choice(
        (b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\na: b\r\n\r\n", b"0\r\n", b"", b"-1\r\n\r\n", b"zz\r\n", b"f" * 20 + b"\r\n")
    )
    return [b"transfer-encoding: chunked", *([b"content-length: 7"] if kind == 9 else [])], chunks + last


def _split(data: bytes, random_: random.Random) -> list[tuple[float, bytes]]:
    """`data` in parts, mostly sent at once, sometimes slower than the time limit."""
    if random_.random() < 0.03:
        return [(0.05, data[index : index + 1]) for index in range(min(len(data), _SLOW_PARTS))]
    cuts = sorted(random_.randrange(len(data) + 1) for _ in range(random_.choice((0, 0, 0, 1, 3))))
    return [
        (random_.choice((0, 0.005)) if cuts else 0, data[start:end])
        for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True)
    ]


class Server:
    """A provider on loopback that does with each request what `behaviours` says for the caller it names."""

    def __init__(self, tls: ssl.SSLContext | None, seed: int) -> None:
        self.behaviours: dict[bytes, Behaviour] = {}
        self._tls, self._random = tls, random.Random(seed)  # noqa: S311
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while (body := request_body(connection)) is not None:
                behaviour = self.behaviours[_CALLER.findall(body)[0]]
                behaviour.received = True
                try:
                    self._behave(connection, behaviour)
                finally:
                    behaviour.done.set()
                if behaviour.end != "keep":
                    return
        except OSError:
            connection.close()

    @staticmethod
    def _behave(connection: socket.socket, behaviour: Behaviour) -> None:
        for pause, data in behaviour.parts:
            time.sleep(pause)
            connection.sendall(data)
        if behaviour.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        if behaviour.end != "keep":
            connection.close()


class GarbageServer(Server):
    """A server that never completes a TLS handshake."""

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._random.random() < 0.7:
                connection.recv(9_999)
            time.sleep(self._random.choice((0, 0, 0.05, 2 * _TIMEOUT) if self._random.random() < 0.1 else (0,)))
            connection.sendall(self._random.choice(_TLS_GARBAGE))
            connection.close()
        except OSError:
            connection.close()


def check(caller: bytes, behaviour: Behaviour, outcome: Outcome, seconds: float) -> None:
    """Check who got what, how long it took, and the charge."""
    usage = outcome.usage
    assert set(_CALLER.findall(outcome.body)) <= {caller}, "another caller's response"
    assert seconds < _TIMEOUT + _SLACK, f"took {seconds:.1f} s"
    assert usage["settlement"] == "settled"
    if not behaviour.received:
        return
    if behaviour.whole is not None:
        assert (outcome.status, outcome.body) == (200, behaviour.whole)
    if usage["upstream_status"] is None:
        assert usage["cost_nano_usd"] == usage["held_nano_usd"] > 0, "no response: the provider may have billed it"
    elif usage["upstream_status"] < 300:
        assert usage["cost_nano_usd"] > 0
    else:
        assert usage["cost_nano_usd"] == 0


class Worker:
    """Sends requests of different callers through one sandbox."""

    def __init__(self, number: int, found: Findings, sandbox: Sandbox, servers: dict[str, Server]) -> None:
        self._number, self._found, self._sandbox, self._servers = number, found, sandbox, servers
        self._random = random.Random(f"{found.seed}-{number}")  # noqa: S311 - reproducible on purpose
        self._count = 0

    def run(self) -> None:
        while self._found.running:
            for _ in range(_BATCH):
                self._one()
            with self._found.case(lambda: f"the ledger after {_BATCH} requests"):
                self._sandbox.next_consumer(self._random.randrange(3))

    def _one(self) -> None:
        self._count += 1
        caller = f"caller-{self._number}-{self._count}-"
        name = self._random.choice(("plain", "plain", "tls", "tls", "garbage") if self._count % 5 else ("plain", "tls"))
        behaviour = generated(caller, self._random)
        self._servers[name].behaviours[caller.encode()] = behaviour
        body = {"model": name, "messages": [{"role": "user", "content": caller}], "max_tokens": 20}
        with self._found.case(lambda: (caller, name, behaviour)):
            started = time.monotonic()
            outcome = self._sandbox.invoke(
                event(self._sandbox.key_id, "/v1/chat/completions", json.dumps(body).encode())
            )
            check(caller.encode(), behaviour, outcome, time.monotonic() - started)
            if name == "garbage":
                assert (outcome.status, outcome.usage["cost_nano_usd"]) == (502, 0), "no byte of the request was sent"
            if behaviour.received:  # the next request starts when nothing more comes
                behaviour.done.wait(3)


@contextmanager
def _servers(folder: Path, seed: int) -> Iterator[dict[str, Server]]:
    tls = certificate(folder)
    servers = {"plain": Server(None, seed), "tls": Server(tls, seed), "garbage": GarbageServer(None, seed)}
    with mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(folder / "provider.pem")}):
        yield servers
    for server in servers.values():
        server.close()


def run(seed: int, seconds: float, cloud: Cloud | None = None) -> int:
    """Fuzz for `seconds`. Returns the number of failures. cloud: a running one; None: a new one."""
    with (
        part("wire", seed, seconds) as found,
        tempfile.TemporaryDirectory() as folder,
        running(cloud) as (used, log),
        _servers(Path(folder), seed) as servers,
        ThreadPoolExecutor(_WORKERS) as pool,
    ):
        workers = []
        for number in range(_WORKERS):
            sandbox = Sandbox(used, log, "http://127.0.0.1:9", upstream_timeout_seconds=_TIMEOUT, upstream_retries=0)
            for name, server in servers.items():
                scheme = "http" if name == "plain" else "https"
                sandbox.add_provider(name, f"{scheme}://127.0.0.1:{server.port}/v1")
            sandbox.start()
            workers.append(Worker(number, found, sandbox, servers))
        for done in [pool.submit(worker.run) for worker in workers]:
            done.result()
    return found.failures
