"""The cases of the matrix: what a user does, what the user must see, and the most requests and provider calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["plain", "streamed", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One column of the matrix.

    name: its heading. kind: the user's action. consumer: whose key is sent; None: a value that is no key.
    fault: the stand-in's behaviour; None: it responds. calls: calls that reach the provider for one action.
    requests: that the client may send for one action; None: it may repeat them, since nothing was billed.
    seen: what the user must see, as a regular expression. fails: whether the client must report an error.
    """

    name: str
    kind: Kind = "plain"
    consumer: str | None = "alpha"
    fault: Literal["reset", "cut", "500", "stepped"] | None = None
    calls: int = 0
    requests: int | None = None
    seen: str
    fails: bool = True


STREAMED: Final = "Say hello to everyone who waits in the long queue at the tollgate"
"""The prompt of streamed responses. Each word of the response is an event."""

CASES: Final = (
    Case(name="plain", calls=1, seen="You said: Say hello", fails=False),
    # The provider sends an event only once the user sees what it sent before.
    Case(name="streamed", kind="streamed", fault="stepped", calls=1, seen=f"You said: {STREAMED}", fails=False),
    Case(name="tool call", kind="tool", calls=2, seen="The tool returned: ", fails=False),
    Case(name="wrong key", consumer=None, requests=1, seen="(?i)key"),
    Case(name="model not allowed", consumer="limited", requests=1, seen="(?i)model"),
    Case(name="budget spent", consumer="poor", requests=1, seen="(?i)budget"),
    # The provider may have billed these, so a second call would be charged twice.
    Case(name="connection reset", fault="reset", calls=1, requests=1, seen="(?i)charged"),
    Case(name="stream cut", kind="streamed", fault="cut", calls=1, requests=1, seen="(?i)charged"),
    # Not billed: the gateway itself sends the request three times.
    Case(name="provider fails", fault="500", calls=3, seen="500"),
)
