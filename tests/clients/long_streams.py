"""Streams that last a minute, or are silent for most of one, as the official SDKs receive them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import anthropic
import openai

from tests.clients.cases import STREAMED
from tests.clients.measuring import Target

IMPATIENT_SECONDS: Final = 20.0
"""The longest silence that these clients accept. A comment every 15 seconds has to end it."""
MESSAGES: Final[Any] = [{"role": "user", "content": STREAMED}]


@dataclass(frozen=True, slots=True)
class Received:
    """text: of all events. seconds: from the first event to the last. gap: the longest time between two events."""

    text: str
    seconds: float
    gap: float


def openai_client(target: Target, consumer: str, **options: Any) -> openai.OpenAI:
    """OpenAI's SDK with the consumer's key alone."""
    return openai.OpenAI(base_url=f"{target.url}/v1", api_key=target.key(consumer), **options)


def anthropic_client(target: Target, consumer: str, **options: Any) -> anthropic.Anthropic:
    """Anthropic's SDK with the consumer's key alone."""
    return anthropic.Anthropic(base_url=target.url, api_key=target.key(consumer), **options)


def streams(target: Target) -> dict[str, Callable[[], Received]]:
    """Functions that receive a stream, by the name of the SDK and what the provider does."""
    chat = openai_client(target, "patient", timeout=IMPATIENT_SECONDS).chat.completions
    messages = anthropic_client(target, "patient", timeout=IMPATIENT_SECONDS).messages

    def from_openai(model: str) -> Received:
        chunks = chat.create(model=model, messages=MESSAGES, stream=True)
        return _received(chunk.choices[0].delta.content or "" for chunk in chunks)

    def from_anthropic(model: str) -> Received:
        with messages.stream(model=model, max_tokens=500, messages=MESSAGES) as stream:
            return _received(stream.text_stream)

    return {
        "openai, 60 seconds": lambda: from_openai("openai-drip-60"),
        "anthropic, 60 seconds": lambda: from_anthropic("anthropic-drip-60"),
        "openai, 40 silent seconds": lambda: from_openai("openai-pause-40"),
        "anthropic, 40 silent seconds": lambda: from_anthropic("anthropic-pause-40"),
    }


def _received(parts: Iterable[str]) -> Received:
    text, times = "", []
    for part in parts:
        text += part
        times.append(time.monotonic())
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return Received(text, times[-1] - times[0], max(gaps))
