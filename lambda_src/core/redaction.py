"""Masks API keys, e-mail addresses, card numbers and matches of the operator's patterns in logged text.

The built-in patterns run in linear time, because possessive quantifiers (`++`) do not backtrack. A text is truncated
before it is searched, but `MARGIN` characters beyond the kept part, so that no part of a secret at the cut is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TypeVar

from lambda_src.core.json_text import json_text, valid_text

MARGIN = 1_024
"""Characters. A longer secret may be kept in part if no pattern matches its beginning."""

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
_API_GATEWAY_KEY = re.compile(
    "(?<![A-Za-z0-9])(?=[A-Z0-9]{0,39}[a-z])(?=[a-z0-9]{0,39}[A-Z])(?=[A-Za-z]{0,39}[0-9])[A-Za-z0-9]{40}(?![A-Za-z0-9])"
)
"""Key values that API Gateway generates. It does not match digests, whose letters are all lower case."""
_BEARER = re.compile(r"(?i)\b(bearer)\s{1,3}(?:(?=[a-z._~+/=-]*+\d)[\w.~+/=-]{8,}+|[\w.~+/=-]{20,}+)")
_NAMED_SECRET = re.compile(
    r"(?i)(?<![A-Za-z0-9])(api[-_]?key|authorization|passw(?:or)?d|(?:secret[-_]?)?access[-_]?key|(?:client|api)[-_]?secret"
    r"|(?:access|refresh|auth)[-_]?token)\b(\\{0,3}[\"']?\s{0,3}[:=]\s{0,3}\\{0,3}[\"']?)(?:(?:basic|bearer)\s{1,3})?"
    r"(?!\[redacted)[^\s\"',;\\]{8,}+"
)
_EMAIL = re.compile(
    "(?<![\\w.%+-])[\\w.%+-]++[@\uff20][\\w-]++(?:\\.[\\w-]++)++"  # U+FF20: full-width @
    r"|(?<![\w.+-])[\w.+-]++%40[\w-]++(?:\.[\w-]++)++"
)
_ESCAPED = re.compile(r"\\u00([2-7][0-9A-Fa-f])")
"""ASCII characters escaped in JSON: in strings that contain JSON, and in bodies that are not valid JSON."""
_DIGITS = re.compile(r"\d++(?:[ \u00a0-]{1,2}\d++)*+")
_GROUPED = re.compile(
    r"(?<!\d)(?:\d{4}([\W_]{1,2})\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{4}([\W_]{1,2})\d{6}\2\d{5})(?!\d)"
)
"""Card numbers in their printed groups, with any separator."""
_GROUP = re.compile(r"\d+")
_CARD_DIGITS = range(13, 20)

_SECRET_FIELDS = (
    "authorization", "apikey", "password", "passwd", "secret", "accesskey", "secretkey", "privatekey", "accesstoken",
    "refreshtoken", "authtoken",
)  # fmt: skip
"""Ends of the names of fields with a secret, reduced to lower-case letters and digits."""
_TOKENS_FIELD = "logprobs"
"""A field that repeats the response token by token, where no pattern matches."""
_DATA_URL = re.compile(r"data:[\w/+.-]{1,100};base64,([A-Za-z0-9+/=_-]++)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\r\n-]{256,}+[=\r\n]*+")
_MEDIA_PREFIX = 2_048
_MAX_DEPTH, _MAX_NUMBERS = 100, 64

_T = TypeVar("_T")


class Redaction:
    """The built-in patterns and `patterns`, regular expressions. re.error if one is invalid."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def redact(self, text: str) -> str:
        """`text` with every match of a pattern masked."""
        for pattern in self._patterns:
            text = pattern.sub("[redacted:pattern]", text)
        text = _ESCAPED.sub(_unescape, text)
        text = _DATA_URL.sub(lambda match: _media(len(match[1])), text)
        text = _KEYS.sub("[redacted:key]", text)
        text = _API_GATEWAY_KEY.sub("[redacted:key]", text)
        text = _BEARER.sub(r"\1 [redacted:key]", text)
        text = _NAMED_SECRET.sub(r"\1\2[redacted:key]", text)
        text = _EMAIL.sub("[redacted:email]", text)
        text = _GROUPED.sub(_mask_card, text)
        return _DIGITS.sub(lambda match: _mask_cards(match[0]), text)

    def redact_and_truncate(self, value: object, max_bytes: int) -> tuple[str, bool]:
        """A text, or a JSON value as JSON, masked and truncated to `max_bytes`; and whether it was truncated."""
        limit = _Limit(max_bytes)
        masked = self._truncated(value, limit) if isinstance(value, str) else self._masked(value, limit, 0)
        text = valid_text(masked) if isinstance(masked, str) else json_text(masked)
        raw = text.encode()
        return raw[:max_bytes].decode(errors="ignore"), limit.truncated or len(raw) > max_bytes

    def _masked(self, value: object, limit: _Limit, depth: int) -> object:
        if depth > _MAX_DEPTH:
            return "[nested too deeply]"
        if isinstance(value, dict):
            return {
                self.redact(name[:MARGIN]): self._field(name, field, limit, depth)
                for name, field in limit.take_items(value.items())
            }
        if isinstance(value, list):
            if len(value) > _MAX_NUMBERS and all(isinstance(item, int | float) for item in value):
                return f"[{len(value)} numbers]"
            return [self._masked(item, limit, depth + 1) for item in limit.take_items(value)]
        if isinstance(value, str):
            return self._string(value, limit)
        if isinstance(value, int | float) and not isinstance(value, bool):
            masked = self.redact(str(value)[:MARGIN])
            return value if masked == str(value) else masked
        return value

    def _field(self, name: str, value: object, limit: _Limit, depth: int) -> object:
        if isinstance(value, str | int) and not isinstance(value, bool) and _plain(name).endswith(_SECRET_FIELDS):
            return "[redacted:secret]"
        if isinstance(value, dict | list) and name == _TOKENS_FIELD:
            return "[left out]"
        return self._masked(value, limit, depth + 1)

    def _string(self, text: str, limit: _Limit) -> str:
        start = text[:_MEDIA_PREFIX]
        if _BASE64.fullmatch(start):
            return _media(len(text))
        if (url := _DATA_URL.match(start)) and url.end() == len(start):
            return _media(len(text) - url.start(1))
        return self._truncated(text, limit)

    def _truncated(self, text: str, limit: _Limit) -> str:
        if len(text) <= limit.left:
            return limit.take(self.redact(text))
        limit.truncated = True
        searched = text[: limit.left + MARGIN]
        masked = self.redact(searched)
        return limit.take(masked if len(searched) == len(text) else masked[:-MARGIN])


