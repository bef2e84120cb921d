"""Standard input, output and error, as a shell may leave them to the command."""

from __future__ import annotations

import os
import sys


def prepare() -> None:
    """What a shell closed (`<&-`) gives and takes nothing. Characters that a terminal does not know are no fault; pipes
    and files get UTF-8 whatever the locale, since JSON is nothing else (RFC 8259, 8.1)."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name) or os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r")
        setattr(sys, name, stream)
        if number:
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")


def empty() -> OSError | None:
    """Write out what is left on stdout. The error that kept it from a full disk, say; None where all was written, or
    whoever read it has enough."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # Python would complain once more at its end
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # at its end Python would try again
        return error
    return None
