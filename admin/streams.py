"""Standard streams: closed ones, encodings and write errors."""

from __future__ import annotations

import os
import sys


def prepare() -> None:
    """Replace closed streams by the null device, and unsupported characters on terminals. Pipes and files get UTF-8 in
    any locale, as JSON requires (RFC 8259, 8.1)."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name) or os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r")
        setattr(sys, name, stream)
        if number:
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")


def flush() -> OSError | None:
    """Flush stdout. Returns the error, such as a full disk; None on success or if the reader closed the pipe."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # else Python reports the error again at exit
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python retries at exit
        return error
    return None
