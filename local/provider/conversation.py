"""What a request's messages ask for, in any dialect: the text to echo, the tool to call, or the result to report.

A prompt that contains `[[call NAME ARGUMENTS]]`, with ARGUMENTS in JSON, makes the stand-in call the tool NAME if the
request declares it. Once the tool's result is there, the stand-in reports it and ends the turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from local.provider.protocol import JsonObject, ProviderError

_MARKER: Final = "[[call "
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Tool:
    """A declared tool. namespace: of OpenAI's groups of tools. free_form: its input is a text instead of JSON."""

    name: str
    namespace: str | None = None
    free_form: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a declared tool. arguments: a text if the tool is free-form."""

    tool: Tool
    arguments: object

    @property
    def text(self) -> str:
        """The arguments as they are sent and billed."""
        return str(self.arguments) if self.tool.free_form else json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """The state of a conversation. user_text: the last prompt, "" if there is none. result: of a tool called since."""

    user_text: str = ""
    call: ToolCall | None = None
    result: str | None = None


def read_turn(messages: object, tools: object = None) -> Turn:
    """The state of a conversation with `messages`: a text, or a list of messages or items. tools: as declared.

    Raises ProviderError (400) if the arguments of a requested call are not JSON.
    """
    if isinstance(messages, str):
        return Turn(messages, _call(messages, tools))
    result = None
    for message in reversed(_objects(messages)):
        content = message.get("content")
        role = message.get("role", "tool" if "output" in message else "user")
        found = _text(message.get("output", content)) if role == "tool" else _result(content)
        if found is not None:
            result = found if result is None else result
        elif role == "user":
            text = _text(content)
            return Turn(text, None if result is not None else _call(text, tools), result)
    return Turn("", None, result)


def _call(text: str, tools: object) -> ToolCall | None:
    _, found, request = text.partition(_MARKER)
    name, _, arguments = request.partition(" ")
    tool = next((tool for tool in _declared(tools) if tool.name == name), None)
    if not found or tool is None:
        return None
    try:
        return ToolCall(tool, _DECODER.raw_decode(arguments)[0])
    except ValueError as error:
        raise ProviderError(400, f"Invalid arguments of the requested tool call: {error}") from None


def _declared(tools: object, namespace: str | None = None) -> Iterator[Tool]:
    for tool in _objects(tools):
        if tool.get("type") == "namespace":
            yield from _declared(tool.get("tools"), str(tool.get("name")))
            continue
        inner = tool.get("function", tool.get("toolSpec", tool))
        if isinstance(inner, dict) and "name" in inner:
            yield Tool(str(inner["name"]), namespace, tool.get("type") == "custom")


def _result(content: object) -> str | None:
    """The text of the last tool result among content parts."""
    for part in reversed(_objects(content)):
        inner = part.get("toolResult", part if part.get("type") == "tool_result" else None)
        if isinstance(inner, dict):
            return _text(inner.get("content"))
    return None


def _text(content: object) -> str:
    """The last text of a message; coding agents put text of their own before the user's."""
    if isinstance(content, str):
        return content
    texts = [str(part.get("text", part.get("json"))) for part in _objects(content) if part.keys() & {"text", "json"}]
    return texts[-1] if texts else ""


def _objects(value: object) -> list[JsonObject]:
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []
