"""The clients of the matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from lambda_src.contract import ProviderKind

Runtime = Literal["python", "node", "codex", "claude", "llm"]

_MODELS: Final[Mapping[ProviderKind, str]] = {
    "openai": "gpt-5-mini",
    "anthropic": "claude-sonnet-4-5",
    "bedrock": "amazon.nova-lite-v1:0",
}
_WEATHER: Final = 'How is the weather? [[call weather {"city": "Oslo"}]]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One row of the matrix.

    program: a module or file in tests/clients/programs with its arguments; empty for commands.
    light: part of `make test`. model: to request if the provider responds; "": its dialect's. tool_prompt: asks for a
    tool that the client declares. whole: it shows no text before it is complete. calls, requests and seen: by case,
    where they differ from the case's.
    """

    name: str
    dialect: ProviderKind
    runtime: Runtime
    program: tuple[str, ...] = ()
    light: bool = False
    model: str = ""
    tool_prompt: str = _WEATHER
    whole: bool = False
    calls: Mapping[str, int] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)

    def model_for(self, fault: str | None) -> str:
        """The model to request. fault: the stand-in's behaviour."""
        return (self.model or _MODELS[self.dialect]) if fault is None else f"{self.dialect}-{fault}"


# These ignore `x-should-retry`, and repeat what no provider has billed.
_AI_SDK_REPEATS: Final = {"provider fails": 9}
_CODEX_REPEATS: Final = {"provider fails": 90}
# These reach no provider.
_CODEX_REPEATS_401: Final = {"wrong key": 6}
_CLAUDE_CODE_REPEATS_404: Final = {"model not allowed": 2}
_CODEX_HIDES: Final = {"provider fails": "high demand"}

CLIENTS: Final = (
    Client(
        name="openai (Python), chat",
        dialect="openai",
        runtime="python",
        program=("chat_completions", "openai"),
        light=True,
    ),
    Client(
        name="openai (Python), responses",
        dialect="openai",
        runtime="python",
        program=("openai_responses",),
        light=True,
    ),
    Client(
        name="openai (Node.js), chat",
        dialect="openai",
        runtime="node",
        program=("openai.mjs", "chat"),
        light=True,
    ),
    Client(
        name="openai (Node.js), responses",
        dialect="openai",
        runtime="node",
        program=("openai.mjs", "responses"),
        light=True,
    ),
    Client(
        name="anthropic (Python)",
        dialect="anthropic",
        runtime="python",
        program=("anthropic_messages",),
        light=True,
    ),
    Client(
        name="anthropic (Node.js)",
        dialect="anthropic",
        runtime="node",
        program=("anthropic.mjs",),
        light=True,
    ),
    Client(
        name="boto3, Converse",
        dialect="bedrock",
        runtime="python",
        program=("boto3_converse",),
        light=True,
    ),
    Client(
        name="Codex",
        dialect="openai",
        runtime="codex",
        model="gpt-5.5",
        tool_prompt='Count. [[call exec_command {"cmd": "echo $((6*7))"}]]',
        whole=True,
        calls=_CODEX_REPEATS,
        requests=_CODEX_REPEATS_401,
        seen=_CODEX_HIDES,
    ),
    Client(
        name="Codex, its default model",
        dialect="openai",
        runtime="codex",
        model="gpt-6.1-sol",
        tool_prompt="Count. [[call exec \"text(await tools.exec_command({cmd: 'echo $((6*7))'}))\"]]",
        whole=True,
        calls=_CODEX_REPEATS,
        requests=_CODEX_REPEATS_401,
        seen=_CODEX_HIDES,
    ),
    Client(
        name="Claude Code",
        dialect="anthropic",
        runtime="claude",
        tool_prompt='Count. [[call Bash {"command": "echo $((6*7))", "description": "count"}]]',
        requests=_CLAUDE_CODE_REPEATS_404,
    ),
    Client(
        name="AI SDK, OpenAI responses",
        dialect="openai",
        runtime="node",
        program=("ai_sdk.mjs", "responses"),
        calls=_AI_SDK_REPEATS,
    ),
    Client(
        name="AI SDK, OpenAI chat",
        dialect="openai",
        runtime="node",
        program=("ai_sdk.mjs", "chat"),
        calls=_AI_SDK_REPEATS,
    ),
    Client(
        name="AI SDK, Anthropic",
        dialect="anthropic",
        runtime="node",
        program=("ai_sdk.mjs", "anthropic"),
        calls=_AI_SDK_REPEATS,
    ),
    Client(
        name="AI SDK, Bedrock",
        dialect="bedrock",
        runtime="node",
        program=("ai_sdk.mjs", "bedrock"),
    ),
    Client(
        name="LangChain, OpenAI",
        dialect="openai",
        runtime="python",
        program=("langchain", "openai"),
    ),
    Client(
        name="LangChain, Anthropic",
        dialect="anthropic",
        runtime="python",
        program=("langchain", "anthropic"),
    ),
    Client(
        name="pydantic-ai, OpenAI chat",
        dialect="openai",
        runtime="python",
        program=("pydantic_agent", "chat"),
    ),
    Client(
        name="pydantic-ai, OpenAI responses",
        dialect="openai",
        runtime="python",
        program=("pydantic_agent", "responses"),
    ),
    Client(
        name="pydantic-ai, Anthropic",
        dialect="anthropic",
        runtime="python",
        program=("pydantic_agent", "anthropic"),
    ),
    Client(
        name="LiteLLM, OpenAI",
        dialect="openai",
        runtime="python",
        program=("litellm_completion", "openai"),
    ),
    Client(
        name="LiteLLM, Anthropic",
        dialect="anthropic",
        runtime="python",
        program=("litellm_completion", "anthropic"),
    ),
    Client(
        name="LiteLLM, Bedrock",
        dialect="bedrock",
        runtime="python",
        program=("litellm_completion", "bedrock"),
    ),
    Client(
        name="groq (Python)",
        dialect="openai",
        runtime="python",
        program=("chat_completions", "groq"),
    ),
    Client(name="llm", dialect="openai", runtime="llm"),
)
