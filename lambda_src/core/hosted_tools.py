"""Tools that the provider runs, in requests that `strict` admits: their calls are bounded, and their fees are known.

docs/accounting.md has the reasoning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from lambda_src.contract import Provider
from lambda_src.core.dialects.parsed_request import (
    JsonObject,
    ParsedRequest,
    ToolBound,
    brief,
    integer_field,
    objects,
    reject_case_variants,
)
from lambda_src.core.errors import BadRequest
from lambda_src.core.fees import request_kind
from lambda_src.core.policy import Model
from lambda_src.core.tokens import as_object

ANTHROPIC_READINGS: Final = 10
"""Readings of the context in one request, also after calls beyond `max_uses`, which fail
(https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons: the loop pauses after 10 iterations)."""
_ANTHROPIC: Final = {"web_search_20250305": "web_search", "web_fetch_20250910": "web_fetch"}
"""Types of tools → kind of fee. Later versions also run code, whose calls `max_uses` does not bound."""
_OPENAI: Final = {
    "web_search": "web_search",
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search_preview",
    "web_search_preview_2025_03_11": "web_search_preview",
    "file_search": "file_search",
    "code_interpreter": "code_interpreter",
}
_BOUNDED_FLAVOURS: Final = ("openai", "azure")
"""Servers that respect `max_tool_calls` (https://platform.openai.com/docs/api-reference/responses/create)."""
_UNBOUNDED_MODELS: Final = re.compile("deep-research")
"""Models that continue after `max_tool_calls`."""
_SEARCHING: Final = "web_search_options"


def bound_tools(parsed: ParsedRequest, route_name: str, provider: Provider, model: Model) -> None:
    """Set `parsed.tool_bound` of a request with tools that the provider runs, and insert the maximum number of calls if
    it has none. BadRequest if a tool has no fee, or if its calls cannot be bounded."""
    if parsed.hosted_feature == _SEARCHING and request_kind(model.prices.fees) is not None:
        parsed.hosted_feature = None  # such a model searches once, with or without the field
    if parsed.hosted_feature is not None or not parsed.hosted_tools:
        return
    default = provider.hosted_tool_calls or 0
    if route_name == "messages":
        _anthropic(parsed, model, default)
    elif (
        route_name == "responses"
        and provider.flavour in _BOUNDED_FLAVOURS
        and not _UNBOUNDED_MODELS.search(model.upstream)
    ):
        _openai(parsed, model, default)


def _anthropic(parsed: ParsedRequest, model: Model, default: int) -> None:
    """`max_uses` bounds the calls of each tool."""
    tools: list[object] = []
    fees = calls = 0
    for tool in objects(parsed.body.get("tools")):
        if any(tool is client for client in parsed.client_tools):
            tools.append(tool)
            continue
        fee = _fee(tool, model, lambda tool: _ANTHROPIC.get(str(tool.get("type"))))
        reject_case_variants(tool, ("max_uses",))
        stated = integer_field(tool, "max_uses")
        uses = default if stated is None else stated
        tools.append(tool | {"max_uses": uses})
        fees, calls = fees + uses * fee, calls + uses
    parsed.overrides["tools"] = tools
    parsed.input_classes.add("cache_write_5m")
    parsed.tool_bound = ToolBound(fees, max(calls + 1, ANTHROPIC_READINGS))


def _openai(parsed: ParsedRequest, model: Model, default: int) -> None:
    """`max_tool_calls` bounds the calls of all tools together."""
    hosted = [
        tool for tool in objects(parsed.body.get("tools")) if not any(tool is client for client in parsed.client_tools)
    ]
    highest = max(_fee(tool, model, _openai_kind) for tool in hosted)
    stated = integer_field(parsed.body, "max_tool_calls", minimum=0)
    calls = default if stated is None else stated
    parsed.overrides["max_tool_calls"] = calls
    parsed.tool_bound = ToolBound(calls * highest, calls + 1)


def _openai_kind(tool: JsonObject) -> str | None:
    kind = _OPENAI.get(str(tool.get("type")))
    if kind != "code_interpreter":
        return kind
    if not isinstance(tool.get("container"), dict):
        return None  # a container whose size is unknown
    size = as_object(tool["container"]).get("memory_limit")
    return kind if size in (None, "1g") else f"{kind}_{size}"


def _fee(tool: JsonObject, model: Model, kind_of: Callable[[JsonObject], str | None]) -> int:
    kind = kind_of(tool)
    if kind is None or kind not in model.prices.fees:
        cause = "its calls have no bound" if kind is None else f"model {model.name} has no fee {kind}"
        raise BadRequest(
            "unbounded_cost",
            f"the tool {brief(tool.get('type'))} runs at the provider, and {cause}; accepted: tools whose fee per call "
            "is known and whose calls the request bounds. Leave it out, or ask an operator to state its fee in "
            f'[models."{model.name}".prices.fees].',
            param="tools",
        )
    return model.prices.fees[kind]
