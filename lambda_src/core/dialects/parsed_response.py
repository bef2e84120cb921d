"""The facts of a provider's response that determine its cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from lambda_src.core.dialects.parsed_request import MEDIA_TYPE, JsonObject
from lambda_src.core.dialects.response_body import BodyReader
from lambda_src.core.tokens import ReportedUsage, Tokens

BYTES_PER_TOKEN = 4
"""Of ordinary text. Used only if the provider reports no count."""


@dataclass(slots=True)
class ParsedResponse:
    """A response, as far as it was received.

    usage: the provider's counts.
    delivered_bytes: bytes of generated text that were received, from which missing output is estimated.
    body: what the caller gets and has not got yet. failed: the response is truncated, or the stream lacks its end.
    media_type: of what was received, by its bytes; None: it is neither JSON nor an event stream.
    error: the error that the response states, whatever its HTTP status; None: none.
    unbilled: the provider does not bill the response.
    """

    usage: ReportedUsage
    delivered_bytes: int
    body: bytes
    failed: bool = False
    media_type: str | None = MEDIA_TYPE
    error: object = None
    unbilled: bool = False

    @property
    def failed_before_output(self) -> bool:
        """Whether the response is an error without any output or final count, which providers do not bill."""
        counted = self.usage.reported or (self.usage.has_output and self.usage.tokens.total > 0)
        return self.error is not None and not self.delivered_bytes and not counted


class ResponseFacts(Protocol):
    """What the parts of a response state. found: whether any part could be read. error: the error that they state."""

    found: bool
    error: object

    def read(self, kind: str, document: JsonObject) -> bool:
        """Read a document: a whole response, or an event of a stream. Returns whether the caller must not get it.

        kind: the event's type in binary streams.
        """

    def parsed(self, body: BodyReader, rest: bytes, complete: bool) -> ParsedResponse:
        """The response, with the rest of its body. complete: False if it was truncated."""


def estimate_tokens(size: int) -> int:
    """The usual number of tokens in `size` bytes of text; at least 1, so that a missing count never means 0."""
    return max(1, -(-size // BYTES_PER_TOKEN))


def tokens_to_charge(response: ParsedResponse, typical_input: int, input_bound: int, output_bound: int) -> Tokens:
    """The reported tokens. If they are incomplete or doubtful: those read so far, with the missing input and output
    estimated, within what the request allowed.

    typical_input: estimate of the input. input_bound, output_bound: the most that the request allowed.
    """
    usage, tokens = response.usage, response.usage.tokens
    if usage.reported:
        return tokens
    if not usage.has_input:
        rest = usage.total - tokens.total_output if usage.has_output else 0
        tokens = replace(tokens, input=tokens.input + max(0, max(typical_input, rest) - tokens.total_input))
    if not usage.has_output:
        estimated = min(estimate_tokens(response.delivered_bytes), output_bound)
        rest = usage.total - tokens.total_input - tokens.output_audio
        tokens = replace(tokens, output=max(tokens.output, estimated, rest))
    return tokens.limited(input_bound, output_bound)


_NOT_TEXT = frozenset(
    {"id", "type", "role", "status", "object", "format", "signature", "data", "finish_reason", "call_id"}
)
"""Fields whose strings are not generated text."""


def unreadable(body: bytes, complete: bool) -> ParsedResponse:
    """A response that is neither JSON nor an event stream, all of which counts as generated text."""
    return ParsedResponse(ReportedUsage(), len(body), body, failed=not complete, media_type=None)


def text_size(value: object) -> int:
    """Bytes of generated text in a part of a response, at any depth."""
    size, pending = 0, [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            size += len(part) if part.isascii() else len(part.encode(errors="surrogatepass"))
        elif isinstance(part, dict):
            for name, inner in part.items():
                if name not in _NOT_TEXT:
                    pending.append(inner)
        elif isinstance(part, list):
            pending.extend(part)
    return size
