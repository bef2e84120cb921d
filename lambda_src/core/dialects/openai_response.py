"""Usage, text and errors in OpenAI responses, streamed or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from lambda_src.contract import Route
from lambda_src.core.dialects.flavours import priced_tier
from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest, objects
from lambda_src.core.dialects.parsed_response import ParsedResponse, text_size
from lambda_src.core.dialects.response_body import BodyReader
from lambda_src.core.dialects.tool_calls import EXECUTED_TOOLS, MOST_CALLS, OutputCalls, executed_calls, priced_kinds
from lambda_src.core.dialects.usage_fields import (
    CHOICE_USAGE,
    OPENAI_CALLS,
    SEARCH_SIZE,
    USAGE_PLACES,
    UsageObject,
    value_at,
)
from lambda_src.core.dialects.usage_reading import openai_usage, with_calls
from lambda_src.core.tokens import ReportedUsage, as_object, name_or_none

_FINAL_EVENTS = ("response.completed", "response.incomplete", "response.failed")
_ADDED, _DONE = "response.output_item.added", "response.output_item.done"
_MOST_CHOICES = 1_000
_TEXT_FIELDS = ("delta", "message", "text")
"""The fields of a choice that have its text, in chunks and in whole responses."""


@dataclass(slots=True)
class OpenAIResponse:
    """What the documents of a response state. Of two statements the later one counts.

    text: bytes of generated text. finished: by choice, whether it has a finish reason. usage_only: whether an event had
    usage and nothing else. has_final: whether the final event of the Responses API was received. tool_usage: the
    provider's counts of calls beside `usage`. calls: calls among output items, by the event with these. executed: calls
    in choices.
    """

    route: Route
    request: ParsedRequest
    found: bool = False
    text: int = 0
    model: object = None
    tier: object = None
    final_tier: object = None
    usage: UsageObject = field(default_factory=UsageObject)
    usage_only: bool = False
    finished: dict[int, bool] = field(default_factory=dict)
    has_final: bool = False
    error: object = None
    tool_usage: object = None
    calls: dict[str, OutputCalls] = field(default_factory=dict)
    executed: set[tuple[str, int, int]] = field(default_factory=set)

    def read(self, kind: str, document: JsonObject) -> bool:
        """Read a document. An event that has only the usage is hidden if the caller did not ask for it."""
        del kind
        self.found = True
        if self.route.name == "responses":
            self._read_response(document)
            return False
        return self._read_completion(document) and not self.request.usage_requested

    def parsed(self, body: BodyReader, rest: bytes, complete: bool) -> ParsedResponse:
        """The response."""
        ended = body.done or self.has_final or (bool(self.finished) and all(self.finished.values()))
        failed = not complete or self.error is not None or (body.is_stream and not ended)
        usage = self._usage(failed and body.is_stream)
        return ParsedResponse(usage, self.text, rest, failed, body.media_type, self.error)

    def _usage(self, broken: bool) -> ReportedUsage:
        """The usage. broken: whether the response is a stream that failed."""
        route = self.route.name
        usage, raw = ReportedUsage(), self.usage.value
        if raw is not None:
            long_cache = self.request.marks_long_cache
            usage = openai_usage(raw, generates=route != "embeddings", marks_long_cache=long_cache)
        # A running count, in a chunk with text, is complete only if the stream did not fail.
        if broken and not self.usage_only and not self.has_final:
            usage = replace(usage, has_output=False)
        tier = self.final_tier or self.tier
        if route == "responses" and self.final_tier is None and _tier(tier) == self.request.service_tier:
            tier = None  # `response.created` repeats the requested tier, which confirms nothing
        stated = (raw or {}) | {"tool_usage": self.tool_usage}
        usage = with_calls(usage, stated, OPENAI_CALLS, self._calls())
        return replace(
            usage,
            doubtful=usage.doubtful or self.usage.truncated,
            model=name_or_none(self.model),
            service_tier=_tier(tier),
            calls=priced_kinds(dict(usage.calls), self.request),
            search_size=name_or_none(value_at(raw, SEARCH_SIZE.path)),
        ).with_delivered(self.text)

    def _calls(self) -> Counter[str]:
        """Calls of tools in the response. An item that was added and not done counts only if the end is missing."""
        calls = Counter(kind for kind, _, _ in self.executed)
        for kind, listed in self.calls.items():
            if not (self.has_final and kind == _ADDED):
                calls |= listed.counts  # the larger count of each kind
        return calls

    def _read_completion(self, chunk: JsonObject) -> bool:
        """Read a chat completion, a chunk of one, or embeddings. Whether it has usage and nothing else."""
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            index = index if isinstance(index, int) and 0 <= index < _MOST_CHOICES else -1
            for name in _TEXT_FIELDS:
                if name in choice:
                    part = choice[name]
                    self.text += text_size(part)
                    if isinstance(part, dict) and EXECUTED_TOOLS in part and len(self.executed) <= MOST_CALLS:
                        self.executed |= executed_calls(index, part[EXECUTED_TOOLS])
            reason = choice.get("finish_reason")
            self.finished[index] = reason is not None or self.finished.get(index, False)
            if CHOICE_USAGE in choice:
                self.usage.add(choice[CHOICE_USAGE])
            if choice.get("error") or reason == "error":  # OpenRouter
                self.error = choice.get("error") or chunk.get("error") or {"code": 502}
        for place in USAGE_PLACES:
            if place.path[0] in chunk:
                self.usage.add(value_at(chunk, place.path))
        self._read_common(chunk)
        usage_only = choices == [] and isinstance(chunk.get("usage"), dict)
        self.usage_only |= usage_only
        return usage_only

    def _read_response(self, event: JsonObject) -> None:
        """Read a response of the Responses API, or an event of its stream."""
        delta = event.get("delta")
        if isinstance(delta, str):
            self.text += text_size(delta)
        inner = event.get("response")
        response = inner if isinstance(inner, dict) else event
        self.usage.add(response.get("usage"))
        self.text = max(self.text, text_size(response.get("output")))
        if response.get("output"):
            self.calls["output"] = OutputCalls(objects(response["output"]))
        self.tool_usage = response.get("tool_usage") or self.tool_usage
        self._read_common(response)
        kind = event.get("type")
        if kind in (_ADDED, _DONE) and isinstance(event.get("item"), dict):
            self.calls.setdefault(kind, OutputCalls()).add(as_object(event["item"]))
        if kind == "error":
            self.error = event.get("error") or event
        if kind in _FINAL_EVENTS or (inner is None and kind is None):
            self.has_final, self.final_tier = True, response.get("service_tier")

    def _read_common(self, document: JsonObject) -> None:
        if document.get("model") is not None:
            self.model = document["model"]
        if document.get("service_tier") is not None:
            self.tier = document["service_tier"]
        if "base_resp" in document and as_object(document["base_resp"]).get("status_code"):  # MiniMax
            self.error = document["base_resp"]
        if document.get("error"):
            self.error = document["error"]
        elif document.get("object") == "error":  # vLLM
            self.error = document


def _tier(tier: object) -> str | None:
    return priced_tier(name_or_none(tier))
