"""Token counts in disjoint classes: what a provider reported, read once, priced once."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by class; the classes of `contract.TOKEN_CLASSES` are disjoint, so their sum is what was used.

    reasoning is information about `output` (it lies inside) and is never added to anything.
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
        """All input, cached or not: what long-context thresholds are compared with."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.input_audio
            + self.input_image
        )

    @property
    def total_output(self) -> int:
        """All output, reasoning included."""
        return self.output + self.output_audio

    @property
    def total(self) -> int:
        """What counts against tokens per minute."""
        return self.total_input + self.total_output

    def plus(self, other: Tokens) -> Tokens:
        """Both together."""
        return Tokens(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """What a provider's answer says of itself.

    reported: the provider's own count is complete; otherwise `tokens` holds what could be read before a cut.
    service_tier: as the answer names it; None where it does not.
    raw: the provider's usage object as it came, kept on the usage row.
    """

    tokens: Tokens
    reported: bool
    model: str | None = None
    service_tier: str | None = None
    raw: dict[str, object] | None = None


_MOST = 1_000_000_000
"""No request uses more tokens; a number beyond it is garbage, and garbage is estimated, not charged."""


def count(value: object) -> int:
    """A token count out of a provider's JSON: anything but a positive whole number counts as 0."""
    return count_or_none(value) or 0


def count_or_none(value: object) -> int | None:
    """A token count out of a provider's JSON, 0 included; None for anything that is no count."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None


def name_or_none(value: object) -> str | None:
    """A model's or tier's name out of a provider's JSON, short enough to keep; None for anything else."""
    return value[:200] if isinstance(value, str) and value.isprintable() else None


def as_object(value: object) -> dict[str, object]:
    """`value` where it is a JSON object, else an empty one: answers are read without trusting their shape."""
    return value if isinstance(value, dict) else {}
