"""Whether a provider of OpenAI chat completions respects the maximum output that the gateway sends.

A maximum that the provider ignores is no bound: requests can cost more than the amount held for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lambda_src.contract import ROUTES
from lambda_src.core.dialects.flavours import FLAVOURS, MAXIMA

OUTPUT_TOKENS: Final = 16
"""Maximum output tokens of a check. Some models reject less."""
_PROMPT: Final = "Count from one to one hundred in English words, one number per line, without any other text."
"""The answer has about 300 tokens, so that an ignored maximum shows and costs little."""
_COUNT: Final = re.compile(rb'"completion_tokens"\s*:\s*(\d+)')
PATH: Final = next(route.path for route in ROUTES if route.name == "chat")


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway's response to a request. status: None without a response. error: None for a success."""

    status: int | None
    body: bytes
    latency_ms: int
    nano_usd: int
    request_id: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check.

    field: the field under which the provider respected the maximum. output_tokens: the most that it reported.
    advice: the setting to change.
    """

    error: str | None = None
    field: str | None = None
    output_tokens: int | None = None
    advice: str | None = None


Send = Callable[[Mapping[str, object]], Answer]


def check(send: Send, model: str, flavour_name: str) -> Verdict:
    """Ask for a long answer with a small maximum: whole, then streamed. If the provider ignores or rejects the field
    of its flavour, the second request has the other field, unless the gateway would translate it."""
    flavour = FLAVOURS[flavour_name]
    field = flavour.maximum[0]
    first = send(_request(model, field))
    tokens = _output_tokens(first)
    error = first.error or _exceeded(" and ".join(flavour.maximum), tokens)
    if error is None:
        if tokens is None:
            return Verdict(advice="the provider reports no usage, so whether it respects the maximum is unknown")
        return _check_stream(send, model, field, tokens)
    other = next(name for name in MAXIMA if name != field)
    if first.error is not None and not _names(first.error, MAXIMA):
        return Verdict(error)
    if other not in flavour.accepted:
        sends_both = len(flavour.maximum) > 1
        return Verdict(error, None, tokens, _NO_FIELD if sends_both and first.error is None else _advice(field))
    second = send(_request(model, other))
    other_tokens = _output_tokens(second)
    if second.error is None and other_tokens is not None and other_tokens <= OUTPUT_TOKENS:
        return Verdict(error, other, tokens, _advice(field))
    return Verdict(error, None, tokens if other_tokens is None else max(tokens or 0, other_tokens), _NO_FIELD)


def _check_stream(send: Send, model: str, field: str, tokens: int) -> Verdict:
    answer = send(_request(model, field) | {"stream": True, "stream_options": {"include_usage": True}})
    if answer.error is not None:
        advice = 'set flavour = "mistral", which sends no stream_options' if _names(answer.error, _STREAM) else None
        return Verdict(f"in a stream: {answer.error}", field, tokens, advice)
    streamed = _output_tokens(answer)
    if streamed is None:
        return Verdict(None, field, tokens, "streams report no usage, so they are charged by estimate")
    error = _exceeded(field, streamed)
    return Verdict(error and f"in a stream: {error}", None if error else field, max(tokens, streamed))


_STREAM: Final = ("stream_options",)
_NO_FIELD: Final = (
    "the provider respects neither max_tokens nor max_completion_tokens, so that requests can cost more than the "
    "amount held for them; limit the output in the provider's own configuration"
)


def _advice(field: str) -> str:
    """The flavour that sends the field other than `field`, and only that one."""
    other = next(name for name in MAXIMA if name != field)
    names = [name for name, flavour in FLAVOURS.items() if flavour.maximum == (other,)]
    name = "generic" if "generic" in names else names[0]
    return f'set flavour = "{name}", which sends {other} alone, or another in docs/providers.md'


def _request(model: str, field: str) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": _PROMPT}], field: OUTPUT_TOKENS}


def _names(error: str, fields: tuple[str, ...]) -> bool:
    return any(field in error for field in fields)


def _exceeded(field: str, tokens: int | None) -> str | None:
    if tokens is None or tokens <= OUTPUT_TOKENS:
        return None
    return f"{field} was {OUTPUT_TOKENS}, and the response has {tokens} output tokens: the provider ignores it"


def _output_tokens(answer: Answer) -> int | None:
    """The output tokens that a success reports; None if it reports none. Streams may begin with placeholders."""
    counts = _COUNT.findall(answer.body) if answer.error is None else []
    return max(map(int, counts), default=None)
