"""What an answer says: usage, what reached us of it, and the bytes the caller gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from lambda_src.tokens import Tokens, Usage

BYTES_PER_TOKEN = 4
"""Of ordinary text; used only where a provider did not count."""

_DATA = b"data:"


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer as far as it came.

    usage: what the provider counted (`reported` False where it did not finish counting).
    delivered: bytes of generated text that reached us, from which missing output is estimated.
    body: what the caller gets. failed: the stream itself reported an error after it had begun.
    """

    usage: Usage
    delivered: int
    body: bytes
    failed: bool = False


def tokens_of_text(size: int) -> int:
    """Tokens that `size` bytes of text usually are; at least 1, so that nothing is charged 0 for want of a count."""
    return max(1, -(-size // BYTES_PER_TOKEN))


def completed(reading: Reading, text_bytes: int) -> Tokens:
    """The tokens to charge: as reported, else what was read before the cut, filled up from what was delivered."""
    seen = reading.usage.tokens
    if reading.usage.reported:
        return seen
    return Tokens(
        input=seen.input if seen.total_input else tokens_of_text(text_bytes),
        cache_read=seen.cache_read,
        cache_write_5m=seen.cache_write_5m,
        cache_write_1h=seen.cache_write_1h,
        input_audio=seen.input_audio,
        input_image=seen.input_image,
        output=max(seen.output, tokens_of_text(reading.delivered)),
        output_audio=seen.output_audio,
        reasoning=seen.reasoning,
    )


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
    blank = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    parts = body.split(blank)
    whole = [part + blank for part in parts[:-1]]
    return [*whole, parts[-1]] if parts[-1] else whole


def data(event: bytes) -> dict[str, object] | None:
    """The JSON object in an event's data lines; None for `[DONE]`, comments and what is cut."""
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(_DATA)]
    return json_object(b"\n".join(lines)) if lines else None


def objects_in(stream: list[bytes]) -> Iterator[dict[str, object]]:
    """The JSON objects of a stream's events, in order."""
    for event in stream:
        parsed = data(event)
        if parsed is not None:
            yield parsed
