"""Anthropic's Python SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic

from tests.clients.programs.actions import DESCRIPTION, SCHEMA, Action, serve, weather


def _options(action: Action) -> dict[str, Any]:
    return {"model": action.model, "max_tokens": 500, "messages": [{"role": "user", "content": action.prompt}]}


def _client(action: Action) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=action.url, api_key=action.key)


def plain(action: Action) -> str:
    return _client(action).messages.create(**_options(action)).content[0].text


def streamed(action: Action) -> Iterator[str]:
    with _client(action).messages.stream(**_options(action)) as stream:
        yield from stream.text_stream


def tool(action: Action) -> str:
    options = _options(action) | {"tools": [{"name": "weather", "description": DESCRIPTION, "input_schema": SCHEMA}]}
    message = _client(action).messages.create(**options)
    (use,) = message.content
    result = {"type": "tool_result", "tool_use_id": use.id, "content": weather(**use.input)}
    options["messages"] += [{"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    return _client(action).messages.create(**options).content[0].text


serve({"plain": plain, "streamed": streamed, "tool": tool}, (anthropic.AnthropicError,))
