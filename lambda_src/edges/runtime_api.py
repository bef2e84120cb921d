"""Lambda's Runtime API, over which a function receives events and sends responses, also while they are written.

Protocol: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and
docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming. Format of a streamed
response: docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html.
"""

from __future__ import annotations

import base64
import json
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from typing import Final

from lambda_src.core.json_text import json_text
from lambda_src.edges.connections import Connection

_VERSION: Final = "/2018-06-01/runtime"
_PRELUDE_TYPE: Final = "application/vnd.awslambda.http-integration-response"
_DELIMITER: Final = bytes(8)
_ERROR_TYPE: Final = "Lambda-Runtime-Function-Error-Type"
_ERROR_BODY: Final = "Lambda-Runtime-Function-Error-Body"
_ANSWER_SECONDS: Final = 5.0
"""Least time to wait until Lambda has taken a response, whose end a slow caller may not have read yet."""
_WITH_PRELUDE_BYTES: Final = 16_384
"""Largest first part that is sent together with the prelude, which the socket's buffer always has room for."""


class RuntimeApiError(Exception):
    """The Runtime API failed, and the sandbox cannot be used any further. The message says how, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """An event to handle. deadline: when Lambda ends the sandbox, in time.time seconds. trace_id: X-Ray's; "": none."""

    request_id: str
    event: dict[str, object]
    deadline: float
    trace_id: str

    @property
    def seconds_left(self) -> float:
        """Until Lambda ends the sandbox."""
        return self.deadline - time.time()


class RuntimeApi:
    """The Runtime API of a sandbox. host: `AWS_LAMBDA_RUNTIME_API`."""

    def __init__(self, host: str) -> None:
        self._host = host

    def next(self) -> Invocation:
        """The next invocation. RuntimeApiError if there cannot be one."""
        status, headers, body = self._call("GET", f"{_VERSION}/invocation/next")
        if status != 200:
            raise RuntimeApiError(f"next: status {status}")
        try:
            return _invocation(headers, body)
        except (TypeError, ValueError):  # without their messages, which quote the event
            raise RuntimeApiError("next: invalid invocation") from None

    def stream(self, invocation: Invocation, reserve_seconds: float) -> ResponseStream:
        """The response of an invocation, sent while it is written.

        reserve_seconds: of the time left, kept for the work after a caller who reads too slowly.
        """
        return ResponseStream(
            self._host, f"{_VERSION}/invocation/{invocation.request_id}/response", invocation.deadline - reserve_seconds
        )

    def respond(self, invocation: Invocation, response: str) -> str:
        """Send a whole response, as JSON. Returns why it was not accepted; "" if it was."""
        return self._post(f"{_VERSION}/invocation/{invocation.request_id}/response", response, {})

    def fail(self, invocation: Invocation, error: BaseException) -> str:
        """End an invocation by an error. Returns why that was not accepted; "" if it was."""
        return self._post_error(f"{_VERSION}/invocation/{invocation.request_id}/error", error)

    def fail_init(self, error: BaseException) -> str:
        """Say that the function cannot start. Returns why that was not accepted; "" if it was."""
        return self._post_error(f"{_VERSION}/init/error", error)

    def _post_error(self, path: str, error: BaseException) -> str:
        return self._post(path, json_text(_described(error)), {_ERROR_TYPE: _error_type(error)})

    def _post(self, path: str, body: str, headers: Mapping[str, str]) -> str:
        status, _, _ = self._call("POST", path, body.encode(), {"Content-Type": "application/json", **headers})
        return _rejection(status)

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, HTTPMessage, bytes]:
        """Status, headers and body of the answer. It has no timeout: the sandbox may be frozen for hours."""
        connection = HTTPConnection(self._host)  # one that was kept may have been closed during a long stream
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, HTTPException) as error:
            raise RuntimeApiError(f"{path.rpartition('/')[2]}: {type(error).__name__}") from None
        finally:
            connection.close()


