"""A word to the operator while AWS does not answer: all attempts of a call together may take minutes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_TOLD_AT: Final = 3
"""After so many attempts a few seconds have gone by."""
_UNWELL: Final = (429, 500, 502, 503, 504)


class SlowCallNotice:
    """Says once that calls are tried on. where: what does not answer."""

    def __init__(self, say: Callable[[str], None], where: str) -> None:
        self._say = say
        self._where = where
        self._told = False

    def __call__(self, attempts: int, operation: Any, response: Any, **_: object) -> None:
        """After each attempt, as botocore's event `needs-retry`
        (docs.aws.amazon.com/boto3/latest/guide/events.html). response: None where none came."""
        well = response is not None and response[0].status_code not in _UNWELL
        if well or attempts < _TOLD_AT or self._told:
            return
        self._told = True
        said = "no answer" if response is None else f"status {response[0].status_code}"
        self._say(f"{operation.name}: {said} from {self._where} so far; trying on, Ctrl-C ends it")
