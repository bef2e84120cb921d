"""The real handler in a process that dies: `python -m tests.money.victim POINT EVENT`.

POINT is `before` or `after`, a dot, and a step: `reserve`, `send` or `settle`. There the process kills itself, so that
nothing of it (no `finally`, no buffer) has a say any more. `work` as POINT answers the same request over and over, each
time under another id, until somebody kills it.
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
    """Lambda's context as far as the handler reads it."""

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def die() -> None:
    """As the kernel would end it."""
    os.kill(os.getpid(), signal.SIGKILL)


def doom(owner: Any, step: str, moment: str) -> None:
    """Make `owner.step` fatal before or after it does its work."""
    real: Callable[..., Any] = getattr(owner, step)

    def fatal(*arguments: Any, **named: Any) -> Any:
        if moment == "before":
            die()
        result = real(*arguments, **named)
        die()
        return result

    setattr(owner, step, fatal)


def main(point: str, event: dict[str, Any]) -> None:
    """See the module's words."""
    gateway = lambda_module._GATEWAY
    if point == "work":
        name = event["requestContext"]["extendedRequestId"]
        for number in itertools.count():
            event["requestContext"] |= {
                "extendedRequestId": f"{name}-{number}",
                "requestTimeEpoch": int(time.time() * 1000),
            }
            event["headers"]["Idempotency-Key"] = f"{name}-{number}"
            lambda_module.handler(event, Context())
    moment, _, step = point.partition(".")
    doom(gateway.provider_client if step == "send" else gateway.ledger, step, moment)
    lambda_module.handler(event, Context())


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
