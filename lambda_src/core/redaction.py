"""Masks what must not be kept: API keys, e-mail addresses, card numbers, and what an operator's patterns say. Pure.

Every built-in pattern takes time in proportion to the text: possessive quantifiers (`++`) never go back. A text is cut
before it is searched, a margin beyond what is kept, so that nothing is kept of a secret that the cut went through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TypeVar

MARGIN = 1_024
"""Characters. A secret longer than this that no pattern knows by its beginning may be kept in part."""

_KEYS = re.compile(
    r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}+"  # OpenAI, Anthropic (sk-ant-…), Stripe and others
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS access key ids
    r"|\bgh[oprsu]_[A-Za-z0-9]{20,}+|\bgithub_pat_\w{20,}+|\bglpat-[\w-]{20,}+"  # GitHub, GitLab
    r"|\bxox[a-z]-[A-Za-z0-9-]{10,}+|\bxapp-[A-Za-z0-9-]{10,}+|\bAIza[A-Za-z0-9_-]{30,}+"  # Slack, Google
    r"|\b(?:gsk_|xai-|hf_|pplx-|npm_)[\w-]{20,}+"  # Groq, xAI, Hugging Face, Perplexity, npm
    r"|\bSG\.[\w-]{20,}+\.[\w-]{20,}+"  # SendGrid
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{0,8000}+(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
    r"|\beyJ[A-Za-z0-9_-]{10,}+(?:\.[A-Za-z0-9_-]++)*+"  # JSON web tokens
)
_MADE_BY_AWS = re.compile(
    "(?<![A-Za-z0-9])(?=[A-Z0-9]{0,39}[a-z])(?=[a-z0-9]{0,39}[A-Z])(?=[A-Za-z]{0,39}[0-9])[A-Za-z0-9]{40}(?![A-Za-z0-9])"
)
"""What API Gateway makes as the value of a key. Digests have small letters alone."""
_BEARER = re.compile(r"(?i)\b(bearer)\s{1,3}(?:(?=[a-z._~+/=-]*+\d)[\w.~+/=-]{8,}+|[\w.~+/=-]{20,}+)")
_NAMED = re.compile(
    r"(?i)(?<![A-Za-z0-9])(api[-_]?key|authorization|passw(?:or)?d|(?:secret[-_]?)?access[-_]?key|(?:client|api)[-_]?secret"
    r"|(?:access|refresh|auth)[-_]?token)\b(\\{0,3}[\"']?\s{0,3}[:=]\s{0,3}\\{0,3}[\"']?)(?:(?:basic|bearer)\s{1,3})?"
    r"(?!\[redacted)[^\s\"',;\\]{8,}+"
)
_EMAIL = re.compile(
    "(?<![\\w.%+-])[\\w.%+-]++[@\uff20][\\w-]++(?:\\.[\\w-]++)++"  # U+FF20 is the @ of East Asian keyboards
    r"|(?<![\w.+-])[\w.+-]++%40[\w-]++(?:\.[\w-]++)++"
)
_ESCAPED = re.compile(r"\\u00([2-7][0-9A-Fa-f])")
"""ASCII as JSON may write it: in strings that hold JSON, and in bodies that are none."""
_DIGITS = re.compile(r"\d++(?:[ \u00a0-]{1,2}\d++)*+")
_GROUPED = re.compile(
    r"(?<!\d)(?:\d{4}([\W_]{1,2})\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{4}([\W_]{1,2})\d{6}\2\d{5})(?!\d)"
)
"""As cards are printed, whatever stands between the groups."""
_GROUP = re.compile(r"\d+")
_CARD_DIGITS = range(13, 20)

_SECRET_MEMBERS = (
    "authorization", "apikey", "password", "passwd", "secret", "accesskey", "secretkey", "privatekey", "accesstoken",
    "refreshtoken", "authtoken",
)  # fmt: skip
"""Ends of the names of members that hold one, in small letters and digits alone."""
_PIECEMEAL = "logprobs"
"""A member that has the answer once more, cut into pieces in which nothing is recognized."""
_DATA_URL = re.compile(r"data:[\w/+.-]{1,100};base64,([A-Za-z0-9+/=_-]++)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\r\n-]{256,}+[=\r\n]*+")
_MEDIA_PREFIX = 2_048
_MOST_DEPTH, _MOST_NUMBERS = 100, 64


_T = TypeVar("_T")


class Redaction:
    """The built-in masks and an operator's. re.error: a pattern is none; the environment file is checked for that."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = [re.compile(each) for each in patterns]

    def text(self, text: str) -> str:
        """`text` with everything masked that a pattern knows."""
        for pattern in self._patterns:
            text = pattern.sub("[redacted:pattern]", text)
        text = _ESCAPED.sub(_written, text)
        text = _DATA_URL.sub(lambda found: _media(len(found[1])), text)
        text = _KEYS.sub("[redacted:key]", text)
        text = _MADE_BY_AWS.sub("[redacted:key]", text)
        text = _BEARER.sub(r"\1 [redacted:key]", text)
        text = _NAMED.sub(r"\1\2[redacted:key]", text)
        text = _EMAIL.sub("[redacted:email]", text)
        text = _GROUPED.sub(_without_card, text)
        return _DIGITS.sub(lambda found: _without_cards(found[0]), text)

    def kept(self, value: object, most_bytes: int) -> tuple[str, bool]:
        """A text, or any JSON value as JSON, masked; at most so many bytes of it, and whether that cut it."""
        room = _Room(most_bytes)
        masked = self._cut(value, room) if isinstance(value, str) else self._masked(value, room, 0)
        text = masked if isinstance(masked, str) else json.dumps(masked, ensure_ascii=False, separators=(",", ":"))
        # Half a surrogate pair, which JSON can escape, is no UTF-8.
        raw = text.encode(errors="replace")
        return raw[:most_bytes].decode(errors="ignore"), room.cut or len(raw) > most_bytes

    def _masked(self, value: object, room: _Room, depth: int) -> object:
        if depth > _MOST_DEPTH:
            return "[nested too deeply]"
        if isinstance(value, dict):
            return {
                self.text(name[:MARGIN]): self._member(name, each, room, depth)
                for name, each in room.each(value.items())
            }
        if isinstance(value, list):
            if len(value) > _MOST_NUMBERS and all(isinstance(each, int | float) for each in value):
                return f"[{len(value)} numbers]"
            return [self._masked(each, room, depth + 1) for each in room.each(value)]
        if isinstance(value, str):
            return self._string(value, room)
        if isinstance(value, int | float) and not isinstance(value, bool):
            masked = self.text(str(value)[:MARGIN])
            return value if masked == str(value) else masked
        return value

    def _member(self, name: str, value: object, room: _Room, depth: int) -> object:
        if isinstance(value, str | int) and not isinstance(value, bool) and _plain(name).endswith(_SECRET_MEMBERS):
            return "[redacted:secret]"
        if isinstance(value, dict | list) and name == _PIECEMEAL:
            return "[left out]"
        return self._masked(value, room, depth + 1)

    def _string(self, text: str, room: _Room) -> str:
        start = text[:_MEDIA_PREFIX]
        if _BASE64.fullmatch(start):
            return _media(len(text))
        if (url := _DATA_URL.match(start)) and url.end() == len(start):
            return _media(len(text) - url.start(1))
        return self._cut(text, room)

    def _cut(self, text: str, room: _Room) -> str:
        if len(text) <= room.left:
            return room.taken(self.text(text))
        room.cut = True
        searched = text[: room.left + MARGIN]
        masked = self.text(searched)
        return room.taken(masked if len(searched) == len(text) else masked[:-MARGIN])


