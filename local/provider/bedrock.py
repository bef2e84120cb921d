"""Bedrock's shapes: Converse, ConverseStream in its binary framing, and their errors.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from lambda_src.contract import EVENT_STREAM_MEDIA_TYPE
from local.provider import sigv4
from local.provider.generated import Generated, Wanted, generate, last_text, pieces
from local.provider.script import Script
from local.provider.wire import JSON, JsonObject, Keys, ProviderError, Received, Reply, TokenCounts, dump, whole_number

CLASSES: Final = frozenset({"cache_read", "cache_write_5m", "cache_write_1h"})
_STRING_HEADER = 7
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence"}
_EXCEPTIONS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def check(received: Received, keys: Keys) -> None:
    """Refusal with status 403 unless the request is signed with `keys.aws_secret`."""
    sigv4.check(received, keys.aws_secret)


def error(refusal: ProviderError, request_id: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an error."""
    kind = refusal.code or _EXCEPTIONS.get(
        refusal.status, "ValidationException" if refusal.status < 500 else "InternalServerException"
    )
    return dump({"message": refusal.message}), {"x-amzn-requestid": request_id, "x-amzn-errortype": kind}


def success_headers(request_id: str) -> dict[str, str]:
    """Headers of every success."""
    return {"x-amzn-requestid": request_id}


def answer(operation: str, body: JsonObject, size: int, script: Script, request_id: str) -> Reply:
    """The answer to a request; Refusal where Bedrock would refuse it."""
    del request_id  # only in the headers
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ProviderError(400, "The messages field is empty; add at least one message and try again.")
    settings = body.get("inferenceConfig")
    settings = settings if isinstance(settings, dict) else {}
    stops = settings.get("stopSequences")
    question = last_text(messages)
    prompt = {name: body.get(name) for name in ("messages", "system", "toolConfig")}
    most = whole_number(settings, "maxTokens")
    wanted = Wanted(prompt, question, size, most, tuple(stops) if isinstance(stops, list) else ())
    generated = generate(wanted, script, CLASSES)
    tier = _tier(body, script)
    shown = "nousage" not in script.flags
    tail: JsonObject = {"metrics": {"latencyMs": 1}}
    if shown:
        tail["usage"] = _usage(generated.tokens)
    if tier is not None:
        tail["serviceTier"] = {"type": tier}
    stop_reason = _STOP_REASONS[generated.choices[0].finish]
    if operation == "converse":
        message = {"role": "assistant", "content": _content(generated)}
        whole = dump({"output": {"message": message}, "stopReason": stop_reason, **tail})
        return Reply(JSON, whole, None, b"", generated.tokens, shown, tier, question)
    # `metadata` requires usage: a stream that does not say it has no such event.
    events = [*_events(generated, stop_reason), *([event("metadata", tail)] if shown else [])]
    failure = event("modelStreamErrorException", {"message": "The model stopped."}, "exception")
    return Reply(EVENT_STREAM_MEDIA_TYPE, b"", tuple(events), failure, generated.tokens, shown, tier, question)


def _tier(body: JsonObject, script: Script) -> str | None:
    asked = body.get("serviceTier")
    return script.tier or (str(asked["type"]) if isinstance(asked, dict) and "type" in asked else None)


def _content(generated: Generated) -> list[JsonObject]:
    text: JsonObject = {"text": generated.choices[0].text}
    if not generated.thought:
        return [text]
    return [{"reasoningContent": {"reasoningText": {"text": generated.thought, "signature": "c3RhbmQtaW4="}}}, text]


def _usage(tokens: TokenCounts) -> JsonObject:
    """`inputTokens` excludes the cache, `totalTokens` includes it, `cacheDetails` breaks the writes down."""
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


def _events(generated: Generated, stop_reason: str) -> Iterator[bytes]:
    yield event("messageStart", {"role": "assistant"})
    deltas: list[list[JsonObject]] = [[{"text": piece} for piece in pieces(generated.choices[0].text)]]
    if generated.thought:
        deltas.insert(0, [{"reasoningContent": {"text": piece}} for piece in pieces(generated.thought)])
    for index, block in enumerate(deltas):
        for delta in block:
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield event("contentBlockStop", {"contentBlockIndex": index})
    yield event("messageStop", {"stopReason": stop_reason})


def event(kind: str, payload: JsonObject, message_type: str = "event") -> bytes:
    """One message of `application/vnd.amazon.eventstream`.

    Lengths and their CRC, headers, payload, CRC of everything before it; all numbers big-endian.
    """
    headers = {f":{message_type}-type": kind, ":content-type": JSON, ":message-type": message_type}
    head = b"".join(map(_header, headers.items()))
    body = dump(payload)
    prelude = struct.pack(">II", 16 + len(head) + len(body), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + body
    return message + struct.pack(">I", zlib.crc32(message))


def _header(pair: tuple[str, str]) -> bytes:
    name, value = pair[0].encode(), pair[1].encode()
    return bytes([len(name)]) + name + bytes([_STRING_HEADER]) + struct.pack(">H", len(value)) + value
