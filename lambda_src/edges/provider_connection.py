"""HTTP connections to providers. One deadline covers a whole exchange, and only a clean connection is used again.

http.client takes every interim response but 100 as the final one, and drops bytes that follow a response. Either would
give one caller the response to another caller's request, so both are handled here.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final, cast
from urllib.parse import urlsplit

import urllib3

from lambda_src.edges.connections import ConnectionPool, Origin, limit, origin_of

CONNECT_SECONDS: Final = 5.0
MAX_INTERIM_RESPONSES: Final = 32


class NotSent(Exception):
    """The provider did not receive the whole request, so it cannot have billed it. code: the error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class MalformedResponse(HTTPException):
    """The provider sent no final response with a status from 200 to 599."""


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until a deadline of time.monotonic."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._raw = cast(io.RawIOBase, sock.makefile("rb", buffering=0))
        self._deadline = deadline
        self.stopped = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.stopped:
            return 0
        limit(self._sock, self._deadline)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
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

    def __init__(self, sock: socket.socket, deadline: float, method: str | None) -> None:
        self._stream = _ResponseStream(_DeadlineReader(sock, deadline))
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

    def read(self, max_bytes: int) -> bytes:
        """The next bytes of the decompressed body; b"" at its end. Raises urllib3's HTTPError."""
        part = self._body.read1(max_bytes)
        self._ended = not part
        return part

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

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> Exchange:
        """Send a request and read the head of its response before `deadline`, in time.monotonic seconds.

        Raises NotSent; ValueError for an invalid header, before anything is sent; TimeoutError, HTTPException or
        OSError after the request was sent.
        """
        parts, origin = urlsplit(url), origin_of(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = self._take(origin, deadline)
        try:
            raw = _exchange(connection, method, target, headers, body, deadline)
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
    connection: HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: bytes, deadline: float
) -> _FinalResponse:
    connection.response_class = cast(Any, lambda sock, method=None: _FinalResponse(sock, deadline, method))
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
