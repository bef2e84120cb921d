"""Parse the behaviour that a model name scripts. `local.provider.cli` lists the words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from local.provider.servers import SERVERS, Server

PREFIX: Final = "standin-"
FLAGS: Final = frozenset(
    {
        "cut", "reset", "garbage", "error-event", "stepped",
        "heedless", "nousage", "inline-usage", "cached", "cachewrite", "reasoning", "audio", "image",
    }
)  # fmt: skip

_STATUS = re.compile(r"(?P<status>[45]\d\d)(?P<then>-then-ok(-(?P<times>\d+))?)?")
_NUMBERED = re.compile(r"(?P<word>slow|drip|pause|retry-after)(-(?P<seconds>\d+(\.\d+)?))?")
_LONG = re.compile(r"long(-(?P<tokens>\d+))?")
_TIER = re.compile(r"tier-(?P<tier>[a-z_]+)")
_SERVER = re.compile(rf"as-(?P<server>{'|'.join(SERVERS)})")


class UnknownScriptWord(ValueError):
    """A `+word` that is not in the table."""


@dataclass(frozen=True, slots=True)
class Script:
    """How to serve a request.

    status: respond with this error. failures: how often before a success (None: always).
    slow: seconds before the response. drip: seconds over which a stream's events are spread. pause: seconds without a
    byte in the middle of a stream.
    retry_after: seconds in the `retry-after` header of errors. long: output tokens to generate.
    tier: service tier to report, whichever was requested. server: whose chat completions to imitate.
    flags: the words in `FLAGS`.
    """

    status: int | None = None
    failures: int | None = None
    retry_after: str | None = None
    slow: float = 0.0
    drip: float = 0.0
    pause: float = 0.0
    long: int | None = None
    tier: str | None = None
    server: Server = SERVERS["openai"]
    flags: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def script_of(model: str) -> Script:
    """The script in a model name: `NAME+word+word…` or `standin-word…`. Raises UnknownScriptWord for other `+word`s.

    `standin-small` is a plain name, because `small` is not in the table.
    """
    base, *words = model.split("+")
    script = Script()
    if base.startswith(PREFIX):
        script = _with(script, base.removeprefix(PREFIX)) or script
    for word in words:
        changed = _with(script, word)
        if changed is None:
            raise UnknownScriptWord(f"unknown word {word!r}; local/provider/cli.py lists the accepted ones")
        script = changed
    return script


def _with(script: Script, word: str) -> Script | None:
    if word in FLAGS:
        return replace(script, flags=script.flags | {word})
    if match := _STATUS.fullmatch(word):
        times = int(match["times"] or 1) if match["then"] else None
        return replace(script, status=int(match["status"]), failures=times)
    if match := _NUMBERED.fullmatch(word):
        seconds = match["seconds"] or "2"
        if match["word"] == "retry-after":
            return replace(script, retry_after=seconds)
        if match["word"] == "slow":
            return replace(script, slow=float(seconds))
        if match["word"] == "pause":
            return replace(script, pause=float(seconds))
        return replace(script, drip=float(seconds))
    if match := _LONG.fullmatch(word):
        return replace(script, long=int(match["tokens"] or 2_000))
    if match := _TIER.fullmatch(word):
        return replace(script, tier=match["tier"])
    if match := _SERVER.fullmatch(word):
        return replace(script, server=SERVERS[match["server"]])
    return None
