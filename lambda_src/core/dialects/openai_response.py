"""Usage, text and errors in OpenAI responses, streamed or not."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from lambda_src.contract import Route
from lambda_src.core.dialects.flavours import priced_tier
from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest, objects
from lambda_src.core.dialects.parsed_response import ParsedResponse, text_size, unreadable
from lambda_src.core.dialects.response_body import Body, parse_body
from lambda_src.core.dialects.server_sent_events import SSE_MEDIA_TYPE
from lambda_src.core.dialects.tool_calls import EXECUTED_TOOLS, executed_calls, output_calls, priced_kinds
from lambda_src.core.dialects.usage_fields import (
    CHOICE_USAGE,
    OPENAI_CALLS,
    SEARCH_SIZE,
    USAGE_PLACES,
    merge,
    value_at,
)
from lambda_src.core.dialects.usage_reading import openai_usage, with_calls
from lambda_src.core.tokens import ReportedUsage, as_object, name_or_none

_FINAL_EVENTS = ("response.completed", "response.incomplete", "response.failed")
_ADDED, _DONE = "response.output_item.added", "response.output_item.done"
_STREAM_END = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]")
_TEXT_FIELDS = ("delta", "message", "text")
"""The fields of a choice that have its text, in chunks and in whole responses."""


def parse_response(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    """Parse an OpenAI response, which is a stream or not whatever the request asked for."""
    documents = parse_body(body)
    facts = _Facts()
    if documents.media_type is not None:
        read = _read_response if route.name == "responses" else _read_completion
        for position, _, document in documents.objects:
            read(facts, position, document)
    if not facts.found and (complete or not documents.is_stream):
        return unreadable(body, complete)
    failed = not complete or facts.error is not None or (documents.is_stream and not facts.ended(documents))
    usage = facts.usage(route, parsed, failed and documents.is_stream)
    if facts.usage_only is not None and documents.media_type == SSE_MEDIA_TYPE and not parsed.usage_requested:
        del documents.events[facts.usage_only]
        body = b"".join(documents.events)
    return ParsedResponse(usage, facts.text, body, failed, documents.media_type, facts.error)


@dataclass(slots=True)
class _Facts:
    """What the documents of a response state. Of two statements the later one counts.

    text: bytes of generated text. finished: by choice, whether it has a finish reason. usage_only: position of the
    event that has usage and nothing else. has_final: whether the final event of the Responses API was received.
    tool_usage: the provider's counts of calls beside `usage`. items: output items by the event that has them. executed:
    calls in choices.
    """

    found: bool = False
    text: int = 0
    model: object = None
    tier: object = None
    final_tier: object = None
    raw: JsonObject | None = None
    usage_only: int | None = None
    finished: dict[object, bool] = field(default_factory=dict)
    has_final: bool = False
    error: object = None
    tool_usage: object = None
    items: dict[str, list[JsonObject]] = field(default_factory=dict)
    executed: set[tuple[str, str, int]] = field(default_factory=set)

    def ended(self, body: Body) -> bool:
        """Whether a stream has its end: `[DONE]`, the final event, or the finish reason of every choice."""
        done = any(_STREAM_END.search(event) for event in body.events[-3:])
        return done or self.has_final or (bool(self.finished) and all(self.finished.values()))

    def add_usage(self, usage: object) -> None:
        if isinstance(usage, dict):
            self.raw = {} if self.raw is None else self.raw
            merge(self.raw, usage)

    def usage(self, route: Route, parsed: ParsedRequest, broken: bool) -> ReportedUsage:
        """The usage. broken: whether the response is a stream that failed."""
        usage = ReportedUsage()
        if self.raw is not None:
            generates = route.name != "embeddings"
            usage = openai_usage(self.raw, generates=generates, marks_long_cache=parsed.marks_long_cache)
        # A running count, in a chunk with text, is complete only if the stream did not fail.
        if broken and self.usage_only is None and not self.has_final:
            usage = replace(usage, has_output=False)
        tier = self.final_tier or self.tier
        if route.name == "responses" and self.final_tier is None and _tier(tier) == parsed.service_tier:
            tier = None  # `response.created` repeats the requested tier, which confirms nothing
        stated = (self.raw or {}) | {"tool_usage": self.tool_usage}
        usage = with_calls(usage, stated, OPENAI_CALLS, self._calls())
        return replace(
            usage,
            model=name_or_none(self.model),
            service_tier=_tier(tier),
            calls=priced_kinds(dict(usage.calls), parsed),
            search_size=name_or_none(value_at(self.raw, SEARCH_SIZE.path)),
        ).with_delivered(self.text)

    def _calls(self) -> Counter[str]:
        """Calls of tools in the response. An item that was added and not done counts only if the end is missing."""
        lists = [items for kind, items in self.items.items() if not (self.has_final and kind == _ADDED)]
        calls = Counter(kind for kind, _, _ in self.executed)
        for items in lists:
            calls |= output_calls(items)  # the larger count of each kind
        return calls


def _read_completion(facts: _Facts, position: int, chunk: JsonObject) -> None:
    """Read a chat completion, a chunk of one, or embeddings."""
    facts.found = True
    choices = chunk.get("choices")
    for choice in objects(choices):
        for name in _TEXT_FIELDS:
            if name in choice:
                part = choice[name]
                facts.text += text_size(part)
                if isinstance(part, dict) and EXECUTED_TOOLS in part:
                    facts.executed |= executed_calls(str(choice.get("index")), part[EXECUTED_TOOLS])
        reason, index = choice.get("finish_reason"), choice.get("index")
        index = index if isinstance(index, int) else str(index)
        facts.finished[index] = reason is not None or facts.finished.get(index, False)
        if CHOICE_USAGE in choice:
            facts.add_usage(choice[CHOICE_USAGE])
        if choice.get("error") or reason == "error":  # OpenRouter
            facts.error = choice.get("error") or chunk.get("error") or {"code": 502}
    for place in USAGE_PLACES:
        if place.path[0] in chunk:
            facts.add_usage(value_at(chunk, place.path))
    if choices == [] and isinstance(chunk.get("usage"), dict):
        facts.usage_only = position
    _read_common(facts, chunk)


def _read_response(facts: _Facts, position: int, event: JsonObject) -> None:
    """Read a response of the Responses API, or an event of its stream."""
    del position
    facts.found = True
    delta = event.get("delta")
    if isinstance(delta, str):
        facts.text += text_size(delta)
    inner = event.get("response")
    response = inner if isinstance(inner, dict) else event
    facts.add_usage(response.get("usage"))
    facts.text = max(facts.text, text_size(response.get("output")))
    if output := list(objects(response.get("output"))):
        facts.items["output"] = output
    facts.tool_usage = response.get("tool_usage") or facts.tool_usage
    _read_common(facts, response)
    kind = event.get("type")
    if kind in (_ADDED, _DONE) and isinstance(event.get("item"), dict):
        facts.items.setdefault(kind, []).append(as_object(event["item"]))
    if kind == "error":
        facts.error = event.get("error") or event
    if kind in _FINAL_EVENTS or (inner is None and kind is None):
        facts.has_final, facts.final_tier = True, response.get("service_tier")


def _read_common(facts: _Facts, document: JsonObject) -> None:
    if document.get("model") is not None:
        facts.model = document["model"]
    if document.get("service_tier") is not None:
        facts.tier = document["service_tier"]
    if "base_resp" in document and as_object(document["base_resp"]).get("status_code"):  # MiniMax
        facts.error = document["base_resp"]
    if document.get("error"):
        facts.error = document["error"]
    elif document.get("object") == "error":  # vLLM
        facts.error = document


def _tier(tier: object) -> str | None:
    return priced_tier(name_or_none(tier))