class ResponseStream:
    """The response of one invocation.

    What cannot be delivered is dropped, and `lost` says why: metering and settling go on. begun: whether the status was
    sent. It is unknown whether the caller is still there: API Gateway does not tell.
    """

    def __init__(self, host: str, path: str, deadline: float) -> None:
        self._host, self._path, self._deadline = host, path, deadline
        self._connection: HTTPConnection | None = None
        self.begun, self.lost = False, ""

    def begin(self, status: int, headers: Mapping[str, str], part: bytes = b"") -> None:
        """Send the status, the headers and the first part of the body."""
        self.begun = True
        connection = self._connection = Connection(self._host)
        connection.putrequest("POST", self._path, skip_accept_encoding=True)
        connection.putheader("Content-Type", _PRELUDE_TYPE)
        connection.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.putheader("Trailer", _ERROR_TYPE)
        connection.putheader("Trailer", _ERROR_BODY)
        prelude = json_text({"statusCode": status, "headers": dict(headers)}).encode() + _DELIMITER
        try:
            connection.timeout = max(0.001, self._deadline - time.time())
            connection.connect()
            first = part if len(part) <= _WITH_PRELUDE_BYTES else b""
            connection.endheaders(_chunk(prelude) + _chunk(first))
            connection.sock.settimeout(0)  # a timeout would take two system calls more for each part
        except OSError as error:
            self._lose(error)
        if len(part) > _WITH_PRELUDE_BYTES:
            self.write(part)

    def write(self, part: bytes) -> None:
        """Send more of the body. It is on its way when this returns."""
        if part:
            self._send(_chunk(part))

    def end(self, error: BaseException | None = None) -> None:
        """End the response. RuntimeApiError if the sandbox cannot be used any further.

        error: API Gateway learns that the response is incomplete, and cuts the connection.
        """
        trailers = b""
        if error is not None:
            body = base64.b64encode(json_text(_described(error)).encode())
            trailers = b"%b: %b\r\n%b: %b\r\n" % (
                _ERROR_TYPE.encode(), _error_type(error).encode(), _ERROR_BODY.encode(), body,
            )  # fmt: skip
        self._send(b"0\r\n%b\r\n" % trailers)
        connection = self._connection
        if connection is None or self.lost:
            return
        try:
            if connection.sock is not None:
                connection.sock.settimeout(max(_ANSWER_SECONDS, self._deadline - time.time()))
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException) as failure:
            self._lose(failure)
        else:
            self.lost = _rejection(answer.status)
        finally:
            connection.close()  # Lambda closes it after each streamed response

    def _send(self, data: bytes) -> None:
        """Send without waiting while there is room. A caller may read slowly: then wait until the deadline at most."""
        sock = None if self.lost or self._connection is None else self._connection.sock
        rest = memoryview(data)
        try:
            while sock is not None and rest:
                try:
                    rest = rest[sock.send(rest) :]
                except BlockingIOError:
                    left = max(0.001, self._deadline - time.time())
                    if not select.select([], [sock], [], left)[1]:
                        raise TimeoutError("the caller reads too slowly") from None
        except OSError as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        self.lost = type(error).__name__
        if self._connection is not None:
            self._connection.close()


def _invocation(headers: HTTPMessage, body: bytes) -> Invocation:
    return Invocation(
        request_id=headers["Lambda-Runtime-Aws-Request-Id"],
        event=json.loads(body),
        deadline=int(headers["Lambda-Runtime-Deadline-Ms"]) / 1000,
        trace_id=headers.get("Lambda-Runtime-Trace-Id", ""),
    )


def _rejection(status: int) -> str:
    """Why the Runtime API did not accept what was sent; "" if it did. RuntimeApiError in a "Container error.
    Non-recoverable state. Runtime should exit promptly."
    """
    if status >= 500:
        raise RuntimeApiError(f"status {status}")
    return "" if status < 300 else f"status {status}"


def _chunk(data: bytes) -> bytes:
    """A chunk; none for no data, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def _error_type(error: BaseException) -> str:
    return f"Runtime.{type(error).__name__}"


def _described(error: BaseException) -> dict[str, object]:
    """An error for Lambda, without its message, which may quote a request or a key."""
    return {"errorType": _error_type(error), "errorMessage": type(error).__name__, "stackTrace": []}
