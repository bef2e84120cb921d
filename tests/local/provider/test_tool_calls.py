"""A prompt makes the stand-in call a declared tool, and the official SDKs read the call and send the result."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from local.provider.conversation import Tool, ToolCall, Turn, read_turn
from local.provider.protocol import ProviderError

PROMPT = 'How is the weather? [[call weather {"city": "Oslo", "days": [1, 2]}]]'
ARGUMENTS = {"city": "Oslo", "days": [1, 2]}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
REPORT = "The tool returned: 3 degrees"


def test_chat(oai: openai.OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
    options: dict[str, Any] = {"model": "standin-small", "tools": tools}
    choice = oai.chat.completions.create(messages=messages, **options).choices[0]
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", ARGUMENTS)
    with oai.chat.completions.stream(messages=messages, **options) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert json.loads(streamed.message.tool_calls[0].function.arguments) == ARGUMENTS
    messages += [choice.message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "3 degrees"}]
    assert oai.chat.completions.create(messages=messages, **options).choices[0].message.content == REPORT
    # The result belongs to the turn before.
    messages += [{"role": "assistant", "content": REPORT}, {"role": "user", "content": "Thanks"}]
    assert oai.chat.completions.create(messages=messages, **options).choices[0].message.content == "You said: Thanks"


@pytest.mark.parametrize("stream", [False, True])
def test_responses(oai: openai.OpenAI, stream: bool) -> None:
    options: dict[str, Any] = {"model": "standin-small", "tools": [{"type": "function", "name": "weather"}]}
    if stream:
        with oai.responses.stream(input=PROMPT, **options) as events:
            call = events.get_final_response().output[0]
    else:
        call = oai.responses.create(input=PROMPT, **options).output[0]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", ARGUMENTS)
    items = [
        {"role": "user", "content": PROMPT},
        call.model_dump(exclude={"parsed_arguments"}),
        {"type": "function_call_output", "call_id": call.call_id, "output": "3 degrees"},
    ]
    assert oai.responses.create(input=items, **options).output_text == REPORT


def test_free_form_tool_in_a_namespace(oai: openai.OpenAI) -> None:
    """Codex declares its tools so: free-form, in a namespace, in an item of the input."""
    items = [
        {
            "type": "additional_tools",
            "role": "developer",
            "tools": [{"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]}],
        },
        {"role": "user", "content": '[[call exec "text(1)"]]'},
    ]
    events = list(oai.responses.create(model="standin-small", input=items, stream=True))
    call = events[-1].response.output[0]
    assert (call.type, call.namespace, call.name, call.input) == ("custom_tool_call", "functions", "exec", "text(1)")
    assert "".join(event.delta for event in events if event.type.endswith("input.delta")) == "text(1)"


def test_anthropic(claude: anthropic.Anthropic) -> None:
    options: dict[str, Any] = {"model": "standin-small", "max_tokens": 500}
    options["tools"] = [{"name": "weather", "input_schema": SCHEMA}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]
    message = claude.messages.create(messages=messages, **options)
    assert (message.stop_reason, message.content[0].name, message.content[0].input) == (
        "tool_use",
        "weather",
        ARGUMENTS,
    )
    with claude.messages.stream(messages=messages, **options) as stream:
        assert stream.get_final_message().content[0].input == ARGUMENTS
    result = {"type": "tool_result", "tool_use_id": message.content[0].id, "content": "3 degrees"}
    messages += [message.model_dump(include={"role", "content"}), {"role": "user", "content": [result]}]
    assert claude.messages.create(messages=messages, **options).content[0].text == REPORT


def test_bedrock(bedrock: Any) -> None:
    tools = [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"text": PROMPT}]}]
    options: dict[str, Any] = {"modelId": "standin-small", "toolConfig": {"tools": tools}}
    response = bedrock.converse(messages=messages, **options)
    use = response["output"]["message"]["content"][0]["toolUse"]
    assert (response["stopReason"], use["name"], use["input"]) == ("tool_use", "weather", ARGUMENTS)
    events = list(bedrock.converse_stream(messages=messages, **options)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert events[1]["contentBlockStart"]["start"]["toolUse"]["name"] == "weather"
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas)) == ARGUMENTS
    result = {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "3 degrees"}]}}
    messages += [response["output"]["message"], {"role": "user", "content": [result]}]
    assert bedrock.converse(messages=messages, **options)["output"]["message"]["content"][0]["text"] == REPORT


def test_only_declared_tools_are_called() -> None:
    weather = {"type": "function", "name": "weather"}
    assert read_turn(PROMPT, [weather]) == Turn(PROMPT, ToolCall(Tool("weather"), ARGUMENTS))
    assert read_turn(PROMPT, [{"type": "function", "name": "other"}]) == Turn(PROMPT)
    with pytest.raises(ProviderError, match="Invalid arguments of the requested tool call"):
        read_turn("[[call weather {]]", [weather])
