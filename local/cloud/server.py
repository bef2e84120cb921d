"""The server process of the embedded cloud: applies the patches, then serves MiniStack on an inherited socket.

`python -m local.cloud.server FD attached|detached`: only `local.cloud.process` starts it. An attached server ends when
its stdin closes, which happens when the process that started it ends.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app as ministack_app
from ministack.core import lambda_runtime

from local.cloud import patches
from local.cloud.control_api import controlled


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM, then end every Lambda worker."""
    descriptor, attachment = arguments
    if attachment == "attached":
        threading.Thread(target=_end_with_parent, daemon=True).start()
    _raise_file_limit()
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.backlog = 1024
    patches.apply()
    try:
        asyncio.run(serve(controlled(ministack_app.app), config))
    finally:
        lambda_runtime.reset()
    return 0


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _raise_file_limit() -> None:
    """Each connection and each Lambda worker takes file descriptors; the usual soft limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
