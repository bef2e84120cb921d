"""Errors of an environment file, and how their messages show names and values."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path

KeyPath = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECRETS = re.compile(
    r"sk-[A-Za-z0-9_-]{12,}|gsk_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{20,}|xai-[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[a-z]_[A-Za-z0-9]{20,}|xox[abp]-[A-Za-z0-9-]{10,}|-----BEGIN|://[^\s/:@]*:[^\s/@]+@|eyJ[A-Za-z0-9_-]{20,}\."
)
_RANDOM = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9+/_=-]{32,}")
_MAX_CHARACTERS = 80
_MAX_NAMES = 20


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
    """All errors of an environment file; `str()` is the message for the user."""

    def __init__(self, file: Path, errors: Iterable[SettingError]) -> None:
        self.file = file
        self.errors = tuple(errors)
        count = f"{len(self.errors)} error{'' if len(self.errors) == 1 else 's'}"
        lines = [f"{file}: {count}; nothing was synthesized.", "", *(error.text() for error in self.errors)]
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


def display(value: object) -> str:
    """`value` for a message: shortened, and masked if it looks like a secret."""
    if isinstance(value, str) and (is_secret(value) or _RANDOM.search(value)):
        return f'"{value[:3]}…" (masked, {len(value)} characters)'
    if isinstance(value, dict | list | tuple):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    if isinstance(value, Decimal | date | time):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def did_you_mean(wrong: object, names: Iterable[str], otherwise: str) -> str:
    """A question with the name most similar to `wrong`, or `otherwise` if none is similar."""
    matches = difflib.get_close_matches(str(wrong).lower(), list(names), n=1)
    return f'did you mean "{matches[0]}"?' if matches else otherwise


def one_of(names: Iterable[str], what: str) -> str:
    """`one of WHAT: a, b`, shortened, or a note that there are none."""
    listed = sorted(names)
    if not listed:
        return f"one of {what}, which is empty"
    return f"one of {what}: {', '.join([*listed[:_MAX_NAMES], *(['…'] if len(listed) > _MAX_NAMES else [])])}"
