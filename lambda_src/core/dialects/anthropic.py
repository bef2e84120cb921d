"""Anthropic's dialect: messages and count_tokens. https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

from collections.abc import Iterable

from lambda_src.contract import Route
from lambda_src.core.dialects.parsed_request import (
    BUILT_IN_ALLOWANCE,
    TOOLS_ALLOWANCE,
    JsonObject,
    ParsedRequest,
    boolean_field,
    byte_size,
    find_values,
    for_each_part,
    integer_field,
    model_name,
    objects,
    reject_case_variants,
    reject_fields,
)
from lambda_src.core.dialects.parsed_response import ParsedResponse, event_objects, events, json_object, text_size
from lambda_src.core.tokens import ReportedUsage, Tokens, as_object, count, count_or_none, name_or_none

_OWN_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_")
"""Tools whose calls the client runs; Anthropic adds a system prompt of its own for them."""
_TEXT_PARTS = ("text", "thinking", "redacted_thinking", "tool_use", "search_result")
_ELSEWHERE = {"fallbacks": "another model than the one that is priced might answer"}
_BOUNDS = (
    "model", "messages", "stream", "max_tokens", "service_tier", "speed", "inference_geo", "tools", "mcp_servers",
    "container", "compaction", "context_management", "thread", "cache_control", *_ELSEWHERE,
)  # fmt: skip


def parse_request(route: Route, body: JsonObject, size: int, path_model: str | None) -> ParsedRequest:
    """What a request for messages asks for."""
    del route, path_model
    reject_case_variants(body, *_BOUNDS)
    reject_fields(body, _ELSEWHERE)
    if body.get("inference_geo") not in (None, "global"):
        reject_fields(body, {"inference_geo": "a region has other prices; the workspace's default can be set instead"})
    parsed = ParsedRequest(body=body, model=model_name(body), text_bytes=size, stream=boolean_field(body, "stream"))
    parsed.max_output = integer_field(body, "max_tokens")
    parsed.service_tier = _service_tier(body)
    _tools(parsed, body)
    for member in ("mcp_servers", "container", "compaction"):
        if body.get(member):
            parsed.hosted_tool = member
    if any(
        "compact" in str(edit.get("type")) for edit in objects(as_object(body.get("context_management")).get("edits"))
    ):
        parsed.hosted_tool = "compaction"
    if body.get("thread") is not None:
        parsed.unbounded_input = "thread"
    _cache(parsed, body)
    _parts(parsed, objects(body.get("messages")))
    return parsed


def _tools(parsed: ParsedRequest, body: JsonObject) -> None:
    if body.get("tools"):
        parsed.added_tokens += TOOLS_ALLOWANCE
    for tool in objects(body.get("tools")):
        kind = tool.get("type", "custom")
        if not isinstance(kind, str) or not kind.startswith(_OWN_TOOLS):
            parsed.hosted_tool = f"the tool {kind}"
        elif kind != "custom":
            parsed.added_tokens += BUILT_IN_ALLOWANCE


def _service_tier(body: JsonObject) -> str | None:
    """Fast mode has prices of its own; the tiers that can be asked for share one price list."""
    if body.get("speed") not in (None, "standard"):
        return str(body["speed"])
    return "standard" if body.get("service_tier") == "standard_only" else None


def _cache(parsed: ParsedRequest, body: JsonObject) -> None:
    """Cache writes are dearer than plain input; they happen only where the request marks something for caching."""
    marks = list(find_values(body, "cache_control"))
    if marks:
        parsed.input_classes.add("cache_write_5m")
    if any(as_object(mark).get("ttl") not in (None, "5m") for mark in marks):
        parsed.input_classes.add("cache_write_1h")


def _parts(parsed: ParsedRequest, owners: Iterable[JsonObject]) -> None:
    for_each_part(owners, "content", lambda part: _part(parsed, part))


def _part(parsed: ParsedRequest, part: JsonObject) -> None:
    kind = part.get("type")
    source = as_object(part.get("source"))
    if kind == "image":
        parsed.images += 1
        parsed.input_classes.add("input_image")
        if source.get("type") == "base64" and str(source.get("media_type")).startswith("image/"):
            parsed.text_bytes -= byte_size(source.get("data"))
    elif kind == "tool_result":
        _parts(parsed, [part])
    elif kind == "document" and source.get("type") == "text":
        return
    elif kind not in _TEXT_PARTS:
        parsed.unbounded_input = f"a content block of type {kind}"


def parse_response(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    """What an answer says. Streams: from `message_start`, then every non-null field of each delta overwrites."""
    del route
    if parsed.stream and (body.startswith((b"event:", b"data:")) or b"\ndata:" in body):
        return _read_stream(body)
    answer = json_object(body)
    if answer is None:
        return ParsedResponse(ReportedUsage(Tokens(), reported=False), len(body), body, failed=not complete)
    usage = _usage(answer, as_object(answer.get("usage")), finished=True)
    return ParsedResponse(usage, text_size(answer.get("content")), body, failed=not complete)


def _read_stream(body: bytes) -> ParsedResponse:
    message: JsonObject = {}
    usage: JsonObject = {}
    delivered, counted_out, ended = 0, False, False
    for event in event_objects(events(body)):
        kind = event.get("type")
        if kind == "message_start":
            message = as_object(event.get("message"))
            usage = dict(as_object(message.get("usage")))
        elif kind in ("content_block_start", "content_block_delta"):
            delivered += text_size(event.get("delta", event.get("content_block")))
        elif kind == "message_delta":
            counts = as_object(event.get("usage"))
            usage |= {member: value for member, value in counts.items() if value is not None}
            # Only the delta that says why the answer stopped has the last word on output.
            stopped = as_object(event.get("delta")).get("stop_reason") is not None
            counted_out = counted_out or (counts.get("output_tokens") is not None and stopped)
        elif kind == "message_stop":
            ended = True
    return ParsedResponse(_usage(message, usage, finished=counted_out), delivered, body, failed=not ended)


def _usage(answer: JsonObject, raw: JsonObject, *, finished: bool) -> ReportedUsage:
    """`iterations` break the top-level counts down, except those of compactions, which the top level leaves out."""
    tokens = _tokens(raw)
    for each in objects(raw.get("iterations")):
        if each.get("type") == "compaction":
            tokens = tokens.plus(_tokens(each))
    complete = (
        count_or_none(raw.get("input_tokens")) is not None and count_or_none(raw.get("output_tokens")) is not None
    )
    tier = raw.get("service_tier")
    return ReportedUsage(
        tokens,
        reported=finished and complete and tokens.total > 0,
        model=name_or_none(answer.get("model")),
        # Anthropic's priority tier is prepaid capacity at the standard price list; batch has half prices, fast dearer.
        service_tier="fast" if raw.get("speed") == "fast" else "batch" if tier == "batch" else None,
        raw=raw or None,
    )


def _tokens(raw: JsonObject) -> Tokens:
    """`input_tokens` is uncached only; `cache_creation` breaks `cache_creation_input_tokens` down, it adds nothing."""
    created = as_object(raw.get("cache_creation"))
    one_hour = count(created.get("ephemeral_1h_input_tokens"))
    five_minutes = count(created.get("ephemeral_5m_input_tokens"))
    written = max(count(raw.get("cache_creation_input_tokens")), one_hour + five_minutes)
    return Tokens(
        input=count(raw.get("input_tokens")),
        cache_read=count(raw.get("cache_read_input_tokens")),
        cache_write_5m=written - one_hour,  # what the breakdown does not cover is charged at the 5-minute price
        cache_write_1h=one_hour,
        output=count(raw.get("output_tokens")),
        reasoning=count(as_object(raw.get("output_tokens_details")).get("thinking_tokens")),
    )
