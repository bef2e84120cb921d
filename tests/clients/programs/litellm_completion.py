"""LiteLLM's SDK for OpenAI, Anthropic or Bedrock, as the argument says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import litellm
import openai

from tests.clients.programs.actions import DESCRIPTION, SCHEMA, Action, serve, weather

_PATHS = {"openai": "/v1", "anthropic": "", "bedrock": "/bedrock"}


def _complete(action: Action, messages: list[Any], **options: Any) -> Any:
    provider = sys.argv[1]
    if provider == "bedrock":
        options["aws_region_name"] = "eu-west-1"
    model, base = f"{provider}/{action.model}", action.url + _PATHS[provider]
    return litellm.completion(model=model, api_base=base, api_key=action.key, messages=messages, **options)


def _user(action: Action) -> dict[str, str]:
    return {"role": "user", "content": action.prompt}


def plain(action: Action) -> str:
    return _complete(action, [_user(action)]).choices[0].message.content


def streamed(action: Action) -> Iterator[str]:
    chunks = _complete(action, [_user(action)], stream=True)
    return (chunk.choices[0].delta.content or "" for chunk in chunks)


def tool(action: Action) -> str:
    function = {"name": "weather", "description": DESCRIPTION, "parameters": SCHEMA}
    tools = [{"type": "function", "function": function}]
    message = _complete(action, [_user(action)], tools=tools).choices[0].message
    (call,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": weather(**json.loads(call.function.arguments))}
    return _complete(action, [_user(action), message, result], tools=tools).choices[0].message.content


serve({"plain": plain, "streamed": streamed, "tool": tool}, (openai.OpenAIError,))
