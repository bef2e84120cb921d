"""OpenAI's dialect: chat completions, responses, embeddings, and everything that speaks them.

https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

from lambda_src.contract import Route
from lambda_src.dialects.ask import Ask, JsonObject, each_part, flag, model_name, objects, size_of, whole_number
from lambda_src.dialects.reading import Reading, data, events, json_object, objects_in
from lambda_src.errors import BadRequest
from lambda_src.tokens import Tokens, Usage, count, mapping

_OWN_TOOLS = ("function", "custom")
_TEXT_PARTS = ("text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text")
_RESPONSE_ITEMS = (None, "message", "function_call", "function_call_output", "custom_tool_call",
                   "custom_tool_call_output", "reasoning")  # fmt: skip
_FINAL_EVENTS = ("response.completed", "response.incomplete", "response.failed")


def ask(route: Route, body: JsonObject, size: int, path_model: str | None) -> Ask:
    """What an OpenAI request asks for."""
    del path_model  # the name is in the body
    asked = Ask(body=body, model=model_name(body), text_bytes=size, stream=flag(body, "stream"))
    asked.service_tier = _service_tier(body)
    asked.may_vary_tier = asked.service_tier in (None, "auto")
    asked.input_classes.add("cache_write_5m")
    if route.name == "embeddings":
        asked.max_output, asked.input_classes = 0, {"input"}
    elif route.name == "chat":
        _chat(asked)
    else:
        _responses(asked)
    return asked


def _service_tier(body: JsonObject) -> str | None:
    tier = body.get("service_tier")
    if tier is not None and not isinstance(tier, str):
        raise BadRequest("invalid_parameter", "service_tier must be a string.", param="service_tier")
    return "standard" if tier == "default" else tier


def _chat(asked: Ask) -> None:
    body = asked.body
    maxima = [whole_number(body, name) for name in ("max_completion_tokens", "max_tokens")]
    asked.max_output = max((each for each in maxima if each is not None), default=None)
    asked.choices = whole_number(body, "n", most=128) or 1
    # Rejected predicted tokens are billed as output although they are not part of the answer.
    asked.extra_output = len(str(body.get("prediction") or "").encode(errors="surrogatepass"))
    if "web_search_options" in body:
        asked.hosted = "web_search_options"
    if isinstance(modalities := body.get("modalities"), list) and "audio" in modalities:
        asked.output_classes.add("output_audio")
    _tools(asked)
    each_part(objects(body.get("messages")), "content", lambda part: _part(asked, part))
    if asked.stream:
        options = mapping(body.get("stream_options"))
        asked.usage_wanted = options.get("include_usage") is True
        asked.overrides["stream_options"] = options | {"include_usage": True}


def _responses(asked: Ask) -> None:
    body = asked.body
    asked.max_output = whole_number(body, "max_output_tokens", most=100_000_000)
    if flag(body, "background"):
        raise BadRequest(
            "background_not_supported",
            "background is true; accepted: false. A background response reports its usage later, where it cannot be "
            "metered. Leave background out, and stream long answers.",
            param="background",
        )
    for name in ("previous_response_id", "conversation", "prompt"):
        if body.get(name) is not None:
            asked.open_ended = name
    _tools(asked)
    for item in objects(body.get("input")):
        if item.get("type") not in _RESPONSE_ITEMS:
            asked.open_ended = f"an input item of type {item.get('type')}"
        each_part([item], "content", lambda part: _part(asked, part))
        each_part([item], "output", lambda part: _part(asked, part))


def _tools(asked: Ask) -> None:
    for tool in objects(asked.body.get("tools")):
        if tool.get("type") not in _OWN_TOOLS:
            asked.hosted = f"the tool {tool.get('type')}"


def _part(asked: Ask, part: JsonObject) -> None:
    kind = part.get("type")
    if kind in ("image_url", "input_image"):
        asked.images += 1
        asked.input_classes.add("input_image")
        image = part.get("image_url")
        url = mapping(image).get("url") if isinstance(image, dict) else image
        if isinstance(url, str) and url.startswith("data:"):
            asked.text_bytes -= size_of(url)
    elif kind == "input_audio":
        # A second of audio is 10 tokens and, however compressed, more than 10 bytes: bytes bound it as they do text.
        asked.input_classes.add("input_audio")
    elif kind not in _TEXT_PARTS:
        asked.open_ended = f"a content part of type {kind}"


def read(route: Route, asked: Ask, body: bytes, whole: bool) -> Reading:
    """What an OpenAI answer says."""
    if asked.stream:
        return _read_stream(route, asked, body)
    answer = json_object(body)
    if answer is None:
        return Reading(Usage(Tokens(), reported=False), len(body), body, failed=not whole)
    return Reading(_usage(answer, answer), len(body), body, failed=not whole)


def _read_stream(route: Route, asked: Ask, body: bytes) -> Reading:
    stream = events(body)
    usage: Usage | None = None
    extra: bytes | None = None
    for event in reversed(stream):
        if b'"usage"' not in event:
            continue
        parsed = data(event) or {}
        holder = _holder(route, parsed)
        if isinstance(holder.get("usage"), dict):
            usage = _usage(holder, parsed)
            extra = event if route.name == "chat" and parsed.get("choices") == [] else None
            break
    if extra is not None and not asked.usage_wanted:
        stream.remove(extra)
        body = b"".join(stream)
    if usage is None:
        first = next(objects_in(stream), {})
        model = _holder(route, first).get("model")
        usage = Usage(Tokens(), reported=False, model=model if isinstance(model, str) else None)
    delivered = 0 if usage.reported else sum(_delivered(each) for each in objects_in(stream))
    return Reading(usage, delivered, body, failed=_failed(route, stream))


def _holder(route: Route, event: JsonObject) -> JsonObject:
    """Where an event keeps model and usage: a response event in its `response`, a chat chunk in itself."""
    return mapping(event.get("response")) if route.name == "responses" else event


def _failed(route: Route, stream: list[bytes]) -> bool:
    """Whether a stream ended otherwise than it should: cut, or with an error of the provider's."""
    last = [event for event in stream[-3:] if event.strip()]
    if route.name == "responses":
        return not any((data(event) or {}).get("type") in _FINAL_EVENTS for event in last)
    return not any(b"[DONE]" in event for event in last)


