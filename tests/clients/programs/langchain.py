"""LangChain: `ChatOpenAI` or `ChatAnthropic`, as the argument says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool as as_tool
from langchain_openai import ChatOpenAI

from tests.clients.programs.actions import Action, serve, weather


def _model(action: Action) -> Any:
    if sys.argv[1] == "anthropic":
        return ChatAnthropic(base_url=action.url, api_key=action.key, model=action.model)
    return ChatOpenAI(base_url=f"{action.url}/v1", api_key=action.key, model=action.model)


def plain(action: Action) -> str:
    return _model(action).invoke(action.prompt).text


def streamed(action: Action) -> Iterator[str]:
    return (chunk.text for chunk in _model(action).stream(action.prompt))


def tool(action: Action) -> str:
    model, question = _model(action).bind_tools([as_tool(weather)]), HumanMessage(action.prompt)
    message = model.invoke([question])
    (call,) = message.tool_calls
    return model.invoke([question, message, ToolMessage(weather(**call["args"]), tool_call_id=call["id"])]).text


serve({"plain": plain, "streamed": streamed, "tool": tool}, (openai.OpenAIError, anthropic.AnthropicError, ValueError))
