"""A limit of time that only super-linear code exceeds, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MAX_SECONDS: Final = 30


@contextmanager
def linear_time() -> Iterator[None]:
    """Check that the block takes at most `MAX_SECONDS` of the thread's CPU time.

    Give it so much data that linear code takes less than two seconds, and quadratic code minutes. A garbage collection
    in a large process or a slow CPU then changes nothing. `benchmarks/` measures the times themselves.
    """
    started = time.thread_time()
    yield
    seconds = time.thread_time() - started
    assert seconds < MAX_SECONDS, f"took {seconds:.1f} s of CPU time: not linear"
