"""Runs ordinary blocking code in many threads on one virtual clock: only one thread runs at a time, and sleeping takes
no time."""

from __future__ import annotations

import contextlib
import heapq
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

_STACK_BYTES = 512 * 1024


class VirtualTime:
    """A clock and the events that are due. It takes the place of the module `time` in modules that sleep.

    epoch: what `time` returns at the beginning.
    """

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._now = 0.0
        self._count = 0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._idle: list[threading.Lock] = []
        self._done = threading.Event()
        self._complete = False

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def time(self) -> float:
        """Epoch seconds."""
        return self._epoch + self._now

    def at(self, when: float, do: Callable[..., None], *arguments: Any) -> None:
        """Call `do` at `when`, in a thread of its own."""
        self._count += 1
        heapq.heappush(self._events, (when, self._count, do, arguments))

    def sleep(self, seconds: float) -> None:
        """Let the events of the next `seconds` happen."""
        until = self._now + seconds
        if not self._events or self._events[0][0] >= until:
            self._now = until
            return
        turn = threading.Lock()
        turn.acquire()
        self.at(until, self._hand_over, turn)
        self._continue_elsewhere()
        turn.acquire()

    def run(self) -> None:
        """Let all events happen. RuntimeError if one of them raised an exception, which its thread has printed."""
        self._continue_elsewhere()
        self._done.wait()
        if not self._complete:
            raise RuntimeError("an event failed; see stderr")

    @contextlib.contextmanager
    def replacing(self, *modules: ModuleType) -> Iterator[None]:
        """Give `modules` this clock instead of their module `time`."""
        before = [(module, module.__dict__["time"]) for module in modules]
        for module in modules:
            module.__dict__["time"] = self
        try:
            yield
        finally:
            for module, clock in before:
                module.__dict__["time"] = clock

    def _continue_elsewhere(self) -> None:
        if self._idle:
            self._idle.pop().release()
        else:
            threading.stack_size(_STACK_BYTES)
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            while self._events:
                self._now, _, do, arguments = heapq.heappop(self._events)
                do(*arguments)
            self._complete = True
        finally:
            self._done.set()

    def _hand_over(self, turn: threading.Lock) -> None:
        """Let the thread that waits for `turn` go on, and wait until another thread sleeps."""
        mine = threading.Lock()
        mine.acquire()
        self._idle.append(mine)
        turn.release()
        mine.acquire()
