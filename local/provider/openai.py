"""OpenAI's shapes: chat completions, responses, embeddings, models, and their errors.

https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Final

from local.provider.generated import Generated, Wanted, generate, input_tokens, last_text, pieces
from local.provider.openai_responses import responses
from local.provider.script import Script
from local.provider.wire import (
    CREATED,
    JSON,
    SSE,
    JsonObject,
    Keys,
    ProviderError,
    Received,
    Reply,
    TokenCounts,
    data_event,
    dump,
    whole_number,
)

MODELS: Final = ("standin-small", "standin-large", "standin-embedding")
CLASSES: Final = frozenset({"cache_read", "cache_write_5m", "input_audio", "input_image", "output_audio"})
_DEFAULT_DIMENSIONS = 8
_ERROR_TYPES = {429: "requests", 500: "server_error", 502: "server_error", 503: "server_error", 504: "server_error"}
_ERROR_CODES = {429: "rate_limit_exceeded"}
_SILENCE = base64.b64encode(bytes(24)).decode()


def check(received: Received, keys: Keys) -> None:
    """Refusal with status 401 unless the bearer token is one of `keys.openai`."""
    scheme, _, key = received.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise ProviderError(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    if key not in keys.openai:
        raise ProviderError(401, "Incorrect API key provided.", "invalid_api_key")


def error(refusal: ProviderError, request_id: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an error."""
    kind = _ERROR_TYPES.get(refusal.status, "invalid_request_error")
    code = refusal.code or _ERROR_CODES.get(refusal.status)
    body = {"error": {"message": refusal.message, "type": kind, "param": None, "code": code}}
    return dump(body), {"x-request-id": request_id}


def success_headers(request_id: str) -> dict[str, str]:
    """Headers of every success."""
    return {"x-request-id": request_id, "openai-version": "2020-10-01", "openai-processing-ms": "1"}


def answer(operation: str, body: JsonObject, size: int, script: Script, request_id: str) -> Reply:
    """The answer to a request; Refusal where OpenAI would refuse it."""
    if operation == "models":
        return Reply(JSON, dump({"object": "list", "data": [_model(name) for name in MODELS]}))
    if operation == "model":
        return Reply(JSON, dump(_model(str(body["model"]))))
    if operation == "embeddings":
        return _embeddings(body, size, script)
    if operation == "responses":
        return responses(body, size, script, request_id)
    return _chat(body, size, script, request_id)


def _model(name: str) -> JsonObject:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "standin"}


def _chat(body: JsonObject, size: int, script: Script, request_id: str) -> Reply:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ProviderError(400, "Invalid value for 'messages': expected a non-empty array of objects.")
    stop = body.get("stop")
    stops = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, list) else ()
    most = whole_number(body, "max_completion_tokens") or whole_number(body, "max_tokens")
    prompt = {name: body.get(name) for name in ("messages", "tools", "response_format")}
    question = last_text(messages)
    wanted = Wanted(prompt, question, size, most, stops, whole_number(body, "n") or 1)
    generated = generate(wanted, script, CLASSES)
    common: JsonObject = {
        "id": f"chatcmpl-{request_id}",
        "created": CREATED,
        "model": body["model"],
        "system_fingerprint": "fp_standin",
    }
    tier = _tier(body, script)
    if tier is not None:
        common["service_tier"] = tier
    usage = None if "nousage" in script.flags else usage_of(generated.tokens)
    if body.get("stream") is not True:
        choices = [_choice(generated, index, script) for index in range(len(generated.choices))]
        whole = {**common, "object": "chat.completion", "choices": choices} | ({"usage": usage} if usage else {})
        return Reply(JSON, dump(whole), None, b"", generated.tokens, usage is not None, tier, question)
    options = body.get("stream_options")
    asked = isinstance(options, dict) and options.get("include_usage") is True
    common["object"] = "chat.completion.chunk"
    inline = "inline-usage" in script.flags
    shown = usage is not None and (asked or inline)
    events = _chat_events(generated, common, usage if shown else None, inline=inline, asked=asked)
    failure = data_event({"error": {"message": "The server had an error.", "type": "server_error", "code": None}})
    return Reply(SSE, b"", tuple(events), failure, generated.tokens, shown, tier, question)


