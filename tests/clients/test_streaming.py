"""The official SDKs, with a base URL and a key alone: when each event reaches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.clients.cases import STREAMED
from tests.clients.conftest import LongStreams
from tests.clients.long_streams import (
    IMPATIENT_SECONDS,
    MESSAGES,
    anthropic_client,
    openai_client,
)
from tests.clients.measuring import Target

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

WORDS: Final = f"You said: {STREAMED}".split()


def chat(target: Target, **options: Any) -> Iterator[Any]:
    completions = openai_client(target, "alpha").chat.completions
    return iter(completions.create(model="openai-stepped", messages=MESSAGES, stream=True, **options))


def responses(target: Target) -> Iterator[Any]:
    return iter(openai_client(target, "alpha").responses.create(model="openai-stepped", input=STREAMED, stream=True))


def messages(target: Target) -> Iterator[Any]:
    client = anthropic_client(target, "alpha")
    return iter(client.messages.create(model="anthropic-stepped", max_tokens=500, messages=MESSAGES, stream=True))


@pytest.mark.parametrize(
    ("stream", "others"),
    {
        "openai, chat": (chat, 2),
        "openai, chat with usage": (lambda target: chat(target, stream_options={"include_usage": True}), 3),
        "openai, responses": (responses, 8),
        "anthropic": (messages, 5),
    }.values(),
    ids=["openai, chat", "openai, chat with usage", "openai, responses", "anthropic"],
)
def test_an_event_reaches_the_caller_before_the_one_after_the_next_is_sent(
    target: Target, stream: Callable[[Target], Iterator[Any]], others: int
) -> None:
    """The stand-in may send one event more than the caller has. others: events without text."""
    target.provider.clear()
    target.provider.release(2)
    received = 0
    for _ in stream(target):
        received += 1
        target.provider.release()
    assert received == len(WORDS) + others
    assert len(target.provider.calls()) == 1


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("openai, 60 seconds", 60),
        ("anthropic, 60 seconds", 60),
        ("openai, 40 silent seconds", 40),
        ("anthropic, 40 silent seconds", 40),
    ],
)
def test_a_long_stream_reaches_a_caller_who_accepts_no_long_silence(
    long_streams: LongStreams, name: str, seconds: int
) -> None:
    received = long_streams[name].result(timeout=100)
    assert received.text.split() == WORDS
    silent = seconds == 40
    # Events without text come before and after.
    assert seconds * 0.6 < received.seconds < seconds + 10
    assert (received.gap > 2 * IMPATIENT_SECONDS - 1) is silent
