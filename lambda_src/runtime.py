"""The gateway's loop on Lambda's Runtime API: `python -m lambda_src.runtime` in place of Lambda's own client.

Lambda's client for Python cannot stream responses. `bootstrap` starts this module instead, as a wrapper script
(docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html).
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final

from lambda_src.core.json_text import json_text
from lambda_src.edges.runtime_api import Invocation, ResponseStream, RuntimeApi, RuntimeApiError

RESERVE_SECONDS: Final = 4.0
"""Kept for settling when a caller reads so slowly that the response cannot be sent in time."""
_TRACE_VARIABLE: Final = "_X_AMZN_TRACE_ID"

Handler = Callable[[Invocation, ResponseStream], dict[str, object] | None]
"""Handles an invocation: writes the stream and returns None, or returns a whole response."""


class LogHandler(logging.Handler):
    """Prints records of libraries as Lambda's own client does with the JSON log format.

    github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/lambda_runtime_log_utils.py
    """

    request_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        line = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": self.request_id,
        }
        print(json_text(line))


def main() -> int:
    """Handle invocations as long as the sandbox lives."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a sandbox that Lambda ends prints nothing more
    log = LogHandler()
    logging.getLogger().addHandler(log)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        try:
            module, _, name = os.environ["_HANDLER"].rpartition(".")
            handler: Handler = getattr(importlib.import_module(module), name)
        except Exception as error:  # noqa: BLE001 - whatever it is, Lambda must learn that the function cannot start
            _log(error, "")
            api.fail_init(error)
            return 1
        while True:
            invocation = api.next()
            log.request_id = invocation.request_id
            _handle(api, handler, invocation)
    except RuntimeApiError as error:
        _log(error, log.request_id)
        return 1


def _handle(api: RuntimeApi, handler: Handler, invocation: Invocation) -> None:
    """Handle one invocation. An exception ends the invocation by an error, and the next one is handled.

    SystemExit and signals end the sandbox, and so the invocation, as with Lambda's own client.
    """
    if invocation.trace_id:
        os.environ[_TRACE_VARIABLE] = invocation.trace_id
    else:
        os.environ.pop(_TRACE_VARIABLE, None)
    stream = api.stream(invocation, RESERVE_SECONDS)
    failure: Exception | None = None
    text = ""
    try:
        response = handler(invocation, stream)
        if response is not None:
            text = json_text(response)
        elif not stream.begun:
            raise TypeError("no response")
    except Exception as error:  # noqa: BLE001 - whatever it is, the sandbox handles the next invocation
        _log(error, invocation.request_id)
        failure = error
    sys.stdout.flush()  # before Lambda may freeze the sandbox
    if stream.begun:
        stream.end(failure)
        lost = stream.lost
    else:
        lost = api.respond(invocation, text) if failure is None else api.fail(invocation, failure)
    if lost:
        line = {"kind": "response_lost", "level": "WARN", "request_id": invocation.request_id, "reason": lost}
        print(json_text(line), flush=True)


def _log(error: Exception, request_id: str) -> None:
    """Print an exception as a line of JSON, without its message, which may quote a request or a key."""
    frames = traceback.extract_tb(error.__traceback__)
    line = {
        "kind": "exception",
        "level": "ERROR",
        "request_id": request_id,
        "error_type": type(error).__name__,
        "reason": str(error) if isinstance(error, RuntimeApiError) else "",
        "stack_trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    print(json_text(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
