"""HTTP connections to providers. One deadline covers a whole exchange, and only a clean connection is used again.

http.client takes every interim response but 100 as the final one, and drops bytes that follow a response. Either would
give one caller the response to another caller's request, so both are handled here.
"""

from __future__ import annotations

import io
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import Any, Final, cast
from urllib.parse import urlsplit

import urllib3

from lambda_src.edges.connections import ConnectionPool, Origin, limit, origin_of

CONNECT_SECONDS: Final = 5.0
MAX_INTERIM_RESPONSES: Final = 32
_BUFFER_BYTES: Final = 65_536
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")


@dataclass(frozen=True, slots=True)
class Wait:
    """Calls `call` every `seconds` while nothing arrives. It may raise TimeoutError."""

    call: Callable[[], None]
    seconds: float


class NotSent(Exception):
    """The provider did not receive the whole request, so it cannot have billed it. code: the error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class MalformedResponse(HTTPException):
    """The provider sent no final response with a status from 200 to 599."""


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until a deadline of time.monotonic."""

    def __init__(self, sock: socket.socket, deadline: float, wait: Wait | None) -> None:
        self._sock = sock
        self._open = sock.makefile("rb", buffering=0)  # http.client closes the socket before its response is read
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._deadline = deadline
        self.stopped = False
        self._wait = wait
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.stopped:
            return 0
        if self._wait is None:
            limit(self._sock, self._deadline)
            return self._sock.recv_into(buffer)
        while True:
            while self._tls is None or not self._tls.pending():
                left = self._deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the deadline has passed")
                if self._poll.poll(min(self._wait.seconds, left) * 1000):
                    break
                self._wait.call()
            if self._sock.gettimeout() != 0:
                self._sock.settimeout(0)  # saves the system calls that would wait again
            try:
                return self._sock.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError):  # a part of a TLS record
                continue

    def close(self) -> None:
        self._open.close()
        super().close()


class _ResponseStream(io.BufferedReader):
    """The bytes of a response. has_leftover: whether more bytes had arrived when the response ended."""

    has_leftover = False

    def close(self) -> None:
        if not self.closed:
            cast(_DeadlineReader, self.raw).stopped = True
            self.has_leftover = bool(self.peek(1))
        super().close()


class _FinalResponse(HTTPResponse):
    """A response without the interim responses before it."""

    def __init__(self, sock: socket.socket, deadline: float, method: str | None, wait: Wait | None) -> None:
        self._stream = _ResponseStream(_DeadlineReader(sock, deadline, wait), _BUFFER_BYTES)
        self._interim_responses = 0
        super().__init__(cast(socket.socket, self), method=method)

    def makefile(self, *_: object) -> io.BufferedReader:
        """The stream that http.client reads, in place of a socket's."""
        return self._stream

    def begin(self) -> None:
        while self.headers is None:
            super().begin()
            if self.status == 101 or self.status > 599:
                raise MalformedResponse(f"status {self.status}")
            if self.status < 200:
                self._interim_responses += 1
                if self._interim_responses > MAX_INTERIM_RESPONSES:
                    raise MalformedResponse("too many interim responses")
                self.headers = self.msg = cast(Any, None)

    def read1(self, n: int = -1) -> bytes:
        """The next bytes: all chunks that have arrived, while http.client reads them one by one in many steps."""
        if not self.chunked or self.chunk_left or self.fp is None:
            return super().read1(n)
        if self.chunk_left == 0:
            self.chunk_left = None
            if self._stream.read(2) != b"\r\n":  # the line end after a chunk
                raise IncompleteRead(b"")
        arrived, start = self._stream.peek(), 0
        parts = []
        while (line := arrived.find(b"\r\n", start)) > start:
            if not _SIZE.fullmatch(arrived, start, line):
                break
            end = line + 2 + int(arrived[start:line], 16)
            if end <= line + 2 or arrived[end : end + 2] != b"\r\n":
                break  # the last chunk, or one that is incomplete: http.client reads it
            parts.append(arrived[line + 2 : end])
            start = end + 2
        if not parts:
            return super().read1(n)
        self._stream.read(start)
        return b"".join(parts)

    @property
    def is_clean(self) -> bool:
        """Whether the response was read to its end, and the connection cannot hold bytes of anything else."""
        doubtful = self._interim_responses or self.will_close or self.status in (204, 304)
        return not doubtful and self.isclosed() and not self._stream.has_leftover


