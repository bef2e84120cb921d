"""The facts of a provider's response that determine its cost, and helpers for reading them from JSON and streams."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lambda_src.core.dialects.parsed_request import MEDIA_TYPE
from lambda_src.core.tokens import ReportedUsage, Tokens

BYTES_PER_TOKEN = 4
"""Of ordinary text. Used only if the provider reports no count."""

SSE_MEDIA_TYPE = "text/event-stream"
_DATA = b"data:"
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class ParsedResponse:
    """A response, as far as it was received.

    usage: the provider's count; `usage.reported` is False if it is missing or incomplete.
    delivered_bytes: bytes of generated text that were received, from which missing output is estimated.
    body: the body to return to the caller. failed: the response is truncated, or the stream lacks its final event.
    media_type: of what was received, by its bytes; None: it is neither JSON nor an event stream.
    """

    usage: ReportedUsage
    delivered_bytes: int
    body: bytes
    failed: bool = False
    media_type: str | None = MEDIA_TYPE


def estimate_tokens(size: int) -> int:
    """The usual number of tokens in `size` bytes of text; at least 1, so that a missing count never means 0."""
    return max(1, -(-size // BYTES_PER_TOKEN))


def tokens_to_charge(response: ParsedResponse, typical_input: int, output_bound: int) -> Tokens:
    """The reported tokens or, if they are incomplete, those read so far with the missing input and output estimated.

    typical_input: estimate of the input. output_bound: maximum of the estimate of the output.
    """
    tokens = response.usage.tokens
    if response.usage.reported:
        return tokens
    output = max(tokens.output, min(estimate_tokens(response.delivered_bytes), output_bound))
    return replace(tokens, input=tokens.input if tokens.total_input else typical_input, output=output)


_NOT_TEXT = frozenset(
    {"id", "type", "role", "status", "object", "format", "signature", "data", "finish_reason", "call_id"}
)
"""Fields whose strings are not generated text."""


def unreadable(body: bytes, complete: bool) -> ParsedResponse:
    """A response that is neither JSON nor an event stream, all of which counts as generated text."""
    usage = ReportedUsage(Tokens(), reported=False)
    return ParsedResponse(usage, len(body), body, failed=not complete, media_type=None)


def text_size(value: object) -> int:
    """Bytes of generated text in a part of a response, at any depth."""
    size, pending = 0, [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            size += len(part.encode(errors="surrogatepass"))
        elif isinstance(part, dict):
            pending.extend(inner for name, inner in part.items() if name not in _NOT_TEXT)
        elif isinstance(part, list):
            pending.extend(part)
    return size


def json_object(body: bytes) -> dict[str, object] | None:
    """The JSON object in `body`; None if it is not a JSON object."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def sse_events(body: bytes) -> list[bytes]:
    """The server-sent events of a stream, each with the blank line that ends it. The last may be truncated.

    Lines may end in LF or CRLF: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    if b"\r" not in body:
        parts = body.split(b"\n\n")
        events = [part + b"\n\n" for part in parts[:-1]]
    else:
        ends = [match.end() for match in _BLANK_LINE.finditer(body)]
        events = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        parts = [body[ends[-1] if ends else 0 :]]
    return [*events, parts[-1]] if parts[-1] else events


def event_data(event: bytes) -> dict[str, object] | None:
    """The JSON object in an event's data lines; None for `[DONE]`, comments and truncated events."""
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(_DATA)]
    data = b"\n".join(lines).strip()
    return json_object(data) if data.startswith(b"{") else None


def event_objects(events: list[bytes]) -> Iterator[dict[str, object]]:
    """The JSON objects of a stream's events, in order."""
    for event in events:
        parsed = event_data(event)
        if parsed is not None:
            yield parsed
