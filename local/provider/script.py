"""What a model name makes the stand-in provider do; the table of names is in `local.provider.cli`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

PREFIX: Final = "standin-"
FLAGS: Final = frozenset(
    {
        "cut", "reset", "garbage", "error-event",
        "heedless", "nousage", "inline-usage", "cached", "cachewrite", "reasoning", "audio", "image",
    }
)  # fmt: skip

_STATUS = re.compile(r"(?P<status>[45]\d\d)(?P<then>-then-ok(-(?P<times>\d+))?)?")
_NUMBERED = re.compile(r"(?P<word>slow|drip|retry-after)(-(?P<seconds>\d+(\.\d+)?))?")
_LONG = re.compile(r"long(-(?P<tokens>\d+))?")
_TIER = re.compile(r"tier-(?P<tier>[a-z]+)")


class UnknownScript(ValueError):
    """A `+word` that no row of the table explains."""


@dataclass(frozen=True, slots=True)
class Script:
    """What to do with one request.

    status: answer with this error; failures: only that many times, then answer properly (None: always).
    slow: seconds to wait before answering. drip: seconds over which a stream's events are spread.
    retry_after: seconds an error's `retry-after` header names. long: output tokens to generate.
    tier: service tier to report whatever was asked for. flags: the words of `FLAGS`.
    """

    status: int | None = None
    failures: int | None = None
    retry_after: str | None = None
    slow: float = 0.0
    drip: float = 0.0
    long: int | None = None
    tier: str | None = None
    flags: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def script_of(model: str) -> Script:
    """The script of a model name: `NAME+word+word…`, or `standin-word…`; UnknownScript for a `+word` not in the table.

    `standin-small` is just a name: what follows `standin-` counts only where it is a word of the table.
    """
    base, *words = model.split("+")
    script = Script()
    if base.startswith(PREFIX):
        script = _with(script, base.removeprefix(PREFIX)) or script
    for word in words:
        changed = _with(script, word)
        if changed is None:
            raise UnknownScript(f"{word!r} in the model {model!r} is no script; see the table in local/provider/cli.py")
        script = changed
    return script


def _with(script: Script, word: str) -> Script | None:
    if word in FLAGS:
        return replace(script, flags=script.flags | {word})
    if found := _STATUS.fullmatch(word):
        times = int(found["times"] or 1) if found["then"] else None
        return replace(script, status=int(found["status"]), failures=times)
    if found := _NUMBERED.fullmatch(word):
        seconds = found["seconds"] or "2"
        if found["word"] == "retry-after":
            return replace(script, retry_after=seconds)
        if found["word"] == "slow":
            return replace(script, slow=float(seconds))
        return replace(script, drip=float(seconds))
    if found := _LONG.fullmatch(word):
        return replace(script, long=int(found["tokens"] or 2_000))
    if found := _TIER.fullmatch(word):
        return replace(script, tier=found["tier"])
    return None