def _tier(body: JsonObject, script: Script) -> str | None:
    """OpenAI names the tier that served a request; `auto` and nothing at all are served as `default`."""
    asked = body.get("service_tier")
    if script.tier is not None:
        return script.tier
    return asked if isinstance(asked, str) and asked != "auto" else "default"


def _choice(generated: Generated, index: int, script: Script) -> JsonObject:
    choice = generated.choices[index]
    message: JsonObject = {"role": "assistant", "content": choice.text, "refusal": None, "annotations": []}
    if "audio" in script.flags:
        message |= {"content": None}
        message["audio"] = {"id": f"audio_{index}", "data": _SILENCE, "expires_at": CREATED, "transcript": choice.text}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(choice.finish)}


def _finish(finish: str) -> str:
    return "stop" if finish == "stop_sequence" else finish


def _chat_events(
    generated: Generated, common: JsonObject, usage: JsonObject | None, *, inline: bool, asked: bool
) -> list[bytes]:
    """Role, text, why it ended; usage in a chunk of its own (as OpenAI does), or `inline` on the last with choices."""
    base = common | ({"usage": None} if asked and not inline else {})

    def chunk(index: int, delta: JsonObject, finish: str | None = None) -> JsonObject:
        return {**base, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    chunks = []
    for index, choice in enumerate(generated.choices):
        chunks.append(chunk(index, {"role": "assistant", "content": "", "refusal": None}))
        chunks.extend(chunk(index, {"content": piece}) for piece in pieces(choice.text))
        chunks.append(chunk(index, {}, _finish(choice.finish)))
    if usage is not None and inline:
        chunks[-1]["usage"] = usage
    elif usage is not None:
        chunks.append({**common, "choices": [], "usage": usage})
    return [*map(data_event, chunks), b"data: [DONE]\n\n"]


def usage_of(tokens: TokenCounts) -> JsonObject:
    """Usage of a chat completion: cached, audio and image lie inside the prompt, reasoning inside the answer."""
    details: JsonObject = {"cached_tokens": tokens.cache_read, "audio_tokens": tokens.input_audio}
    if written := tokens.cache_write_5m:
        details["cache_write_tokens"] = written
    if tokens.input_image:
        details["image_tokens"] = tokens.input_image
    return {
        "prompt_tokens": tokens.total_input,
        "completion_tokens": tokens.total_output,
        "total_tokens": tokens.total_input + tokens.total_output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": tokens.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _embeddings(body: JsonObject, size: int, script: Script) -> Reply:
    given = body.get("input")
    texts = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    if given in (None, "", []):
        raise ProviderError(400, "'$.input' is invalid: expected a non-empty string or array.")
    dimensions = whole_number(body, "dimensions") or _DEFAULT_DIMENSIONS
    vectors = [_vector(text, dimensions) for text in texts]
    encoded = [_base64(each) for each in vectors] if body.get("encoding_format") == "base64" else vectors
    count = input_tokens(Wanted({"tokens": given}, "", size))
    whole: JsonObject = {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(encoded)],
        "model": body["model"],
    }
    shown = "nousage" not in script.flags
    if shown:
        whole["usage"] = {"prompt_tokens": count, "total_tokens": count}
    return Reply(JSON, dump(whole), tokens=TokenCounts(input=count), usage_shown=shown, question=str(texts[0]))


def _vector(text: object, dimensions: int) -> list[float]:
    """Numbers in -1..1 that depend on the text alone, exact in 32 bits."""
    seed = hashlib.shake_256(json.dumps(text).encode()).digest(dimensions)
    return [(byte - 128) / 128 for byte in seed]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
