"""What the stand-in provider generates, and how it counts tokens, before a dialect gives it a shape. Deterministic."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from local.provider.conversation import ToolCall, Turn
from local.provider.protocol import ProviderError, TokenCounts
from local.provider.script import Script

_BYTES_PER_TOKEN: Final = 4
_IMAGE_TOKENS: Final = 85
_REASONING_TEXT: Final = "Think about what was said, then say it again."
_MAX_ECHOED_CHARACTERS = 410
_WORDS = re.compile(r"\S+\s*|\s+")
_SCRIPTED_SHARES = (
    ("cache_read", "cached", 2),
    ("cache_write_5m", "cachewrite", 4),
    ("cache_write_1h", "cachewrite", 7),
    ("input_audio", "audio", 5),
    ("input_image", "image", 6),
)
"""Token class, script flag, and the divisor of the input that belongs to the class."""
_BINARY_MEMBERS = ("image_url", "data", "bytes", "file_data")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """The parts of a request that generation depends on, whichever its dialect.

    prompt: JSON whose strings count as input. turn: what the messages ask for. body_size: bytes of the request body.
    max_tokens: limit per choice. stop_sequences: as in the request: absent, a text or a list.
    """

    prompt: object
    turn: Turn
    body_size: int
    max_tokens: int | None = None
    stop_sequences: object = None
    choices: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """A generated text or tool call. finish: "stop", "length", "tool_call", or "stop_sequence" (named by `stop`).

    text: the call's arguments if there is a call.
    """

    text: str
    finish: str
    stop: str | None = None
    call: ToolCall | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """Everything generated for a request. reasoning_text: "" without reasoning."""

    choices: tuple[Choice, ...]
    tokens: TokenCounts
    reasoning_text: str = ""


def generate(request: GenerationRequest, script: Script, classes: frozenset[str]) -> Generated:
    """A tool call, or an echo of the user's text or the tool's result, cut at the request's limit and stop sequences.

    classes: the special token classes that the dialect reports; no others are used.
    """
    reasoning, limit = 0, request.max_tokens
    if "reasoning" in script.flags:
        reasoning = 7 + input_tokens(request) // 3
        if limit is not None:
            reasoning = min(reasoning, limit)
            limit -= reasoning
    choices = tuple(_choice(request, script, number, limit) for number in range(request.choices))
    text_tokens = sum(tokens_of(choice.text) for choice in choices)
    reasoning *= request.choices
    audio = (text_tokens + 1) // 2 if "audio" in script.flags and "output_audio" in classes else 0
    tokens = TokenCounts(
        **_input_classes(input_tokens(request), script, classes),
        output=text_tokens + reasoning - audio,
        output_audio=audio,
        reasoning=reasoning,
    )
    return Generated(choices, tokens, _REASONING_TEXT if reasoning else "")


def _choice(request: GenerationRequest, script: Script, number: int, limit: int | None) -> Choice:
    turn = request.turn
    if turn.call is not None:
        return Choice(turn.call.text, "tool_call", call=turn.call)
    echoed = f"You said: {turn.user_text}" if turn.result is None else f"The tool returned: {turn.result}"
    text = echoed[:_MAX_ECHOED_CHARACTERS]
    if request.choices > 1:
        text = f"{number + 1}. {text}"
    if "heedless" in script.flags:
        limit = None
    if script.long is not None:
        size = min(script.long, limit if limit is not None else script.long) * _BYTES_PER_TOKEN
        text = ("on and on " * (size // 10 + 1))[:size]
    finish, stop = "stop", None
    for sequence in _stop_sequences(request.stop_sequences):
        if sequence and sequence in text:
            text, finish, stop = text.partition(sequence)[0], "stop_sequence", sequence
    if limit is not None and tokens_of(text) > limit:
        text = text.encode()[: limit * _BYTES_PER_TOKEN].decode(errors="ignore")
        finish, stop = "length", None
    elif script.long is not None and limit is not None and script.long > limit:
        finish = "length"
    return Choice(text, finish, stop)


def _stop_sequences(given: object) -> list[str]:
    """The stop sequences of a request. Raises ProviderError (400) unless they are absent, a text or a list of texts."""
    listed = [given] if isinstance(given, str) else given or []
    if not isinstance(listed, list) or not all(isinstance(sequence, str) for sequence in listed):
        raise ProviderError(400, f"Invalid stop sequences: expected a string or an array of strings, got {given!r}.")
    return listed


def _input_classes(total: int, script: Script, classes: frozenset[str]) -> dict[str, int]:
    """Input tokens by class. Each scripted class gets a share of a different size, so that a swap shows."""
    rest = total
    shares = {}
    for name, flag, divisor in _SCRIPTED_SHARES:
        if flag in script.flags and name in classes:
            shares[name] = min(rest, max(1, total // divisor))
            rest -= shares[name]
    return {"input": rest, **shares}


def tokens_of(text: str) -> int:
    """Tokens of a text: its UTF-8 bytes divided by four, rounded up."""
    return -(-len(text.encode(errors="surrogatepass")) // _BYTES_PER_TOKEN)


def input_tokens(request: GenerationRequest) -> int:
    """Tokens of the prompt: at least 1, and at most the bytes of the request."""
    return min(request.body_size, max(1, sum(_token_counts(request.prompt))))


def _token_counts(value: object, member: str = "") -> Iterator[int]:
    if isinstance(value, str):
        yield _IMAGE_TOKENS if member in _BINARY_MEMBERS else tokens_of(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _token_counts(inner, member if member in _BINARY_MEMBERS else name)
    elif isinstance(value, list):
        for element in value:
            yield from _token_counts(element, member)
    elif isinstance(value, int) and not isinstance(value, bool) and member == "tokens":
        yield 1


def pieces(text: str, limit: int = 16) -> list[str]:
    """A text split into whole words for streaming, in at most `limit` pieces."""
    words = _WORDS.findall(text)
    step = max(1, -(-len(words) // limit))
    return ["".join(words[start : start + step]) for start in range(0, len(words), step)]
