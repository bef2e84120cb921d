"""OpenAI's or Groq's Python SDK, as the argument says: chat completions."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from tests.clients.programs.actions import DESCRIPTION, SCHEMA, Action, serve, weather

SDK = importlib.import_module(sys.argv[1])


def _create(action: Action, messages: list[Any], **options: Any) -> Any:
    if SDK.__name__ == "groq":  # appends /openai/v1
        client = SDK.Groq(base_url=action.url, api_key=action.key)
    else:
        client = SDK.OpenAI(base_url=f"{action.url}/v1", api_key=action.key)
    return client.chat.completions.create(model=action.model, messages=messages, **options)


def _user(action: Action) -> dict[str, str]:
    return {"role": "user", "content": action.prompt}


def plain(action: Action) -> str:
    return _create(action, [_user(action)]).choices[0].message.content


def streamed(action: Action) -> Iterator[str]:
    chunks = _create(action, [_user(action)], stream=True)
    return (chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def tool(action: Action) -> str:
    function = {"name": "weather", "description": DESCRIPTION, "parameters": SCHEMA}
    tools = [{"type": "function", "function": function}]
    message = _create(action, [_user(action)], tools=tools).choices[0].message
    (call,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": weather(**json.loads(call.function.arguments))}
    return _create(action, [_user(action), message, result], tools=tools).choices[0].message.content


serve({"plain": plain, "streamed": streamed, "tool": tool}, (SDK.APIError,))