class _Limit:
    """The characters that may still be kept of a value. Once none are left, the rest of the value is not read."""

    def __init__(self, characters: int) -> None:
        self.left = characters
        self.truncated = False

    def take(self, text: str) -> str:
        self.truncated = self.truncated or len(text) > self.left
        kept = text[: self.left]
        self.left -= len(kept)
        return kept

    def take_items(self, items: Iterable[_T]) -> Iterator[_T]:
        """The items within the limit. Each also takes two characters for brackets and commas."""
        for item in items:
            if self.left <= 0:
                self.truncated = True
                return
            self.left -= 2
            yield item


def _plain(name: str) -> str:
    return "".join(character for character in name[:MARGIN].lower() if character.isalnum())


def _unescape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return match[0] if character in '"\\' else character  # these would break the JSON inside a string


def _mask_card(match: re.Match[str]) -> str:
    digits = "".join(character for character in match[0] if character.isdecimal())
    return "[redacted:card]" if _luhn(digits)(0, len(digits)) else match[0]


def _media(base64_length: int) -> str:
    return f"[media {base64_length * 3 // 4} bytes]"


def _mask_cards(run: str) -> str:
    """A run of digits and separators, with its card numbers masked. Any adjacent groups of digits may be one."""
    groups = list(_GROUP.finditer(run))
    lengths = list(accumulate((len(group[0]) for group in groups), initial=0))
    if lengths[-1] < _CARD_DIGITS.start:
        return run
    is_card = _luhn("".join(group[0] for group in groups))
    parts, done, end = [], 0, -1
    for first, group in enumerate(groups):
        last = -1
        for index in range(first, len(groups)):
            size = lengths[index + 1] - lengths[first]
            if size >= _CARD_DIGITS.stop:
                break
            if size in _CARD_DIGITS and is_card(lengths[first], lengths[index + 1]):
                last = index
        if last > end:
            if first > end:
                parts += [run[done : group.start()], "[redacted:card]"]
            done, end = groups[last].end(), last
    return "".join([*parts, run[done:]])


def _luhn(digits: str) -> Callable[[int, int], bool]:
    """A function that tells whether digits[start:end] pass the Luhn check: from the right, every second digit counts
    twice, less 9 if that has two digits. It uses prefix sums, so that each call takes constant time."""
    pairs = [(digit, 2 * digit - 9 * (digit > 4)) for digit in map(int, digits)]
    even = list(accumulate((pair[index % 2] for index, pair in enumerate(pairs)), initial=0))
    odd = list(accumulate((pair[1 - index % 2] for index, pair in enumerate(pairs)), initial=0))

    def passes(start: int, end: int) -> bool:
        sums = even if end % 2 else odd
        return (sums[end] - sums[start]) % 10 == 0

    return passes
