"""Usage, text and errors in responses of Anthropic's Messages API, streamed or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from lambda_src.contract import Route
from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest, objects
from lambda_src.core.dialects.parsed_response import ParsedResponse, text_size, unreadable
from lambda_src.core.dialects.response_body import parse_body
from lambda_src.core.dialects.usage_fields import ANTHROPIC_CALLS, merge
from lambda_src.core.dialects.usage_reading import anthropic_usage, with_calls
from lambda_src.core.tokens import ReportedUsage, Tokens, as_object, name_or_none


def parse_response(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    """Parse a Messages response. A stream's usage starts in `message_start`; counts of deltas override it."""
    del route, parsed
    documents = parse_body(body)
    message = _Message()
    if documents.media_type is not None:
        for _, _, document in documents.objects:
            message.read(document)
    if not message.found and (complete or not documents.is_stream):
        return unreadable(body, complete)
    failed = not complete or message.error is not None or (documents.is_stream and not message.ended)
    return ParsedResponse(
        message.reported(),
        message.text,
        body,
        failed,
        documents.media_type,
        message.error,
        unbilled=message.stop_reason == "refusal" and not message.has_output,
    )


_RESULTS = {"web_search_tool_result": "web_search", "web_fetch_tool_result": "web_fetch"}
"""Blocks with the result of a tool that Anthropic ran → kind of fee."""


@dataclass(slots=True)
class _Message:
    """A message, as far as it was received. text: bytes of generated text. calls: results of tools that Anthropic ran.

    has_output: whether anything was generated, even if it is not shown. has_count: whether the final output count was
    received. ended: whether the stream has its final event.
    """

    found: bool = False
    text: int = 0
    model: object = None
    usage: JsonObject = field(default_factory=dict)
    stop_reason: object = None
    has_output: bool = False
    has_count: bool = False
    ended: bool = False
    error: object = None
    calls: Counter[str] = field(default_factory=Counter)

    def read(self, event: JsonObject) -> None:
        """Read an event of a stream, or a whole message."""
        self.found = True
        kind = event.get("type")
        if kind == "content_block_delta":
            self._add_block(as_object(event.get("delta")), whole=False)
        elif kind == "content_block_start":
            self._add_block(as_object(event.get("content_block")))
        elif kind == "message_start":
            self._read_message(as_object(event.get("message")))
        elif kind == "message_delta":
            self._read_delta(as_object(event.get("usage")))
            reason = as_object(event.get("delta")).get("stop_reason")
            if reason is not None:  # only this delta has the final output count
                self.stop_reason = reason
                self.has_count |= as_object(event.get("usage")).get("output_tokens") is not None
        elif kind == "message_stop":
            self.ended = True
        elif kind == "error" or event.get("error"):
            self.error = event.get("error") or event
        elif kind in (None, "message"):
            self._read_message(event)
            self.has_count = True

    def _read_delta(self, usage: JsonObject) -> None:
        """A usage object with iterations is a whole count: its zeros replace what a compaction has used up."""
        if usage.get("iterations"):
            self.usage |= {name: value for name, value in usage.items() if value is not None}
        else:
            merge(self.usage, usage)

    def _read_message(self, message: JsonObject) -> None:
        self.model = message.get("model")
        merge(self.usage, as_object(message.get("usage")))
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
        raw = self.usage
        usage = anthropic_usage(raw)
        tokens, doubtful = usage.tokens, usage.doubtful
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
