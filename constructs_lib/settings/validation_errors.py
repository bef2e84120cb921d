"""Errors of an environment file, and how their messages show names and values."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Final

KeyPath = tuple[str | int, ...]

MAX_ERRORS: Final = 100
"""More are not looked for: each suggests a name, which takes time."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
# Each alternative and each run below takes linear time: a match starts at a fixed prefix, and none reads ahead without
# a limit.
_SECRETS = re.compile(
    r"sk-[A-Za-z0-9_-]{12,}|gsk_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{20,}|xai-[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[a-z]_[A-Za-z0-9]{20,}|xox[abp]-[A-Za-z0-9-]{10,}|-----BEGIN"
    r"|://[^\s/:@]{0,256}:[^\s/@]{1,256}@|eyJ[A-Za-z0-9_-]{20,}"
)
_RUN = re.compile(r"[A-Za-z0-9+/_=-]{32,}+")
_CHARACTER_CLASSES = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
_MAX_CHARACTERS = 80
_MAX_NAMES = 20
_MAX_CANDIDATES = 500


@dataclass(frozen=True, slots=True)
class SettingError:
    """key_path: place in the file. given: the value as the message shows it; None: no value. fix: the next step."""

    key_path: KeyPath
    given: str | None
    accepted: str
    fix: str

    def text(self) -> str:
        """Three or four indented lines."""
        lines = [f"  {dotted(self.key_path) or '(the file)'}"]
        if self.given is not None:
            lines.append(f"      given:    {self.given}")
        return "\n".join([*lines, f"      accepted: {self.accepted}", f"      fix:      {self.fix}"])


class EnvironmentErrors(ValueError):
    """All errors of an environment file, at most `MAX_ERRORS`; `str()` is the message for the user."""

    def __init__(self, file: Path, errors: Iterable[SettingError]) -> None:
        self.file = file
        self.errors = tuple(errors)
        count = f"{len(self.errors)} error{'' if len(self.errors) == 1 else 's'}"
        more = "the first " if len(self.errors) >= MAX_ERRORS else ""
        lines = [
            f"{printable(str(file))}: {more}{count}; nothing was synthesized.",
            "",
            *(error.text() for error in self.errors),
        ]
        super().__init__("\n".join(lines))


def dotted(key_path: KeyPath) -> str:
    """A key path in TOML syntax: `models."gpt-4.1".prices.tiers[0]`."""
    text = ""
    for part in key_path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) and not is_secret(part) else display(part)
            text += ("." if text else "") + key
    return text


def is_secret(text: str) -> bool:
    """Whether `text` contains something that looks like a provider's key, an AWS key, a token or a private key."""
    return _SECRETS.search(text) is not None


def printable(text: str) -> str:
    """`text`, or in quotes with escapes if a terminal would not show it as it is."""
    return text if text.isprintable() else json.dumps(text)


def display(value: object) -> str:
    """`value` for a message: shortened, printable, and masked if it looks like a secret."""
    if isinstance(value, str):
        return f'"{value[:3]}…" (masked, {len(value)} characters)' if _looks_secret(value) else _shortened(value)
    if isinstance(value, dict | list | tuple):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * _MAX_CHARACTERS:
        return "a number of more than 80 digits"
    text = str(value) if isinstance(value, Decimal | date | time) else json.dumps(value, default=str)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def _looks_secret(text: str) -> bool:
    return is_secret(text) or any(
        all(characters.search(run) for characters in _CHARACTER_CLASSES) for run in _RUN.findall(text)
    )


def _shortened(text: str) -> str:
    start = text[:_MAX_CHARACTERS]
    quoted = json.dumps(start, ensure_ascii=not start.isprintable())
    return quoted if len(text) == len(start) else f"{quoted[:-1]}…"


def did_you_mean(wrong: object, names: Iterable[str], otherwise: str) -> str:
    """A question with the name most similar to `wrong`, or `otherwise` if none is similar."""
    candidates = [name for name in itertools.islice(names, _MAX_CANDIDATES) if len(name) <= _MAX_CHARACTERS]
    matches = difflib.get_close_matches(str(wrong)[:_MAX_CHARACTERS].lower(), candidates, n=1)
    return f"did you mean {display(matches[0])}?" if matches else otherwise


def one_of(names: Iterable[str], what: str) -> str:
    """`one of WHAT: a, b`, shortened, or a note that there are none."""
    listed = sorted(names)
    if not listed:
        return f"one of {what}, which is empty"
    shown = [dotted((name,)) for name in listed[:_MAX_NAMES]]
    return f"one of {what}: {', '.join([*shown, *(['…'] if len(listed) > _MAX_NAMES else [])])}"