class _Room:
    """How much of a value is still kept: what comes after is not even looked at, however large it is."""

    def __init__(self, characters: int) -> None:
        self.left = characters
        self.cut = False

    def taken(self, text: str) -> str:
        self.cut = self.cut or len(text) > self.left
        kept = text[: self.left]
        self.left -= len(kept)
        return kept

    def each(self, items: Iterable[_T]) -> Iterator[_T]:
        """As many of `items` as there is room for; brackets and commas take some too."""
        for item in items:
            if self.left <= 0:
                self.cut = True
                return
            self.left -= 2
            yield item


def _plain(name: str) -> str:
    return "".join(each for each in name[:MARGIN].lower() if each.isalnum())


def _written(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return found[0] if character in '"\\' else character  # they would end a string that holds JSON


def _without_card(found: re.Match[str]) -> str:
    digits = "".join(each for each in found[0] if each.isdecimal())
    return "[redacted:card]" if _luhn(digits)(0, len(digits)) else found[0]


def _media(base64_length: int) -> str:
    return f"[media {base64_length * 3 // 4} bytes]"


def _without_cards(run: str) -> str:
    """A run of digits and separators, its card numbers masked: any of its groups, side by side, may be one."""
    groups = list(_GROUP.finditer(run))
    lengths = list(accumulate((len(group[0]) for group in groups), initial=0))
    if lengths[-1] < _CARD_DIGITS.start:
        return run
    is_card = _luhn("".join(group[0] for group in groups))
    parts, done, end = [], 0, -1
    for first, group in enumerate(groups):
        last = -1
        for place in range(first, len(groups)):
            size = lengths[place + 1] - lengths[first]
            if size >= _CARD_DIGITS.stop:
                break
            if size in _CARD_DIGITS and is_card(lengths[first], lengths[place + 1]):
                last = place
        if last > end:
            if first > end:
                parts += [run[done : group.start()], "[redacted:card]"]
            done, end = groups[last].end(), last
    return "".join([*parts, run[done:]])


def _luhn(digits: str) -> Callable[[int, int], bool]:
    """Whether the digits from one place up to another have a card number's check digit: each second one counts twice,
    from the right, less 9 where that has two digits. From sums, so that asking again and again costs nothing."""
    once = [int(each) for each in digits]
    twice = [2 * each - 9 * (each > 4) for each in once]
    even = list(accumulate((each[n % 2] for n, each in enumerate(zip(once, twice, strict=True))), initial=0))
    odd = list(accumulate((each[1 - n % 2] for n, each in enumerate(zip(once, twice, strict=True))), initial=0))

    def holds(start: int, end: int) -> bool:
        sums = even if end % 2 else odd
        return (sums[end] - sums[start]) % 10 == 0

    return holds
