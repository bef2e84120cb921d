"""The real handler in a process that gets killed: `python -m tests.money.killed_handler POINT EVENT`.

POINT is `before.STEP` or `after.STEP`, where STEP is `reserve`, `open`, `send` or `settle`. There the process kills
itself with SIGKILL, so that neither `finally` blocks nor buffers take effect. If POINT is `loop`, it handles the
request over and over under new request ids until the parent process kills it.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from lambda_src import handler as lambda_module


class Context:
    """The part of Lambda's context that the handler reads."""

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def kill_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(owner: Any, step: str, when: str) -> None:
    """Replace method `step` of `owner` with one that kills the process before or after its work."""
    real: Callable[..., Any] = getattr(owner, step)

    def killing(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            kill_process()
        result = real(*arguments, **named)
        kill_process()
        return result

    setattr(owner, step, killing)


def main(point: str, event: dict[str, Any]) -> None:
    gateway = lambda_module._GATEWAY
    if point == "loop":
        prefix = event["requestContext"]["extendedRequestId"]
        for number in itertools.count():
            event["requestContext"] |= {
                "extendedRequestId": f"{prefix}-{number}",
                "requestTimeEpoch": int(time.time() * 1000),
            }
            event["headers"]["Idempotency-Key"] = f"{prefix}-{number}"
            lambda_module.handler(event, Context())
    when, _, step = point.partition(".")
    kill_at(gateway.provider_client if step == "send" else gateway.ledger, step, when)
    lambda_module.handler(event, Context())


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
