"""OpenAI's Responses API, whole or streamed. https://platform.openai.com/docs/api-reference/responses"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from local.provider.conversation import read_turn
from local.provider.generation import Generated, GenerationRequest, generate, pieces
from local.provider.protocol import (
    CREATED,
    JSON,
    SSE,
    JsonObject,
    ProviderError,
    SuccessResponse,
    TokenCounts,
    integer_field,
    json_bytes,
    sse_event,
)
from local.provider.script import Script

CLASSES: Final = frozenset({"cache_read", "cache_write_5m"})
_CALLS: Final = {False: ("function_call", "arguments", "fc"), True: ("custom_tool_call", "input", "ctc")}
"""Type, member with the arguments, and id prefix of a tool call, by whether the tool is free-form."""


def responses(body: JsonObject, body_size: int, script: Script, request_id: str) -> SuccessResponse:
    """The response to `POST /v1/responses`. Raises ProviderError if OpenAI would reject the request."""
    given = body.get("input")
    if given in (None, "", []):
        raise ProviderError(400, "Missing required parameter: 'input'.", "missing_required_parameter")
    max_tokens = integer_field(body, "max_output_tokens", minimum=16)
    prompt = {name: body.get(name) for name in ("input", "instructions", "tools")}
    turn = read_turn(given, _tools(body))
    generated = generate(GenerationRequest(prompt, turn, body_size, max_tokens), script, CLASSES)
    usage = None if "nousage" in script.flags else _usage(generated.tokens)
    tier = script.tier or str(body.get("service_tier") or "default").replace("auto", "default")
    final: JsonObject = _empty(body, tier, request_id) | {
        "status": "completed",
        "output": _output(generated, request_id),
        "usage": usage,
    }
    if generated.choices[0].finish == "length":
        final |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    usage_reported = usage is not None
    if body.get("stream") is not True:
        return SuccessResponse(
            JSON, json_bytes(final), None, b"", generated.tokens, usage_reported, tier, turn.user_text
        )
    parts = list(_events(_empty(body, tier, request_id), final, generated))
    events = tuple(sse_event({**part, "sequence_number": number}) for number, part in enumerate(parts))
    error = {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
    error_event = sse_event({**error, "sequence_number": len(events) // 2})
    return SuccessResponse(SSE, b"", events, error_event, generated.tokens, usage_reported, tier, turn.user_text)


def _tools(body: JsonObject) -> list[object]:
    """All declared tools. Codex declares some in an item of the input."""
    lists = [body.get("tools")]
    if isinstance(items := body.get("input"), list):
        lists += [item.get("tools") for item in items if isinstance(item, dict) and "tools" in item]
    return [tool for tools in lists if isinstance(tools, list) for tool in tools]


def _empty(body: JsonObject, tier: str, request_id: str) -> JsonObject:
    """A response in progress, without output."""
    return {
        "id": f"resp_{request_id}",
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": tier,
        "store": body.get("store") is not False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
    }


def _output(generated: Generated, request_id: str) -> list[JsonObject]:
    items: list[JsonObject] = []
    if generated.reasoning_text:
        items.append({"id": f"rs_{request_id}", "type": "reasoning", "summary": []})
    choice = generated.choices[0]
    if choice.call is not None:
        tool = choice.call.tool
        kind, member, prefix = _CALLS[tool.free_form]
        call: JsonObject = {"id": f"{prefix}_{request_id}", "type": kind, "status": "completed", "name": tool.name}
        call |= {"call_id": f"call_{request_id}", member: choice.text}
        return [*items, call | ({"namespace": tool.namespace} if tool.namespace else {})]
    status = "incomplete" if choice.finish == "length" else "completed"
    content = [_part(choice.text)]
    message: JsonObject = {
        "id": f"msg_{request_id}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }
    return [*items, message]


def _part(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _events(empty: JsonObject, final: JsonObject, generated: Generated) -> Iterator[JsonObject]:
    yield {"type": "response.created", "response": empty}
    yield {"type": "response.in_progress", "response": empty}
    items = final["output"]
    assert isinstance(items, list)  # noqa: S101 - made by _output above
    *reasoning, message = items
    for index, item in enumerate(reasoning):
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    choice = generated.choices[0]
    if choice.call is not None:
        yield from _call_events(message, len(reasoning), choice.call.tool.free_form)
        yield {"type": "response.completed", "response": final}
        return
    text = choice.text
    position: JsonObject = {"item_id": message["id"], "output_index": len(reasoning), "content_index": 0}
    started = {**message, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": len(reasoning), "item": started}
    yield {"type": "response.content_part.added", **position, "part": _part("")}
    for piece in pieces(text):
        yield {"type": "response.output_text.delta", **position, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **position, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **position, "part": _part(text)}
    yield {"type": "response.output_item.done", "output_index": len(reasoning), "item": message}
    yield {"type": f"response.{final['status']}", "response": final}


def _call_events(item: JsonObject, index: int, free_form: bool) -> Iterator[JsonObject]:
    kind, member, _ = _CALLS[free_form]
    event = f"response.{kind}_{member}"
    position: JsonObject = {"item_id": item["id"], "output_index": index}
    started = {**item, "status": "in_progress", member: ""}
    yield {"type": "response.output_item.added", "output_index": index, "item": started}
    for piece in pieces(str(item[member])):
        yield {"type": f"{event}.delta", **position, "delta": piece}
    yield {"type": f"{event}.done", **position, member: item[member], "name": item["name"]}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _usage(tokens: TokenCounts) -> JsonObject:
    return {
        "input_tokens": tokens.total_input,
        "input_tokens_details": {"cached_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write_5m},
        "output_tokens": tokens.total_output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.total_input + tokens.total_output,
    }
