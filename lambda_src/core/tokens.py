"""Token counts in disjoint classes, and safe readers for values in a provider's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by class. The classes of `contract.TOKEN_CLASSES` are disjoint, so their sum is the total.

    reasoning: part of `output`, for information only; never added to a sum.
    """

    input: int = field(default=0, metadata={"meaning": "input tokens not read from or written to a cache"})
    cache_read: int = field(default=0, metadata={"meaning": "input tokens read from a cache"})
    cache_write_5m: int = field(default=0, metadata={"meaning": "input tokens written to a cache for five minutes"})
    cache_write_1h: int = field(default=0, metadata={"meaning": "input tokens written to a cache for an hour"})
    input_audio: int = field(default=0, metadata={"meaning": "audio input tokens"})
    input_image: int = field(default=0, metadata={"meaning": "image input tokens"})
    output: int = field(default=0, metadata={"meaning": "output tokens, including reasoning"})
    output_audio: int = field(default=0, metadata={"meaning": "audio output tokens"})
    reasoning: int = field(default=0, metadata={"meaning": "reasoning tokens, part of the output tokens"})

    @property
    def total_input(self) -> int:
        """All input tokens, cached or not; long-context thresholds apply to this number."""
        cached = self.cache_read + self.cache_write_5m + self.cache_write_1h
        return self.input + cached + self.input_audio + self.input_image

    @property
    def total_output(self) -> int:
        """All output tokens, including reasoning."""
        return self.output + self.output_audio

    @property
    def total(self) -> int:
        """The number that counts against tokens per minute."""
        return self.total_input + self.total_output

    def __add__(self, other: Tokens) -> Tokens:
        names = [member.name for member in fields(self)]
        return Tokens(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """Usage, model and service tier as a provider's response reports them.

    reported: whether the provider's count is complete; if not, `tokens` has the counts before the truncation.
    service_tier: None if the response does not name it.
    raw: the provider's usage object, unchanged, for the usage row.
    """

    tokens: Tokens
    reported: bool
    model: str | None = None
    service_tier: str | None = None
    raw: dict[str, object] | None = None


_MAX_COUNT = 1_000_000_000
"""No request uses more tokens. A larger number is invalid, so usage is estimated instead."""


def count(value: object) -> int:
    """`count_or_none`, with 0 for invalid counts."""
    return count_or_none(value) or 0


def count_or_none(value: object) -> int | None:
    """A token count from a provider's JSON; None if it is not a whole number from 0 to `_MAX_COUNT`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT else None


def name_or_none(value: object) -> str | None:
    """A model or tier name from a provider's JSON, truncated to 200 characters; None if not a printable string."""
    return value[:200] if isinstance(value, str) and value.isprintable() else None


def as_object(value: object) -> dict[str, object]:
    """`value` if it is a JSON object, else an empty object."""
    return value if isinstance(value, dict) else {}
