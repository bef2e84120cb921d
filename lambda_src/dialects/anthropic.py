"""Anthropic's dialect: messages and count_tokens. https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

from collections.abc import Iterable

from lambda_src.contract import Route
from lambda_src.dialects.ask import Ask, JsonObject, each_part, flag, model_name, objects, size_of, whole_number
from lambda_src.dialects.reading import Reading, events, json_object, objects_in
from lambda_src.tokens import Tokens, Usage, count, mapping

# Tools whose calls the client runs; Anthropic adds a system prompt of its own for them.
_OWN_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_")
_TEXT_PARTS = ("text", "thinking", "redacted_thinking", "tool_use", "search_result")


def ask(route: Route, body: JsonObject, size: int, path_model: str | None) -> Ask:
    """What a request for messages asks for."""
    del route, path_model
    asked = Ask(body=body, model=model_name(body), text_bytes=size, stream=flag(body, "stream"))
    asked.max_output = whole_number(body, "max_tokens")
    tier = body.get("service_tier")
    asked.service_tier = "fast" if body.get("speed") == "fast" else "standard" if tier == "standard_only" else None
    for tool in objects(body.get("tools")):
        kind = tool.get("type", "custom")
        if not isinstance(kind, str) or not kind.startswith(_OWN_TOOLS):
            asked.hosted = f"the tool {kind}"
    for name in ("mcp_servers", "container"):
        if body.get(name):
            asked.hosted = name
    _cache(asked, body)
    _parts(asked, objects(body.get("messages")))
    return asked


def _cache(asked: Ask, body: JsonObject) -> None:
    """Cache writes are dearer than plain input; they happen only where the request marks something for caching."""
    marks = list(_cache_controls(body))
    if marks:
        asked.input_classes.add("cache_write_5m")
    if any(mapping(mark).get("ttl") not in (None, "5m") for mark in marks):
        asked.input_classes.add("cache_write_1h")


def _cache_controls(value: object) -> list[object]:
    found: list[object] = []
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            if each.get("cache_control") is not None:
                found.append(each["cache_control"])
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)
    return found


def _parts(asked: Ask, owners: Iterable[JsonObject]) -> None:
    each_part(owners, "content", lambda part: _part(asked, part))


def _part(asked: Ask, part: JsonObject) -> None:
    kind = part.get("type")
    source = mapping(part.get("source"))
    if kind == "image":
        asked.images += 1
        asked.input_classes.add("input_image")
        if source.get("type") == "base64":
            asked.text_bytes -= size_of(source.get("data"))
    elif kind == "tool_result":
        _parts(asked, [part])
    elif kind == "document" and source.get("type") == "text":
        return
    elif kind not in _TEXT_PARTS:
        asked.open_ended = f"a content block of type {kind}"


def read(route: Route, asked: Ask, body: bytes, whole: bool) -> Reading:
    """What an answer says. Streams: from `message_start`, then every non-null field of each delta overwrites."""
    del route
    if not asked.stream:
        answer = json_object(body)
        if answer is None:
            return Reading(Usage(Tokens(), reported=False), len(body), body, failed=not whole)
        return Reading(_usage(answer, mapping(answer.get("usage")), finished=True), len(body), body, failed=not whole)
    return _read_stream(body)


def _read_stream(body: bytes) -> Reading:
    message: JsonObject = {}
    usage: JsonObject = {}
    delivered, counted, ended = 0, False, False
    for event in objects_in(events(body)):
        kind = event.get("type")
        if kind == "message_start":
            message = mapping(event.get("message"))
            usage = dict(mapping(message.get("usage")))
        elif kind == "content_block_delta":
            delta = mapping(event.get("delta"))
            delivered += sum(size_of(delta.get(name)) for name in ("text", "partial_json", "thinking"))
        elif kind == "message_delta":
            counts = mapping(event.get("usage"))
            usage |= {name: value for name, value in counts.items() if value is not None}
            # Only the delta that says why the answer stopped has the last word on output.
            stopped = mapping(event.get("delta")).get("stop_reason") is not None
            counted = counted or ("output_tokens" in counts and stopped)
        elif kind == "message_stop":
            ended = True
    return Reading(_usage(message, usage, finished=counted), delivered, body, failed=not ended)


def _usage(answer: JsonObject, raw: JsonObject, *, finished: bool) -> Usage:
    """`input_tokens` is uncached only; `cache_creation` breaks `cache_creation_input_tokens` down, it adds nothing."""
    model, tier = answer.get("model"), raw.get("service_tier")
    created = mapping(raw.get("cache_creation"))
    one_hour = count(created.get("ephemeral_1h_input_tokens"))
    five_minutes = count(created.get("ephemeral_5m_input_tokens"))
    written = max(count(raw.get("cache_creation_input_tokens")), one_hour + five_minutes)
    tokens = Tokens(
        input=count(raw.get("input_tokens")),
        cache_read=count(raw.get("cache_read_input_tokens")),
        cache_write_5m=written - one_hour,  # what the breakdown does not cover is charged at the 5-minute price
        cache_write_1h=one_hour,
        output=count(raw.get("output_tokens")),
        reasoning=count(mapping(raw.get("output_tokens_details")).get("thinking_tokens")),
    )
    return Usage(
        tokens,
        reported=finished and tokens.total > 0,
        model=model if isinstance(model, str) else None,
        # Anthropic's priority tier is prepaid capacity at the standard price list; batch has half prices, fast dearer.
        service_tier="fast" if raw.get("speed") == "fast" else "batch" if tier == "batch" else None,
        raw=raw or None,
    )
