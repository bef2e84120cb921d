"""What an answer says: usage, what reached us of it, and the bytes the caller gets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lambda_src.core.tokens import ReportedUsage, Tokens

BYTES_PER_TOKEN = 4
"""Of ordinary text; used only where a provider did not count."""

_DATA = b"data:"
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class ParsedResponse:
    """An answer as far as it came.

    usage: what the provider counted (`reported` False where it did not finish counting).
    delivered: bytes of generated text that reached us, from which missing output is estimated.
    body: what the caller gets. failed: the stream itself reported an error after it had begun.
    """

    usage: ReportedUsage
    delivered: int
    body: bytes
    failed: bool = False


def estimate_tokens(size: int) -> int:
    """Tokens that `size` bytes of text usually are; at least 1, so that nothing is charged 0 for want of a count."""
    return max(1, -(-size // BYTES_PER_TOKEN))


def tokens_to_charge(reading: ParsedResponse, typical_input: int, most_output: int) -> Tokens:
    """The tokens to charge: as reported, else what was read before the cut, filled up from what was delivered.

    usual_input: what such a request usually sends. most_output: what it can get; no estimate goes beyond it.
    """
    seen = reading.usage.tokens
    if reading.usage.reported:
        return seen
    output = max(seen.output, min(estimate_tokens(reading.delivered), most_output))
    return replace(seen, input=seen.input if seen.total_input else typical_input, output=output)


_NAMES = frozenset(
    {"id", "type", "role", "status", "object", "format", "signature", "data", "finish_reason", "call_id"}
)
"""Members that say nothing a model wrote as text."""


def text_size(value: object) -> int:
    """Bytes of the text in a part of an answer, whatever its members are called."""
    size, pending = 0, [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            size += len(each.encode(errors="surrogatepass"))
        elif isinstance(each, dict):
            pending.extend(inner for member, inner in each.items() if member not in _NAMES)
        elif isinstance(each, list):
            pending.extend(each)
    return size


def json_object(body: bytes) -> dict[str, object] | None:
    """The JSON object that `body` is; None where it is anything else."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def events(body: bytes) -> list[bytes]:
    """The server-sent events of a stream, each with the blank line that ends it; the last may be cut.

    Lines may end in LF or CRLF: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    if b"\r" not in body:
        parts = body.split(b"\n\n")
        complete = [part + b"\n\n" for part in parts[:-1]]
    else:
        ends = [match.end() for match in _BLANK_LINE.finditer(body)]
        complete = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        parts = [body[ends[-1] if ends else 0 :]]
    return [*complete, parts[-1]] if parts[-1] else complete


def data(event: bytes) -> dict[str, object] | None:
    """The JSON object in an event's data lines; None for `[DONE]`, comments and what is cut."""
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(_DATA)]
    return json_object(b"\n".join(lines)) if lines else None


def event_objects(stream: list[bytes]) -> Iterator[dict[str, object]]:
    """The JSON objects of a stream's events, in order."""
    for event in stream:
        parsed = data(event)
        if parsed is not None:
            yield parsed
