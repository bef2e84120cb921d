"""Bedrock's dialect: Converse, ConverseStream with its binary event stream, and errors.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from lambda_src.contract import EVENT_STREAM_MEDIA_TYPE
from local.provider import sigv4
from local.provider.conversation import read_turn
from local.provider.generation import Generated, GenerationRequest, generate, pieces
from local.provider.protocol import (
    JSON,
    JsonObject,
    ProviderError,
    ReceivedRequest,
    StandInKeys,
    SuccessResponse,
    TokenCounts,
    integer_field,
    json_bytes,
)
from local.provider.script import Script

CLASSES: Final = frozenset({"cache_read", "cache_write_5m", "cache_write_1h"})
_STRING_HEADER = 7
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "tool_call": "tool_use"}
_EXCEPTIONS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def authenticate(request: ReceivedRequest, keys: StandInKeys) -> None:
    """Raise ProviderError (403) unless the request is signed with `keys.aws_secret`."""
    sigv4.authenticate(request, keys.aws_secret)


def error_response(error: ProviderError, request_id: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an error response."""
    kind = error.code or _EXCEPTIONS.get(
        error.status, "ValidationException" if error.status < 500 else "InternalServerException"
    )
    return json_bytes({"message": error.message}), {"x-amzn-requestid": request_id, "x-amzn-errortype": kind}


def success_headers(request_id: str) -> dict[str, str]:
    """Headers of every successful response."""
    return {"x-amzn-requestid": request_id}


def respond(operation: str, body: JsonObject, body_size: int, script: Script, request_id: str) -> SuccessResponse:
    """The response to a request. Raises ProviderError if Bedrock would reject the request."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ProviderError(400, "The messages field is empty; add at least one message and try again.")
    settings = body.get("inferenceConfig")
    settings = settings if isinstance(settings, dict) else {}
    config = body.get("toolConfig")
    turn = read_turn(messages, config.get("tools") if isinstance(config, dict) else None)
    prompt = {name: body.get(name) for name in ("messages", "system", "toolConfig")}
    max_tokens, stops = integer_field(settings, "maxTokens"), settings.get("stopSequences")
    request = GenerationRequest(prompt, turn, body_size, max_tokens, stops)
    generated = generate(request, script, CLASSES)
    tier = _tier(body, script)
    usage_reported = "nousage" not in script.flags
    metadata: JsonObject = {"metrics": {"latencyMs": 1}}
    if usage_reported:
        metadata["usage"] = _usage(generated.tokens)
    if tier is not None:
        metadata["serviceTier"] = {"type": tier}
    stop_reason = _STOP_REASONS[generated.choices[0].finish]
    if operation == "converse":
        message = {"role": "assistant", "content": _content(generated, request_id)}
        completion = json_bytes({"output": {"message": message}, "stopReason": stop_reason, **metadata})
        return SuccessResponse(JSON, completion, None, b"", generated.tokens, usage_reported, tier, turn.user_text)
    # `metadata` requires usage: a stream without usage has no such event.
    events = [*_events(generated, stop_reason, request_id), *([event("metadata", metadata)] if usage_reported else [])]
    error_event = event("modelStreamErrorException", {"message": "The model stopped."}, "exception")
    return SuccessResponse(
        EVENT_STREAM_MEDIA_TYPE, b"", tuple(events), error_event, generated.tokens, usage_reported, tier, turn.user_text
    )


def _tier(body: JsonObject, script: Script) -> str | None:
    requested = body.get("serviceTier")
    return script.tier or (str(requested["type"]) if isinstance(requested, dict) and "type" in requested else None)


def _content(generated: Generated, request_id: str) -> list[JsonObject]:
    choice = generated.choices[0]
    text: JsonObject = {"text": choice.text}
    if choice.call is not None:
        name, arguments = choice.call.tool.name, choice.call.arguments
        text = {"toolUse": {"toolUseId": f"tooluse_{request_id}", "name": name, "input": arguments}}
    if not generated.reasoning_text:
        return [text]
    reasoning = {"text": generated.reasoning_text, "signature": "c3RhbmQtaW4="}
    return [{"reasoningContent": {"reasoningText": reasoning}}, text]


def _usage(tokens: TokenCounts) -> JsonObject:
    """`inputTokens` excludes the cache, `totalTokens` includes it, `cacheDetails` splits the writes by lifetime."""
    details: list[JsonObject] = [
        {"ttl": "5m", "inputTokens": tokens.cache_write_5m},
        {"ttl": "1h", "inputTokens": tokens.cache_write_1h},
    ]
    written = tokens.cache_write_5m + tokens.cache_write_1h
    return {
        "inputTokens": tokens.input,
        "outputTokens": tokens.total_output,
        "totalTokens": tokens.total_input + tokens.total_output,
        "cacheReadInputTokens": tokens.cache_read,
        "cacheWriteInputTokens": written,
        **({"cacheDetails": details} if written else {}),
    }


def _events(generated: Generated, stop_reason: str, request_id: str) -> Iterator[bytes]:
    yield event("messageStart", {"role": "assistant"})
    choice = generated.choices[0]
    deltas: list[list[JsonObject]] = [[{"text": piece} for piece in pieces(choice.text)]]
    if choice.call is not None:
        deltas = [[{"toolUse": {"input": piece}} for piece in pieces(choice.text)]]
    if generated.reasoning_text:
        deltas.insert(0, [{"reasoningContent": {"text": piece}} for piece in pieces(generated.reasoning_text)])
    for index, block in enumerate(deltas):
        if choice.call is not None and block is deltas[-1]:
            start = {"toolUse": {"toolUseId": f"tooluse_{request_id}", "name": choice.call.tool.name}}
            yield event("contentBlockStart", {"contentBlockIndex": index, "start": start})
        for delta in block:
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield event("contentBlockStop", {"contentBlockIndex": index})
    yield event("messageStop", {"stopReason": stop_reason})


def event(kind: str, payload: JsonObject, message_type: str = "event") -> bytes:
    """A message of `application/vnd.amazon.eventstream`.

    Layout: lengths and their CRC, headers, payload, CRC of everything before it. Numbers are big-endian.
    """
    headers = {f":{message_type}-type": kind, ":content-type": JSON, ":message-type": message_type}
    head = b"".join(map(_header, headers.items()))
    body = json_bytes(payload)
    prelude = struct.pack(">II", 16 + len(head) + len(body), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + body
    return message + struct.pack(">I", zlib.crc32(message))


def _header(pair: tuple[str, str]) -> bytes:
    name, value = pair[0].encode(), pair[1].encode()
    return bytes([len(name)]) + name + bytes([_STRING_HEADER]) + struct.pack(">H", len(value)) + value
