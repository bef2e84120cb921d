"""HTTP connections that are kept by origin, with or without TLS."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

IDLE_SECONDS: Final = 50.0
"""After a long pause (Lambda freezes idle sandboxes) the server has closed the connection."""
_MAX_IDLE: Final = 64
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Origin = tuple[str, str, int]
"""Scheme, host and port."""


def origin_of(url: str) -> Origin:
    """The origin of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]


class ConnectionPool:
    """Connections by origin. Thread-safe."""

    def __init__(self, connect_seconds: float) -> None:
        self._connect_seconds = connect_seconds
        self._idle: dict[Origin, deque[tuple[HTTPConnection, float]]] = {}
        self._tls: ssl.SSLContext | None = None

    def take(self, origin: Origin, deadline: float) -> HTTPConnection:
        """A kept connection, or a new one before `deadline`, in time.monotonic seconds. OSError (ssl.SSLError for TLS)
        or UnicodeError if there is none."""
        return self._kept(origin) or self._connect(origin, deadline)

    def keep(self, origin: Origin, connection: HTTPConnection) -> None:
        """Keep a clean connection, whose last response was read to its end, for another request."""
        idle = self._idle.setdefault(origin, deque())
        idle.append((connection, time.monotonic()))
        if len(idle) > _MAX_IDLE:
            idle.popleft()[0].close()

    def _kept(self, origin: Origin) -> HTTPConnection | None:
        idle = self._idle.get(origin)
        while idle:
            try:
                connection, since = idle.pop()
            except IndexError:  # another thread was faster
                break
            # Bytes that can be read now belong to no request, or are the end of the connection.
            if time.monotonic() - since <= IDLE_SECONDS and not has_data(connection.sock):
                return connection
            connection.close()
        return None

    def _connect(self, origin: Origin, deadline: float) -> HTTPConnection:
        scheme, host, port = origin
        connection = new_connection(origin)
        until = min(deadline, time.monotonic() + self._connect_seconds)
        try:
            connection.sock = _connected_socket(host, port, until)
            if scheme == "https":
                if self._tls is None:
                    self._tls = ssl.create_default_context()
                limit(connection.sock, until)
                connection.sock = self._tls.wrap_socket(connection.sock, server_hostname=host)
        except (OSError, UnicodeError):
            connection.close()
            raise
        return connection


class Connection(HTTPConnection):
    """A connection that sends the head and the body of a request together; http.client sends two packets."""

    _held: list[bytes] | None = None

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        held: list[bytes] = []
        self._held = held
        try:
            super().endheaders(message_body, encode_chunked=encode_chunked)
        finally:
            self._held = None
        self.send(b"".join(held))

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


def new_connection(origin: Origin) -> HTTPConnection:
    """A connection without a socket. TLS is the socket's matter, but the default port, which the header `Host` leaves
    out and signatures do not contain, is that of the scheme."""
    scheme, host, port = origin
    connection = Connection(host, port)
    connection.default_port = _DEFAULT_PORTS[scheme]
    return connection


def has_data(sock: socket.socket, seconds: float = 0) -> bool:
    """Whether bytes, or the end of the connection, can be read within `seconds`. TLS may hold the rest of a record
    decrypted."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    return bool(select.select([sock], [], [], seconds)[0])


def _connected_socket(host: str, port: int, until: float) -> socket.socket:
    """A connected socket. Tries the addresses of `host` one after the other, all before `until`."""
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            limit(sock, until)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def limit(sock: socket.socket, deadline: float) -> None:
    """Limit the next operation of `sock` to the time left. Raises TimeoutError if none is left."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    sock.settimeout(left)
