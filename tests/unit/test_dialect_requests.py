"""The facts that each dialect parses from a request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.test_parsed_request import parse


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def items(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"input": list(entries)}


TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a"}]}
TEXT_DOCUMENT = {"type": "document", "source": {"type": "text", "data": "a"}}


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("chat", message({"type": "text", "text": "a"}, {"type": "input_audio", "input_audio": {"data": "a"}})),
        ("chat", {"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "custom"}, {"type": "function"}]}),
        ("responses", {"input": "a", "previous_response_id": None, "conversation": None, "prompt": None}),
        ("responses", items({"role": "user", "content": [{"type": "input_text", "text": "a"}]})),
        ("responses", items({"type": "message", "role": "user", "content": "a"}, {"type": "function_call"})),
        ("responses", items({"type": "function_call_output", "output": [{"type": "input_text", "text": "a"}]})),
        ("responses", items({"type": "custom_tool_call"}, {"type": "custom_tool_call_output", "output": "a"})),
        ("responses", items({"type": "reasoning", "encrypted_content": "abc"})),
        ("responses", {"reasoning": {"effort": "high", "mode": "standard"}}),
        ("responses", {"tools": [{"type": "namespace", "tools": [{"type": "function"}, {"type": "custom"}]}]}),
        ("responses", {"tools": [{"type": "tool_search", "execution": "client"}, {"type": "apply_patch"}]}),
        ("responses", {"tools": [{"type": "local_shell"}, {"type": "shell", "environment": {"type": "local"}}]}),
        ("responses", items({"type": "additional_tools", "tools": [{"type": "namespace", "tools": []}]})),
        ("responses", items({"type": "local_shell_call"}, {"type": "shell_call_output", "output": "a"})),
        ("responses", items({"type": "apply_patch_call"}, {"type": "tool_search_output", "tools": []})),
        ("chat", {"tools": [{"function": {"name": "f"}}]}),
        ("embeddings", {"input": "a"}),
        ("embeddings", {"input": ["a", "b"]}),
        ("embeddings", {"input": [[1, 2], [3]]}),
        ("messages", message({"type": "text", "text": "a"}, TOOL_RESULT, TEXT_DOCUMENT)),
        ("messages", message({"type": "thinking"}, {"type": "redacted_thinking"}, {"type": "tool_use"})),
        (
            "messages",
            {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}, "inference_geo": "global"},
        ),
        ("converse", message({"text": "a"}, {"toolUse": {}}, {"reasoningContent": {}}, {"cachePoint": {}})),
        ("converse", message({"guardContent": {"text": {"text": "a"}}}, {"toolResult": {"content": [{"json": {}}]}})),
        ("converse", {"performanceConfig": {"latency": "standard"}, "additionalModelRequestFields": {}}),
    ],
)
def test_self_contained_requests_are_bounded(route: str, body: dict[str, Any]) -> None:
    request = parse(route, {"model": "m", **body})
    assert (request.unbounded_input, request.hosted_tool) == (None, None)


@pytest.mark.parametrize(
    ("route", "body", "part"),
    [
        ("chat", message({"type": "file", "file": {"file_id": "f"}}), "a content part of type file"),
        ("chat", {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "the audio of an earlier response"),
        (
            "chat",
            message({"type": "image_url", "image_url": {"url": "DATA:application/pdf;base64,AA"}}),
            "an image part whose data is not an image",
        ),
        ("responses", {"previous_response_id": "r"}, "previous_response_id"),
        ("responses", {"conversation": "c"}, "conversation"),
        ("responses", items({"id": "msg_1"}), "an input item of type item_reference"),
        ("responses", items({"type": "item_reference", "id": "1"}), "an input item of type item_reference"),
        ("responses", items({"type": "reasoning", "id": "1"}), "reasoning stored by the provider"),
        ("responses", items({"type": "mcp_call"}), "an input item of type mcp_call"),
        (
            "responses",
            items({"role": "user", "content": [{"type": "input_file"}]}),
            "a content part of type input_file",
        ),
        (
            "responses",
            items({"type": "function_call_output", "output": [{"type": "input_file"}]}),
            "a content part of type input_file",
        ),
        ("embeddings", {"input": [{"image": "u"}]}, "input other than text or tokens"),
        ("embeddings", {"input": {"image": "u"}}, "input other than text or tokens"),
        ("embeddings", {"messages": []}, "input other than text or tokens"),
        ("messages", {"thread": {"type": "create"}}, "thread"),
        ("messages", message({"type": "document", "source": {"type": "url"}}), "a content block of type document"),
        ("messages", message({"type": "web_search_tool_result"}), "a content block of type web_search_tool_result"),
        (
            "messages",
            message({"type": "tool_result", "content": [{"type": "document", "source": {"type": "base64"}}]}),
            "a content block of type document",
        ),
        ("converse", {"promptVariables": {}}, "promptVariables"),
        ("converse", message({"video": {}, "audio": {}}), "a content block with video, audio"),
        ("converse", message({}), "a content block with no fields"),
        ("converse", message({"toolResult": {"content": [{"document": {}}]}}), "a content block with document"),
    ],
)
def test_references_make_the_input_unbounded(route: str, body: dict[str, Any], part: str) -> None:
    request = parse(route, {"model": "m", **body})
    assert (request.unbounded_input, request.hosted_tool) == (part, None)


@pytest.mark.parametrize(
    ("route", "body", "part"),
    [
        ("chat", {"web_search_options": {}}, "web_search_options"),
        ("chat", {"plugins": []}, "plugins"),
        ("chat", {"tools": [{"type": "mcp"}]}, "the tool mcp"),
        ("chat", {"tools": [{}]}, "the tool None"),
        ("responses", {"tools": [{"type": "function"}, {"type": "web_search"}]}, "the tool web_search"),
        ("responses", {"prompt": {"id": "p"}}, "prompt"),
        ("responses", {"context_management": [{}]}, "context_management"),
        ("responses", {"reasoning": {"mode": "pro"}}, "a reasoning mode other than standard"),
        (
            "responses",
            items({"type": "additional_tools", "tools": [{"type": "function"}, {"type": "web_search"}]}),
            "a tool in the input item additional_tools",
        ),
        ("responses", {"tools": [{"type": "namespace", "tools": [{"type": "mcp"}]}]}, "the tool namespace"),
        ("responses", {"tools": [{"type": "tool_search"}]}, "the tool tool_search"),
        ("responses", {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "the tool shell"),
        ("responses", items({"type": "configuration_update"}), "the input item configuration_update"),
        ("responses", items({"type": "compaction_trigger"}), "the input item compaction_trigger"),
        ("responses", items({"type": "program"}), "the input item program"),
        ("messages", {"tools": [{"type": "web_fetch_20250910"}]}, "the tool web_fetch_20250910"),
        ("messages", {"tools": [{"type": None}]}, "the tool None"),
        ("messages", {"mcp_servers": [{}]}, "mcp_servers"),
        ("messages", {"container": "c"}, "container"),
        ("messages", {"context_management": {"edits": [{"type": "compact_2"}]}}, "the context edit compact_2"),
        ("messages", {"compaction": {"type": "x"}}, "compaction"),
        ("converse", {"additionalModelRequestFields": {"a": 1}}, "additionalModelRequestFields"),
        ("converse", {"toolConfig": {"tools": [{"systemTool": {}}]}}, "a system tool"),
        ("converse", message({"toolAddition": {}}), "a tool added by a message"),
    ],
)
def test_tools_that_the_provider_runs(route: str, body: dict[str, Any], part: str) -> None:
    request = parse(route, {"model": "m", **body})
    assert (request.hosted_tool, request.unbounded_input) == (part, None)


@pytest.mark.parametrize(
    ("route", "body", "facts"),
    [
        ("chat", {"max_tokens": 7}, {"max_output": 7, "choices": 1, "extra_output": 0}),
        ("chat", {"max_completion_tokens": 7, "max_tokens": None}, {"max_output": 7}),
        ("chat", {"n": 128}, {"choices": 128, "max_output": None}),
        ("chat", {"modalities": ["text", "audio"]}, {"output_classes": {"output", "output_audio"}}),
        ("chat", {"modalities": ["text"]}, {"output_classes": {"output"}}),
        ("chat", {"stream": True}, {"stream": True, "usage_requested": False}),
        ("responses", {"max_output_tokens": 7, "stream": True}, {"max_output": 7, "stream": True, "overrides": {}}),
        ("embeddings", {"input": "a"}, {"max_output": 0, "input_classes": {"input"}}),
        ("messages", {"max_tokens": 7, "stream": True}, {"max_output": 7, "stream": True, "may_vary_tier": False}),
        ("messages", {}, {"max_output": None, "stream": False}),
        ("converse", {"inferenceConfig": {"maxTokens": 7}}, {"max_output": 7, "stream": False}),
        ("converse_stream", {}, {"max_output": None, "stream": True}),
    ],
)
def test_facts_that_bound_the_output(route: str, body: dict[str, Any], facts: dict[str, Any]) -> None:
    request = parse(route, {"model": "m", **body})
    assert {name: getattr(request, name) for name in facts} == facts
    assert request.body == {"model": "m", **body}
    assert request.model == "m"


def test_rejected_predictions_are_billed_as_output() -> None:
    prediction = {"type": "content", "content": "é" * 30}
    assert parse("chat", {"model": "m", "prediction": prediction}).extra_output == len(str(prediction).encode())


IMAGES = {
    "chat": message(*[{"type": "image_url", "image_url": {"url": "https://e.test/a.png"}}] * 2),
    "responses": items({"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png,AA"}] * 2}),
    "messages": message(*[{"type": "image", "source": {"type": "url", "url": "https://e.test/a.gif"}}] * 2),
    "converse": message({"image": {}}, {"toolResult": {"content": [{"image": {}}]}}),
}


@pytest.mark.parametrize("route", IMAGES)
def test_images_are_counted(route: str) -> None:
    body = {"model": "m", **IMAGES[route]}
    request = parse(route, body)
    assert request.images == 2
    assert "input_image" in request.input_classes
    assert "input_audio" not in request.input_classes
    assert request.unbounded_input is None
    image_bytes = 2 * len("data:image/png,AA") if route == "responses" else 0
    assert request.text_bytes == len(json.dumps(body)) - image_bytes


def test_images_in_function_results_are_counted() -> None:
    output = [{"type": "input_image", "file_id": "f"}]
    request = parse("responses", {"model": "m", **items({"type": "function_call_output", "output": output})})
    assert request.images == 1


@pytest.mark.parametrize("route", ["chat", "responses"])
def test_audio_has_its_own_token_class(route: str) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "AAAA"}}
    body = message(part) if route == "chat" else items({"role": "user", "content": [part]})
    assert "input_audio" in parse(route, {"model": "m", **body}).input_classes


SEARCH, FUNCTION = {"type": "web_search", "search_content_types": ["text"]}, {"type": "function", "name": "f"}


@pytest.mark.parametrize(
    ("route", "body", "forwarded"),
    [
        (
            "responses",
            {"tools": [FUNCTION, SEARCH], "tool_choice": "auto"},
            {"tools": [FUNCTION], "tool_choice": "auto"},
        ),
        ("responses", {"tools": [SEARCH], "tool_choice": "auto", "parallel_tool_calls": True}, {}),
        ("messages", {"tools": [{"type": "web_search_20250305"}, {"name": "f"}]}, {"tools": [{"name": "f"}]}),
    ],
)
def test_hosted_tools_can_be_removed(route: str, body: dict[str, Any], forwarded: dict[str, Any]) -> None:
    request = parse(route, {"model": "m", **body})
    assert request.hosted_tool is not None
    request.remove_hosted_tools()
    assert request.hosted_tool is None
    assert json.loads(request.forwarded_body(b"")) == {"model": "m", **forwarded}
    assert len(request.removed_tools) == 1
