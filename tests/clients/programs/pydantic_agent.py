"""pydantic-ai with OpenAI's chat completions, OpenAI's responses or Anthropic, as the argument says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.programs.actions import Action, serve, weather


def _agent(action: Action, **options: Any) -> Agent:
    if sys.argv[1] == "anthropic":
        model: Any = AnthropicModel(action.model, provider=AnthropicProvider(base_url=action.url, api_key=action.key))
    else:
        kind = OpenAIResponsesModel if sys.argv[1] == "responses" else OpenAIChatModel
        model = kind(action.model, provider=OpenAIProvider(base_url=f"{action.url}/v1", api_key=action.key))
    return Agent(model, **options)


def plain(action: Action) -> str:
    return _agent(action).run_sync(action.prompt).output


def streamed(action: Action) -> Iterator[str]:
    with _agent(action).run_stream_sync(action.prompt) as result:
        yield from result.stream_text(delta=True, debounce_by=None)


def tool(action: Action) -> str:
    return _agent(action, tools=[weather]).run_sync(action.prompt).output


serve({"plain": plain, "streamed": streamed, "tool": tool}, (AgentRunError,))
