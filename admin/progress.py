"""A message while AWS does not respond: all attempts of a call together can take minutes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_NOTIFY_AT: Final = 3
"""Number of attempts, after which a few seconds have passed."""
_RETRIED: Final = (429, 500, 502, 503, 504)


class SlowCallNotice:
    """Prints once that a call is being retried. where: the service that does not respond."""

    def __init__(self, say: Callable[[str], None], where: str) -> None:
        self._say = say
        self._where = where
        self._notified = False

    def __call__(self, attempts: int, operation: Any, response: Any, **_: object) -> None:
        """Handle botocore's event `needs-retry` after each attempt
        (docs.aws.amazon.com/boto3/latest/guide/events.html). response: None if there is none."""
        succeeded = response is not None and response[0].status_code not in _RETRIED
        if succeeded or attempts < _NOTIFY_AT or self._notified:
            return
        self._notified = True
        status = "no response" if response is None else f"status {response[0].status_code}"
        self._say(f"{operation.name}: {status} from {self._where}; retrying, press Ctrl-C to stop")