class Exchange:
    """A request that was sent, and its response. Call `finish` in any case.

    status: 200 to 599. headers: names in lower case.
    """

    def __init__(self, pool: ConnectionPool, origin: Origin, connection: HTTPConnection, raw: _FinalResponse) -> None:
        self._pool, self._origin, self._connection, self._raw = pool, origin, connection, raw
        self._body = urllib3.HTTPResponse(
            body=raw,
            headers=urllib3.HTTPHeaderDict(raw.headers.items()),
            status=raw.status,
            preload_content=False,
            original_response=raw,
        )
        self._ended = False
        self.status = raw.status
        self.headers = {name.lower(): value for name, value in self._body.headers.items()}
        self._encoded = "content-encoding" in self.headers

    def read(self, max_bytes: int) -> bytes:
        """The next bytes of the decompressed body; b"" at its end. Raises urllib3's HTTPError or TimeoutError."""
        try:
            # urllib3 takes several times as long to read a body that is not compressed.
            part = self._body.read1(max_bytes) if self._encoded else self._raw.read1(max_bytes)
        except TimeoutError:
            raise
        except (HTTPException, OSError) as error:
            raise urllib3.exceptions.ProtocolError(type(error).__name__) from error
        if not part:
            self._end()
        return part

    def _end(self) -> None:
        if not self._encoded:
            if self._raw.length:
                raise urllib3.exceptions.ProtocolError(f"{self._raw.length} bytes are missing")
            self._raw.close()
        self._ended = True

    def finish(self) -> None:
        """Keep the connection for the next request if it is clean, else close it."""
        # urllib3 closes a response whose reading fails, so that it looks like one that was read to its end.
        if self._ended and self._raw.is_clean:
            self._pool.keep(self._origin, self._connection)
        else:
            self._raw.close()
            self._connection.close()


class Connections:
    """Connections to providers, kept by origin."""

    def __init__(self) -> None:
        self._pool = ConnectionPool(CONNECT_SECONDS)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline: float, wait: Wait | None = None
    ) -> Exchange:
        """Send a request and read the head of its response before `deadline`, in time.monotonic seconds.

        Raises NotSent; ValueError for an invalid header, before anything is sent; TimeoutError, HTTPException or
        OSError after the request was sent.
        """
        parts, origin = urlsplit(url), origin_of(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = self._take(origin, deadline)
        try:
            raw = _exchange(connection, method, target, headers, body, deadline, wait)
            return Exchange(self._pool, origin, connection, raw)
        except urllib3.exceptions.HTTPError as error:  # contradictory lengths
            connection.close()
            raise MalformedResponse(str(error)) from error
        except BaseException:
            connection.close()
            raise

    def _take(self, origin: Origin, deadline: float) -> HTTPConnection:
        try:
            return self._pool.take(origin, deadline)
        except ssl.SSLError as error:
            raise NotSent("upstream_tls") from error
        except (OSError, UnicodeError) as error:
            raise NotSent("upstream_unreachable") from error


def _exchange(
    connection: HTTPConnection,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    deadline: float,
    wait: Wait | None,
) -> _FinalResponse:
    connection.response_class = cast(Any, lambda sock, method=None: _FinalResponse(sock, deadline, method, wait))
    send_error: OSError | None = None
    try:
        limit(connection.sock, deadline)
        connection.request(method, target, body=body, headers=dict(headers))
    except TimeoutError as error:
        raise NotSent("upstream_unreachable") from error
    except OSError as error:  # the provider may have responded before it closed the connection
        send_error = error
    try:
        return cast(_FinalResponse, connection.getresponse())
    except (OSError, HTTPException) as error:
        if send_error is not None:
            raise NotSent("upstream_unreachable") from error
        raise
