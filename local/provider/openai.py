"""OpenAI's dialect: chat completions, embeddings, models and errors. Responses are in `openai_responses`.

https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Final

from local.provider.conversation import Turn, read_turn
from local.provider.generation import Choice, Generated, GenerationRequest, generate, input_tokens, pieces
from local.provider.openai_responses import responses
from local.provider.protocol import (
    CREATED,
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
    sse_data,
)
from local.provider.script import Script

MODELS: Final = ("standin-small", "standin-large", "standin-embedding")
CLASSES: Final = frozenset({"cache_read", "cache_write_5m", "input_audio", "input_image", "output_audio"})
_DEFAULT_DIMENSIONS, _MAX_DIMENSIONS = 8, 3_072
_ERROR_TYPES = {429: "requests", 500: "server_error", 502: "server_error", 503: "server_error", 504: "server_error"}
_ERROR_CODES = {429: "rate_limit_exceeded"}
_SILENCE = base64.b64encode(bytes(24)).decode()


def authenticate(request: ReceivedRequest, keys: StandInKeys) -> None:
    """Raise ProviderError (401) unless the bearer token is in `keys.openai`."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise ProviderError(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    if key not in keys.openai:
        raise ProviderError(401, "Incorrect API key provided.", "invalid_api_key")


def error_response(error: ProviderError, request_id: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an error response."""
    kind = _ERROR_TYPES.get(error.status, "invalid_request_error")
    code = error.code or _ERROR_CODES.get(error.status)
    body: JsonObject = {"error": {"message": error.message, "type": kind, "param": None, "code": code}}
    return json_bytes(error.body or body), {"x-request-id": request_id}


def success_headers(request_id: str) -> dict[str, str]:
    """Headers of every successful response."""
    return {"x-request-id": request_id, "openai-version": "2020-10-01", "openai-processing-ms": "1"}


def respond(operation: str, body: JsonObject, body_size: int, script: Script, request_id: str) -> SuccessResponse:
    """The response to a request. Raises ProviderError if OpenAI would reject the request."""
    if operation == "models":
        return SuccessResponse(JSON, json_bytes({"object": "list", "data": [_model(name) for name in MODELS]}))
    if operation == "model":
        return SuccessResponse(JSON, json_bytes(_model(str(body["model"]))))
    if operation == "embeddings":
        return _embeddings(body, body_size, script)
    if operation == "responses":
        return responses(body, body_size, script, request_id)
    return _chat(body, body_size, script, request_id)


def _model(name: str) -> JsonObject:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "standin"}


def _chat(body: JsonObject, body_size: int, script: Script, request_id: str) -> SuccessResponse:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ProviderError(400, "Invalid value for 'messages': expected a non-empty array of objects.")
    max_tokens = script.server.maximum(body)
    prompt = {name: body.get(name) for name in ("messages", "tools", "response_format")}
    turn = read_turn(messages, body.get("tools"))
    alternatives = integer_field(body, "n", maximum=128) or 1
    request = GenerationRequest(prompt, turn, body_size, max_tokens, body.get("stop"), alternatives)
    generated, tier = generate(request, script, CLASSES), _tier(body, script)
    common: JsonObject = {
        "id": f"chatcmpl-{request_id}",
        "created": CREATED,
        "model": body["model"],
        "system_fingerprint": "fp_standin",
    }
    if tier is not None:
        common["service_tier"] = tier
    usage = None
    if "nousage" not in script.flags:
        usage = script.server.usage(usage_of(generated.tokens), generated.tokens)
    if body.get("stream") is not True:
        choices = [_choice(generated, index, script, request_id) for index in range(len(generated.choices))]
        completion = {**common, "object": "chat.completion", "choices": choices} | ({"usage": usage} if usage else {})
        return SuccessResponse(
            JSON, json_bytes(completion), None, b"", generated.tokens, usage is not None, tier, turn.user_text
        )
    options = body.get("stream_options")
    requested = isinstance(options, dict) and options.get("include_usage") is True
    common["object"] = "chat.completion.chunk"
    inline = "inline-usage" in script.flags or script.server.always_reports
    usage_reported = usage is not None and (requested or inline)
    events = _chat_events(generated, common, usage if usage_reported else None, inline=inline, requested=requested)
    error_event = sse_data({"error": {"message": "The server had an error.", "type": "server_error", "code": None}})
    return SuccessResponse(SSE, b"", tuple(events), error_event, generated.tokens, usage_reported, tier, turn.user_text)


def _tier(body: JsonObject, script: Script) -> str | None:
    """The tier that the server reports: it serves `auto`, and requests without a tier, at its standard tier."""
    requested, standard = body.get("service_tier"), script.server.standard_tier
    if script.tier is not None or standard is None:
        return script.tier
    return requested if isinstance(requested, str) and requested != "auto" else standard


def _choice(generated: Generated, index: int, script: Script, request_id: str) -> JsonObject:
    choice = generated.choices[index]
    message: JsonObject = {"role": "assistant", "content": choice.text, "refusal": None, "annotations": []}
    if choice.call is not None:
        message |= {"content": None, "tool_calls": [_tool_call(choice, request_id)]}
    elif "audio" in script.flags:
        message |= {"content": None}
        message["audio"] = {"id": f"audio_{index}", "data": _SILENCE, "expires_at": CREATED, "transcript": choice.text}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(choice.finish)}


def _tool_call(choice: Choice, request_id: str) -> JsonObject:
    assert choice.call is not None  # noqa: S101 - both callers check it
    function = {"name": choice.call.tool.name, "arguments": choice.text}
    return {"id": f"call_{request_id}", "type": "function", "function": function}


def _finish(finish: str) -> str:
    return {"stop_sequence": "stop", "tool_call": "tool_calls"}.get(finish, finish)


def _chat_events(
    generated: Generated, common: JsonObject, usage: JsonObject | None, *, inline: bool, requested: bool
) -> list[bytes]:
    """Chunks with role, text and finish reason. Usage has its own chunk, or is in the last one if `inline`."""
    base = common | ({"usage": None} if requested and not inline else {})

    def chunk(index: int, delta: JsonObject, finish: str | None = None) -> JsonObject:
        return {**base, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    chunks = []
    for index, choice in enumerate(generated.choices):
        chunks.append(chunk(index, {"role": "assistant", "content": "", "refusal": None}))
        if choice.call is not None:
            call = _tool_call(choice, str(common["id"]))
            started = {**call, "index": 0, "function": {"name": choice.call.tool.name, "arguments": ""}}
            chunks.append(chunk(index, {"tool_calls": [started]}))
            for piece in pieces(choice.text):
                chunks.append(chunk(index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))
        else:
            chunks.extend(chunk(index, {"content": piece}) for piece in pieces(choice.text))
        chunks.append(chunk(index, {}, _finish(choice.finish)))
    if usage is not None and inline:
        chunks[-1]["usage"] = usage
    elif usage is not None:
        chunks.append({**common, "choices": [], "usage": usage})
    return [*map(sse_data, chunks), b"data: [DONE]\n\n"]


def usage_of(tokens: TokenCounts) -> JsonObject:
    """Usage of a chat completion. `prompt_tokens` includes all input classes, `completion_tokens` reasoning."""
    details: JsonObject = {"cached_tokens": tokens.cache_read, "audio_tokens": tokens.input_audio}
    if tokens.cache_write_5m:
        details["cache_write_tokens"] = tokens.cache_write_5m
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


def _embeddings(body: JsonObject, body_size: int, script: Script) -> SuccessResponse:
    given = body.get("input")
    texts = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    if given in (None, "", []):
        raise ProviderError(400, "'$.input' is invalid: expected a non-empty string or array.")
    dimensions = integer_field(body, "dimensions", maximum=_MAX_DIMENSIONS) or _DEFAULT_DIMENSIONS
    vectors = [_vector(text, dimensions) for text in texts]
    encoded = [_base64(vector) for vector in vectors] if body.get("encoding_format") == "base64" else vectors
    count = input_tokens(GenerationRequest({"tokens": given}, Turn(), body_size))
    response: JsonObject = {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(encoded)],
        "model": body["model"],
    }
    usage_reported = "nousage" not in script.flags
    if usage_reported:
        response["usage"] = {"prompt_tokens": count, "total_tokens": count}
    tokens = TokenCounts(input=count)
    return SuccessResponse(JSON, json_bytes(response), None, b"", tokens, usage_reported, None, str(texts[0]))


def _vector(text: object, dimensions: int) -> list[float]:
    """Numbers from -1 to 1 that depend only on the text and are exact in 32 bits."""
    seed = hashlib.shake_256(json.dumps(text).encode()).digest(dimensions)
    return [(byte - 128) / 128 for byte in seed]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
