"""What is wrong with an environment file, said so that it can be put right at once."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

KeyPath = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECRETS = re.compile(
    r"sk-[A-Za-z0-9_-]{12,}|gsk_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{20,}|xai-[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[a-z]_[A-Za-z0-9]{20,}|xox[abp]-[A-Za-z0-9-]{10,}|-----BEGIN|://[^\s/:@]*:[^\s/@]+@|eyJ[A-Za-z0-9_-]{20,}\."
)
_RANDOM = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9+/_=-]{32,}")
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class SettingError:
    """where: key path in the file. given: the value as it may be shown; None: there is none. fix: the next step."""

    where: KeyPath
    given: str | None
    accepted: str
    fix: str

    def text(self) -> str:
        """A few indented lines."""
        lines = [f"  {dotted(self.where) or '(the file)'}"]
        if self.given is not None:
            lines.append(f"      given:    {self.given}")
        return "\n".join([*lines, f"      accepted: {self.accepted}", f"      fix:      {self.fix}"])


class EnvironmentErrors(ValueError):
    """An environment file that cannot be used; its text has every fault."""

    def __init__(self, file: Path, faults: Iterable[SettingError]) -> None:
        self.file = file
        self.faults = tuple(faults)
        number = len(self.faults)
        super().__init__(
            "\n".join(
                [f"{file}: {number} fault{'' if number == 1 else 's'}; nothing was synthesized.", ""]
                + [fault.text() for fault in self.faults]
            )
        )


def dotted(where: KeyPath) -> str:
    """A key path as TOML spells it: `models."gpt-4.1".prices.tiers[0]`."""
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) and not is_secret(part) else shown(part)
            text += ("." if text else "") + key
    return text


def is_secret(text: str) -> bool:
    """Whether `text` holds something shaped like a provider's key, an AWS key, a token or a private key."""
    return _SECRETS.search(text) is not None


def shown(value: object) -> str:
    """`value` for a message: short, and never what looks like a secret."""
    if isinstance(value, str) and (is_secret(value) or _RANDOM.search(value)):
        return f'"{value[:3]}…" (masked, {len(value)} characters)'
    if isinstance(value, dict | list | tuple):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    if isinstance(value, Decimal | date):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def nearest(wrong: object, known: Iterable[str]) -> str | None:
    """The known name that `wrong` was probably meant to be."""
    found = difflib.get_close_matches(str(wrong).lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def listing(known: Iterable[str], what: str) -> str:
    """`one of WHAT: a, b`, or that there are none."""
    names = sorted(known)
    if not names:
        return f"one of {what}, of which there are none"
    shown_names = names[:20] + (["…"] if len(names) > 20 else [])
    return f"one of {what}: {', '.join(shown_names)}"
