"""The server process of the embedded cloud: repairs first, then MiniStack on an inherited socket.

`python -m local.cloud.server FD attached|detached`: only `local.cloud.client` starts it. Attached, it ends when its
standard input closes, that is, when the process that started it has ended.
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
from ministack import app
from ministack.core import lambda_runtime

from local.cloud import patches


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM (or the end of an attached parent), then end every Lambda worker."""
    descriptor, attachment = arguments
    if attachment == "attached":
        threading.Thread(target=_end_with_parent, daemon=True).start()
    _raise_file_limit()
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.backlog = 1024
    try:
        asyncio.run(serve(patches.apply(app.app), config))
    finally:
        lambda_runtime.reset()
    return 0


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _raise_file_limit() -> None:
    """Each connection and each Lambda worker takes descriptors; the usual soft limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
