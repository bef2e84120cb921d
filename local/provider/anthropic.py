"""Anthropic's dialect: messages, token counts and errors. https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from local.provider.conversation import read_turn
from local.provider.generation import Generated, GenerationRequest, generate, input_tokens, pieces
from local.provider.protocol import (
    JSON,
    SSE,
    JsonObject,
    ProviderError,
    ReceivedRequest,
    StandInKeys,
    SuccessResponse,
    TokenCounts,
    integer_field,
    json_bytes,
    sse_event,
)
from local.provider.script import Script

CLASSES: Final = frozenset({"cache_read", "cache_write_5m", "cache_write_1h"})
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "tool_call": "tool_use"}
_SIGNATURE = "c3RhbmQtaW4="


def authenticate(request: ReceivedRequest, keys: StandInKeys) -> None:
    """Raise ProviderError unless the key is in `keys.anthropic` (401) and `anthropic-version` is present (400).

    Accepts the key in `x-api-key`, as the API reference says, or as a bearer token, as the SDK sends it since 2.0.
    """
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    key = request.headers.get("x-api-key", bearer)
    if not key:
        raise ProviderError(401, "x-api-key header is required")
    if key not in keys.anthropic:
        raise ProviderError(401, "invalid x-api-key")
    if not request.headers.get("anthropic-version"):
        raise ProviderError(400, "anthropic-version: header is required")


def error_response(error: ProviderError, request_id: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an error response."""
    kind = _ERROR_TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    body = {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id}
    return json_bytes(body), {"request-id": request_id}


def success_headers(request_id: str) -> dict[str, str]:
    """Headers of every successful response."""
    return {"request-id": request_id}


def respond(operation: str, body: JsonObject, body_size: int, script: Script, request_id: str) -> SuccessResponse:
    """The response to a request. Raises ProviderError if Anthropic would reject the request."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ProviderError(400, "messages: at least one message is required")
    prompt = {name: body.get(name) for name in ("messages", "system", "tools")}
    turn = read_turn(messages, body.get("tools"))
    max_tokens, stops = integer_field(body, "max_tokens"), body.get("stop_sequences")
    request = GenerationRequest(prompt, turn, body_size, max_tokens, stops)
    if operation == "count_tokens":
        return SuccessResponse(JSON, json_bytes({"input_tokens": input_tokens(request)}), user_text=turn.user_text)
    if max_tokens is None:
        raise ProviderError(400, "max_tokens: Field required")
    generated = generate(request, script, CLASSES)
    tier = script.tier or "standard"
    usage_reported = "nousage" not in script.flags
    usage = _usage(generated.tokens, tier) if usage_reported else None
    choice = generated.choices[0]
    message: JsonObject = {
        "id": f"msg_{request_id}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": _content(generated, request_id),
        "stop_reason": _STOP_REASONS[choice.finish],
        "stop_sequence": choice.stop,
    }
    if body.get("stream") is not True:
        completion = json_bytes(message | ({"usage": usage} if usage else {}))
        return SuccessResponse(JSON, completion, None, b"", generated.tokens, usage_reported, tier, turn.user_text)
    events = tuple(map(sse_event, _events(message, usage)))
    error_event = sse_event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    return SuccessResponse(SSE, b"", events, error_event, generated.tokens, usage_reported, tier, turn.user_text)


def _content(generated: Generated, request_id: str) -> list[JsonObject]:
    choice = generated.choices[0]
    text: JsonObject = {"type": "text", "text": choice.text}
    if choice.call is not None:
        name, arguments = choice.call.tool.name, choice.call.arguments
        text = {"type": "tool_use", "id": f"toolu_{request_id}", "name": name, "input": arguments}
    if not generated.reasoning_text:
        return [text]
    return [{"type": "thinking", "thinking": generated.reasoning_text, "signature": _SIGNATURE}, text]


def _usage(tokens: TokenCounts, tier: str) -> JsonObject:
    """Usage of a message. `input_tokens` excludes the cache; `cache_creation` splits the cache writes by lifetime."""
    return {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write_5m + tokens.cache_write_1h,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": tokens.total_output,
        "output_tokens_details": {"thinking_tokens": tokens.reasoning},
        "server_tool_use": None,
        "service_tier": tier,
    }


def _events(message: JsonObject, usage: JsonObject | None) -> Iterator[JsonObject]:
    started = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    if usage is not None:
        started["usage"] = {**usage, "output_tokens": 1, "output_tokens_details": None}
    yield {"type": "message_start", "message": started}
    yield {"type": "ping"}
    blocks = message["content"]
    assert isinstance(blocks, list)  # noqa: S101 - made by _content above
    for index, block in enumerate(blocks):
        yield from _tool_block(index, block) if block["type"] == "tool_use" else _block(index, block)
    reason = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    final: JsonObject = {"type": "message_delta", "delta": reason}
    if usage is not None:
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
        final["usage"] = {name: usage[name] for name in (*names, "output_tokens_details")}
    yield final
    yield {"type": "message_stop"}


def _block(index: int, block: JsonObject) -> Iterator[JsonObject]:
    kind = str(block["type"])  # "text" or "thinking"; the member with the text has the same name
    empty = {**block, kind: ""} | ({"signature": ""} if kind == "thinking" else {})
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for piece in pieces(str(block[kind])):
        yield {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", kind: piece}}
    if kind == "thinking":
        signed = {"type": "signature_delta", "signature": _SIGNATURE}
        yield {"type": "content_block_delta", "index": index, "delta": signed}
    yield {"type": "content_block_stop", "index": index}


def _tool_block(index: int, block: JsonObject) -> Iterator[JsonObject]:
    yield {"type": "content_block_start", "index": index, "content_block": {**block, "input": {}}}
    for piece in pieces(json.dumps(block["input"], ensure_ascii=False)):
        yield {
            "type": "content_block_delta",
            "index": index,
            "delta": {"type": "input_json_delta", "partial_json": piece},
        }
    yield {"type": "content_block_stop", "index": index}
