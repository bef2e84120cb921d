"""What the stand-in provider generates and counts, before any dialect gives it a shape. Deterministic and pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from local.provider.script import Script
from local.provider.wire import TokenCounts

_BYTES_PER_TOKEN: Final = 4
_IMAGE_TOKENS: Final = 85
_THOUGHT: Final = "Think about what was said, then say it again."
_MOST_ECHOED = 400
_WORDS = re.compile(r"\S+\s*|\s+")
_SHARES = (
    ("cache_read", "cached", 2),
    ("cache_write_5m", "cachewrite", 4),
    ("cache_write_1h", "cachewrite", 7),
    ("input_audio", "audio", 5),
    ("input_image", "image", 6),
)
_BLOBS = ("image_url", "data", "bytes", "file_data")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for, whatever its dialect.

    prompt: JSON whose strings are counted as input. question: the text to echo. size: bytes of the request's body.
    most_output: tokens per choice. stops: sequences that end an answer.
    """

    prompt: object
    question: str
    size: int
    most_output: int | None = None
    stops: tuple[str, ...] = ()
    choices: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """One generated answer. finish: "stop", "length", or "stop_sequence" (then `stop` names it)."""

    text: str
    finish: str
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """Everything one request generated. thought: the reasoning before the answer; "" for none."""

    choices: tuple[Choice, ...]
    tokens: TokenCounts
    thought: str = ""


def generate(wanted: Wanted, script: Script, classes: frozenset[str]) -> Generated:
    """The answer to `wanted`: an echo, cut to the tokens and the stop sequences asked for.

    classes: the special token classes that the dialect can report; the others are never used.
    """
    reasoning, room = 0, wanted.most_output
    if "reasoning" in script.flags:
        reasoning = 7 + input_tokens(wanted) // 3
        if room is not None:
            reasoning = min(reasoning, room)
            room -= reasoning
    choices = tuple(_choice(wanted, script, number, room) for number in range(wanted.choices))
    spoken = sum(tokens_of(choice.text) for choice in choices)
    reasoning *= wanted.choices
    audio = (spoken + 1) // 2 if "audio" in script.flags and "output_audio" in classes else 0
    tokens = TokenCounts(
        **_input_classes(input_tokens(wanted), script, classes),
        output=spoken + reasoning - audio,
        output_audio=audio,
        reasoning=reasoning,
    )
    return Generated(choices, tokens, _THOUGHT if reasoning else "")


def _choice(wanted: Wanted, script: Script, number: int, room: int | None) -> Choice:
    text = f"You said: {wanted.question[:_MOST_ECHOED]}"
    if wanted.choices > 1:
        text = f"{number + 1}. {text}"
    if "heedless" in script.flags:
        room = None
    if script.long is not None:
        size = min(script.long, room if room is not None else script.long) * _BYTES_PER_TOKEN
        text = ("on and on " * (size // 10 + 1))[:size]
    finish, stop = "stop", None
    for sequence in wanted.stops:
        if sequence and sequence in text:
            text, finish, stop = text.partition(sequence)[0], "stop_sequence", sequence
    if room is not None and tokens_of(text) > room:
        text = text.encode()[: room * _BYTES_PER_TOKEN].decode(errors="ignore")
        finish, stop = "length", None
    elif script.long is not None and room is not None and script.long > room:
        finish = "length"
    return Choice(text, finish, stop)


def _input_classes(total: int, script: Script, classes: frozenset[str]) -> dict[str, int]:
    """Every scripted class gets a share of its own size, so that two of them swapped would show."""
    left = total
    shares = {}
    for name, flag, part in _SHARES:
        if flag in script.flags and name in classes:
            shares[name] = min(left, max(1, total // part))
            left -= shares[name]
    return {"input": left, **shares}


def tokens_of(text: str) -> int:
    """Tokens of a text: its UTF-8 bytes over four, rounded up."""
    return -(-len(text.encode(errors="surrogatepass")) // _BYTES_PER_TOKEN)


def input_tokens(wanted: Wanted) -> int:
    """Tokens of a prompt: at least 1, and never more than the request has bytes."""
    return min(wanted.size, max(1, sum(_weights(wanted.prompt))))


def _weights(value: object, member: str = "") -> Iterator[int]:
    if isinstance(value, str):
        yield _IMAGE_TOKENS if member in _BLOBS else tokens_of(value)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _weights(each, member if member in _BLOBS else name)
    elif isinstance(value, list):
        for each in value:
            yield from _weights(each, member)
    elif isinstance(value, int) and not isinstance(value, bool) and member == "tokens":
        yield 1


def last_text(messages: object) -> str:
    """The text of the last user message of any dialect; "" where there is none."""
    if isinstance(messages, str):
        return messages
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role", "user") == "user":
            return _text(message.get("content"))
    return ""


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)


def pieces(text: str, most: int = 16) -> list[str]:
    """A text as a stream delivers it: whole words, in at most `most` pieces."""
    words = _WORDS.findall(text)
    step = max(1, -(-len(words) // most))
    return ["".join(words[start : start + step]) for start in range(0, len(words), step)]
