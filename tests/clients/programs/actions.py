"""The loop of a client program: reads one action a line from stdin, and prints one outcome a line.

An action is a JSON object with `kind` ("plain", "streamed" or "tool"), `url` (the gateway's), `key`, `model` and
`prompt`. An outcome has `text` (what the client returned, or the error's message) and `error` (the error's class; null
if there is none). Before it, each piece of a streamed text has a line of its own, with `part`. This module uses the
standard library only: it runs in the clients' virtual environment.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
DESCRIPTION = "The weather in a city."


@dataclass(frozen=True, slots=True)
class Action:
    """What a user does with the client."""

    kind: str
    url: str
    key: str
    model: str
    prompt: str


def weather(city: str) -> str:
    """The weather in a city."""
    return f"3 degrees in {city}"


def serve(kinds: Mapping[str, Callable[[Action], str | Iterator[str]]], errors: tuple[type[Exception], ...]) -> None:
    """Carry out actions until stdin ends. errors: the base classes of what the client raises."""
    lines, sys.stdout = sys.stdout, sys.stderr  # some clients print

    def show(line: dict[str, str | None]) -> None:
        print(json.dumps(line), file=lines, flush=True)

    for line in sys.stdin:
        action = Action(**json.loads(line))
        try:
            text = kinds[action.kind](action)
            if not isinstance(text, str):
                parts, text = text, ""
                for part in parts:
                    show({"part": part})
                    text += part
            show({"text": text, "error": None})
        except errors as error:
            show({"text": str(error), "error": type(error).__name__})
