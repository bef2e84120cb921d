"""Anthropic's dialect: messages and count_tokens. https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lambda_src.contract import Route
from lambda_src.core.dialects.anthropic_response import AnthropicResponse
from lambda_src.core.dialects.parsed_request import (
    BUILT_IN_ALLOWANCE,
    TOOLS_ALLOWANCE,
    JsonObject,
    ParsedRequest,
    boolean_field,
    brief,
    byte_size,
    find_values,
    for_each_part,
    integer_field,
    is_image_url,
    model_name,
    objects,
    reject_case_variants,
    reject_fields,
    split_tools,
    unknown_members,
)
from lambda_src.core.dialects.parsed_response import ResponseFacts
from lambda_src.core.tokens import as_object

CLIENT_TOOLS: Final = frozenset({
    "custom", "bash_20241022", "bash_20250124", "text_editor_20241022", "text_editor_20250124", "text_editor_20250429",
    "text_editor_20250728", "computer_20241022", "computer_20250124", "computer_20251124", "memory_20250818",
})  # fmt: skip
"""Types of tools that the client runs. Anthropic adds a system prompt for them."""
_CLEARING_EDITS = frozenset({"clear_tool_uses_20250919", "clear_thinking_20251015"})
"""Types of context edits that only shorten the input."""
_TEXT_PARTS = ("text", "thinking", "redacted_thinking", "tool_use", "search_result")
_OTHER_MODELS = {"fallbacks": "a model with other prices might respond"}
MEMBERS: Final = frozenset({
    "model", "messages", "system", "max_tokens", "stream", "stop_sequences", "temperature", "top_k", "top_p",
    "tools", "tool_choice", "thinking", "output_config", "metadata", "service_tier", "speed", "inference_geo",
    "mcp_servers", "container", "compaction", "context_management", "thread", "cache_control", "billing_policy",
    "fallback_credit_token", "diagnostics", "user_profile_id", "workspace_id", *_OTHER_MODELS,
})  # fmt: skip
"""Fields whose effect on the cost is known, as in `openai.MEMBERS`."""
_PART_FIELDS = frozenset({"type", "role", "content", "source", "url", "data", "media_type", "cache_control", "text"})


def parse_request(route: Route, body: JsonObject, size: int, path_model: str | None) -> ParsedRequest:
    """Parse a Messages request."""
    del route, path_model
    reject_case_variants(body, MEMBERS)
    reject_fields(body, _OTHER_MODELS)
    if body.get("inference_geo") not in (None, "global"):
        reject_fields(body, {"inference_geo": "regions have other prices (the workspace's default can be set instead)"})
    parsed = ParsedRequest(body=body, model=model_name(body), text_bytes=size, stream=boolean_field(body, "stream"))
    parsed.unknown_members = unknown_members(body, MEMBERS)
    parsed.max_output = integer_field(body, "max_tokens", minimum=0)  # 0 warms the cache
    parsed.service_tier = _service_tier(body)
    _tools(parsed, body)
    for name in ("mcp_servers", "container", "compaction"):
        if body.get(name):
            parsed.hosted_feature = name
    for edit in objects(as_object(body.get("context_management")).get("edits")):
        if edit.get("type") not in _CLEARING_EDITS:
            parsed.hosted_feature = f"the context edit {brief(edit.get('type'))}"
    if body.get("thread") is not None:
        parsed.unbounded_input = "thread"
    _cache(parsed, body)
    for message in objects(body.get("messages")):
        reject_case_variants(message, _PART_FIELDS)
    _parts(parsed, objects(body.get("messages")))
    return parsed


def response_facts(route: Route, parsed: ParsedRequest) -> ResponseFacts:
    """What a success response to `parsed` states, to be read."""
    del route, parsed
    return AnthropicResponse()


def _tools(parsed: ParsedRequest, body: JsonObject) -> None:
    if body.get("tools"):
        parsed.added_tokens += TOOLS_ALLOWANCE
    for tool in objects(body.get("tools")):
        reject_case_variants(tool, ("type", "cache_control"))
        if tool.get("type", "custom") != "custom":
            parsed.added_tokens += BUILT_IN_ALLOWANCE
    split_tools(parsed, objects(body.get("tools")), _is_client_tool)


def _is_client_tool(tool: JsonObject) -> bool:
    kind = tool.get("type", "custom")
    return isinstance(kind, str) and kind in CLIENT_TOOLS


def _service_tier(body: JsonObject) -> str | None:
    """The tier that determines the price. Fast mode has its own prices; all tiers that can be requested share one."""
    if body.get("speed") not in (None, "standard"):
        return brief(body["speed"])
    return "standard" if body.get("service_tier") == "standard_only" else None


def _cache(parsed: ParsedRequest, body: JsonObject) -> None:
    """Add the classes of cache writes, which happen only if the request has `cache_control` fields."""
    controls = list(find_values(body, "cache_control"))
    if controls:
        parsed.input_classes.add("cache_write_5m")
    if any(as_object(control).get("ttl") not in (None, "5m") for control in controls):
        parsed.input_classes.add("cache_write_1h")


def _parts(parsed: ParsedRequest, owners: Iterable[JsonObject]) -> None:
    for_each_part(owners, "content", lambda part: _part(parsed, part))


def _part(parsed: ParsedRequest, part: JsonObject) -> None:
    kind = part.get("type")
    source = as_object(part.get("source"))
    reject_case_variants(part, _PART_FIELDS)
    reject_case_variants(source, _PART_FIELDS)
    if kind == "image":
        parsed.images += 1
        parsed.input_classes.add("input_image")
        if source.get("type") == "base64" and str(source.get("media_type")).startswith("image/"):
            parsed.text_bytes -= byte_size(source.get("data"))
        elif source.get("type") == "url" and not is_image_url(source.get("url")):
            parsed.unbounded_input = "an image URL whose path does not end in .png, .jpg, .jpeg, .gif or .webp"
    elif kind == "tool_result":
        _parts(parsed, [part])
    elif kind == "document" and source.get("type") == "text":
        return
    elif kind not in _TEXT_PARTS:
        parsed.unbounded_input = f"a content block of type {brief(kind)}"