def _delivered(event: JsonObject) -> int:
    """Bytes of generated text in one event."""
    if isinstance(delta := event.get("delta"), str):  # responses
        return size_of(delta)
    total = 0
    for choice in objects(event.get("choices")):
        delta = mapping(choice.get("delta"))
        total += size_of(delta.get("content")) + size_of(delta.get("refusal")) + size_of(delta.get("reasoning_content"))
        for call in objects(delta.get("tool_calls")):
            total += size_of(mapping(call.get("function")).get("arguments"))
    return total


def _usage(answer: JsonObject, event: JsonObject) -> Usage:
    """Usage of chat, responses or embeddings: what is cached or audio lies inside the prompt, so it is subtracted."""
    raw = answer.get("usage")
    model = answer.get("model")
    model = model if isinstance(model, str) else None
    tier = answer.get("service_tier", event.get("service_tier"))
    tier = ("standard" if tier == "default" else tier) if isinstance(tier, str) else None
    if not isinstance(raw, dict):
        return Usage(Tokens(), reported=False, model=model, service_tier=tier)
    of_input = mapping(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    of_output = mapping(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    total_in = count(raw.get("prompt_tokens")) or count(raw.get("input_tokens"))
    total_out = count(raw.get("completion_tokens")) or count(raw.get("output_tokens"))
    left = total_in
    inside: dict[str, int] = {}
    for name, member in (
        ("cache_read", "cached_tokens"),
        ("cache_write_5m", "cache_write_tokens"),
        ("input_audio", "audio_tokens"),
        ("input_image", "image_tokens"),
    ):
        # Never more than what is left: a part cannot be larger than the whole it lies in.
        inside[name] = min(left, count(of_input.get(member)))
        left -= inside[name]
    audio = min(total_out, count(of_output.get("audio_tokens")))
    tokens = Tokens(
        input=left,
        **inside,
        output=total_out - audio,
        output_audio=audio,
        reasoning=count(of_output.get("reasoning_tokens")),
    )
    return Usage(tokens, reported=tokens.total > 0, model=model, service_tier=tier, raw=raw)
