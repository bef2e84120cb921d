"""Usage, text and errors in responses of Anthropic's Messages API, streamed or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from lambda_src.core.dialects.parsed_request import JsonObject, objects
from lambda_src.core.dialects.parsed_response import ParsedResponse, text_size
from lambda_src.core.dialects.response_body import BodyReader
from lambda_src.core.dialects.usage_fields import ANTHROPIC_CALLS, UsageObject
from lambda_src.core.dialects.usage_reading import anthropic_usage, with_calls
from lambda_src.core.tokens import ReportedUsage, Tokens, as_object, name_or_none

_RESULTS = {"web_search_tool_result": "web_search", "web_fetch_tool_result": "web_fetch"}
"""Blocks with the result of a tool that Anthropic ran → kind of fee."""


@dataclass(slots=True)
class AnthropicResponse:
    """A message, as far as it was received. text: bytes of generated text. calls: results of tools that Anthropic ran.

    has_output: whether anything was generated, even if it is not shown. has_count: whether the final output count was
    received. ended: whether the stream has its final event.
    """

    found: bool = False
    text: int = 0
    model: object = None
    usage: UsageObject = field(default_factory=UsageObject)
    stop_reason: object = None
    has_output: bool = False
    has_count: bool = False
    ended: bool = False
    error: object = None
    calls: Counter[str] = field(default_factory=Counter)

    def read(self, kind: object, event: JsonObject) -> bool:
        """Read an event of a stream, or a whole message. Callers get all of them."""
        self.found, kind = True, event.get("type")
        if kind == "content_block_delta":
            self._add_block(as_object(event.get("delta")), whole=False)
        elif kind == "content_block_start":
            self._add_block(as_object(event.get("content_block")))
        elif kind == "message_start":
            self._read_message(as_object(event.get("message")))
        elif kind == "message_delta":
            usage = as_object(event.get("usage"))
            # One with iterations is a whole count: its zeros replace what a compaction has used up.
            self.usage.add(usage, whole=bool(usage.get("iterations")))
            reason = as_object(event.get("delta")).get("stop_reason")
            if reason is not None:  # only this delta has the final output count
                self.stop_reason = reason
                self.has_count |= usage.get("output_tokens") is not None
        elif kind == "message_stop":
            self.ended = True
        elif kind == "error" or event.get("error"):
            self.error = event.get("error") or event
        elif kind in (None, "message"):
            self._read_message(event)
            self.has_count = True
        return False

    def parsed(self, body: BodyReader, rest: bytes, complete: bool) -> ParsedResponse:
        """The response."""
        failed = not complete or self.error is not None or (body.is_stream and not self.ended)
        unbilled = self.stop_reason == "refusal" and not self.has_output
        return ParsedResponse(self.reported(), self.text, rest, failed, body.media_type, self.error, unbilled=unbilled)

    def _read_message(self, message: JsonObject) -> None:
        self.model = message.get("model")
        self.usage.add(message.get("usage"))
        self.stop_reason = message.get("stop_reason")
        for block in objects(message.get("content")):
            self._add_block(block)

    def _add_block(self, block: JsonObject, *, whole: bool = True) -> None:
        size = text_size(block)
        self.text += size
        self.has_output |= size > 0 or (whole and block.get("type", "text") != "text")
        kind = _RESULTS.get(str(block.get("type")))
        if kind is not None and not str(as_object(block.get("content")).get("type")).endswith("_error"):
            self.calls[kind] += 1  # errors are not billed

    def reported(self) -> ReportedUsage:
        """The usage. The top-level counts include all `iterations` except compactions, which are added, and those of
        an advisor, which is another model.

        https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool
        """
        raw = self.usage.value or {}
        usage = anthropic_usage(raw)
        tokens, doubtful = usage.tokens, usage.doubtful or self.usage.truncated
        others: list[tuple[str | None, Tokens]] = []
        for iteration in objects(raw.get("iterations")):
            if iteration.get("type") not in ("compaction", "advisor_message"):
                continue
            part = anthropic_usage(iteration)
            doubtful |= part.doubtful
            if iteration.get("type") == "compaction":
                tokens += part.tokens
            else:
                others.append((name_or_none(iteration.get("model")), part.tokens))
        usage = replace(
            usage,
            tokens=tokens,
            has_output=usage.has_output and self.has_count,
            doubtful=doubtful,
            model=name_or_none(self.model),
            service_tier=_tier(raw),
            others=tuple(others),
        )
        return with_calls(usage, raw, ANTHROPIC_CALLS, self.calls).with_delivered(self.text)


def _tier(raw: JsonObject) -> str | None:
    """The tier with prices of its own: fast mode or batch. The priority tier is prepaid capacity at standard prices."""
    if raw.get("speed") == "fast":
        return "fast"
    return "batch" if raw.get("service_tier") == "batch" else None
