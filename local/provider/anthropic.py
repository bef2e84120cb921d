"""Anthropic's shapes: messages, token counts, and their errors. https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from local.provider.generated import Generated, Wanted, generate, input_tokens, last_text, pieces
from local.provider.script import Script
from local.provider.wire import (
    JSON,
    SSE,
    JsonObject,
    Keys,
    ProviderError,
    Received,
    Reply,
    TokenCounts,
    dump,
    named_event,
    whole_number,
)

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
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence"}
_SIGNATURE = "c3RhbmQtaW4="


def check(received: Received, keys: Keys) -> None:
    """Refusal unless the key is one of `keys.anthropic` (401) and a version is named (400).

    The key may come as `x-api-key`, as the API's reference has it, or as a bearer token, as the SDK sends it since 2.0.
    """
    bearer = received.headers.get("authorization", "").removeprefix("Bearer ")
    key = received.headers.get("x-api-key", bearer)
    if not key:
        raise ProviderError(401, "x-api-key header is required")
    if key not in keys.anthropic:
        raise ProviderError(401, "invalid x-api-key")
    if not received.headers.get("anthropic-version"):
        raise ProviderError(400, "anthropic-version: header is required")


def error(refusal: ProviderError, request_id: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an error."""
    kind = _ERROR_TYPES.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "api_error")
    body = {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": request_id}
    return dump(body), {"request-id": request_id}


def success_headers(request_id: str) -> dict[str, str]:
    """Headers of every success."""
    return {"request-id": request_id}


def answer(operation: str, body: JsonObject, size: int, script: Script, request_id: str) -> Reply:
    """The answer to a request; Refusal where Anthropic would refuse it."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ProviderError(400, "messages: at least one message is required")
    prompt = {name: body.get(name) for name in ("messages", "system", "tools")}
    question = last_text(messages)
    if operation == "count_tokens":
        return Reply(JSON, dump({"input_tokens": input_tokens(Wanted(prompt, question, size))}), question=question)
    most = whole_number(body, "max_tokens")
    if most is None:
        raise ProviderError(400, "max_tokens: Field required")
    given = body.get("stop_sequences")
    wanted = Wanted(prompt, question, size, most, tuple(given) if isinstance(given, list) else ())
    generated = generate(wanted, script, CLASSES)
    tier = script.tier or "standard"
    shown = "nousage" not in script.flags
    usage = _usage(generated.tokens, tier) if shown else None
    choice = generated.choices[0]
    message: JsonObject = {
        "id": f"msg_{request_id}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": _content(generated),
        "stop_reason": _STOP_REASONS[choice.finish],
        "stop_sequence": choice.stop,
    }
    if body.get("stream") is not True:
        whole = dump(message | ({"usage": usage} if usage else {}))
        return Reply(JSON, whole, None, b"", generated.tokens, shown, tier, question)
    events = tuple(map(named_event, _events(message, generated, usage)))
    failure = named_event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    return Reply(SSE, b"", events, failure, generated.tokens, shown, tier, question)


def _content(generated: Generated) -> list[JsonObject]:
    text: JsonObject = {"type": "text", "text": generated.choices[0].text}
    if not generated.thought:
        return [text]
    return [{"type": "thinking", "thinking": generated.thought, "signature": _SIGNATURE}, text]


def _usage(tokens: TokenCounts, tier: str) -> JsonObject:
    """Usage of a message: `input_tokens` is uncached only; `cache_creation` breaks the cache writes down."""
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


def _events(message: JsonObject, generated: Generated, usage: JsonObject | None) -> Iterator[JsonObject]:
    begun = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    if usage is not None:
        begun["usage"] = {**usage, "output_tokens": 1, "output_tokens_details": None}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(_content(generated)):
        yield from _block(index, block)
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    final: JsonObject = {"type": "message_delta", "delta": ended}
    if usage is not None:
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
        final["usage"] = {name: usage[name] for name in (*names, "output_tokens_details")}
    yield final
    yield {"type": "message_stop"}


def _block(index: int, block: JsonObject) -> Iterator[JsonObject]:
    kind = str(block["type"])  # "text" or "thinking", which is also the member that holds its words
    empty = {**block, kind: ""} | ({"signature": ""} if kind == "thinking" else {})
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for piece in pieces(str(block[kind])):
        yield {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", kind: piece}}
    if kind == "thinking":
        signed = {"type": "signature_delta", "signature": _SIGNATURE}
        yield {"type": "content_block_delta", "index": index, "delta": signed}
    yield {"type": "content_block_stop", "index": index}
