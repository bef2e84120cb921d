"""The failures of a fuzz run, printed as they occur."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

_CHARACTERS = 3_000


class Findings:
    """Counts the cases of a part, and prints the first of those that fail at the same place with the same error."""

    def __init__(self, part: str, seed: int, seconds: float) -> None:
        self.part, self.seed = part, seed
        self.cases = self.failures = 0
        self._deadline = time.monotonic() + seconds
        self._known: set[tuple[str, int | None, str]] = set()
        self._out: TextIO = sys.stdout  # parts replace sys.stdout

    @property
    def running(self) -> bool:
        """Whether time is left."""
        return time.monotonic() < self._deadline

    def case(self, describe: Callable[[], object]) -> _Case:
        """A context in which an exception is a failure. describe: what was tried."""
        self.cases += 1
        return _Case(self, describe, self.cases)

    def failed(self, number: int, described: object, error: BaseException) -> None:
        self.failures += 1
        frame = traceback.extract_tb(error.__traceback__)[-1]
        kind = (frame.filename, frame.lineno, type(error).__name__)
        if kind not in self._known:
            self._known.add(kind)
            trace = "".join(traceback.format_exception(error))[-_CHARACTERS:]
            text = repr(described)[:_CHARACTERS]
            text = f"--- {self.part}, seed {self.seed}, case {number}\n{text}\n{trace}\n"
            self._out.write(text.encode(errors="backslashreplace").decode())
            self._out.flush()

    def summary(self) -> int:
        """Print one line, and return the number of failures."""
        line = {"part": self.part, "seed": self.seed, "cases": self.cases, "failures": self.failures}
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()
        return self.failures


class _Case:
    def __init__(self, findings: Findings, describe: Callable[[], object], number: int) -> None:
        self._findings, self._describe, self._number = findings, describe, number

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if isinstance(error, Exception):
            self._findings.failed(self._number, self._describe(), error)
        return isinstance(error, Exception)


@contextmanager
def part(name: str, seed: int, seconds: float) -> Iterator[Findings]:
    """The findings of a part, with its summary at the end."""
    findings = Findings(name, seed, seconds)
    yield findings
    findings.summary()
