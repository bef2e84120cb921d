"""OpenAI's Python SDK, responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai

from tests.clients.programs.actions import DESCRIPTION, SCHEMA, Action, serve, weather


def _create(action: Action, given: Any, **options: Any) -> Any:
    client = openai.OpenAI(base_url=f"{action.url}/v1", api_key=action.key)
    return client.responses.create(model=action.model, input=given, **options)


def plain(action: Action) -> str:
    return _create(action, action.prompt).output_text


def streamed(action: Action) -> Iterator[str]:
    for event in _create(action, action.prompt, stream=True):
        if event.type == "response.failed":
            raise openai.OpenAIError(event.response.error.message)
        if event.type == "response.output_text.delta":
            yield event.delta


def tool(action: Action) -> str:
    tools = [{"type": "function", "name": "weather", "description": DESCRIPTION, "parameters": SCHEMA, "strict": False}]
    (call,) = _create(action, action.prompt, tools=tools).output
    output = weather(**json.loads(call.arguments))
    result = {"type": "function_call_output", "call_id": call.call_id, "output": output}
    return _create(action, [{"role": "user", "content": action.prompt}, call, result], tools=tools).output_text


serve({"plain": plain, "streamed": streamed, "tool": tool}, (openai.OpenAIError,))
