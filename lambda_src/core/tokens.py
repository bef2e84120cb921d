"""Token counts in disjoint classes, and safe readers for values in a provider's JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final


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

    def limited(self, max_input: int, max_output: int) -> Tokens:
        """These tokens, of which the cheapest are left out until input and output are within their maxima."""
        kept = {member.name: int(getattr(self, member.name)) for member in fields(self)}
        for names, excess in (
            (_INPUT_BY_PRICE, self.total_input - max_input),
            (("output", "output_audio"), self.total_output - max_output),
        ):
            for name in names:
                removed = max(0, min(excess, kept[name]))
                kept[name] -= removed
                excess -= removed
        kept["reasoning"] = min(kept["reasoning"], kept["output"])
        return Tokens(**kept)


_INPUT_BY_PRICE: Final = ("cache_read", "input", "cache_write_5m", "input_image", "cache_write_1h", "input_audio")
"""Input classes, the cheapest first."""


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """Usage, model and service tier as a provider's response reports them.

    has_input, has_output: whether the count of the input, and that of the output, is final. If not, `tokens` has what
        was counted until then.
    doubtful: whether counts are garbled or contradict each other; `tokens` is then the reading that costs more.
    total: the total that the provider states; 0: none.
    service_tier: None if the response does not name it.
    raw: the provider's usage object, unchanged, for the usage row.
    others: tokens of other models that worked on the response, by the provider's name for the model.
    calls: calls of tools that the provider ran, by kind of fee. search_size: how much the provider searched, if it
        charges by that.
    """

    tokens: Tokens = Tokens()
    has_input: bool = False
    has_output: bool = False
    doubtful: bool = False
    total: int = 0
    model: str | None = None
    service_tier: str | None = None
    raw: dict[str, object] | None = None
    others: tuple[tuple[str | None, Tokens], ...] = ()
    calls: Mapping[str, int] = field(default_factory=dict)
    search_size: str | None = None

    @property
    def reported(self) -> bool:
        """Whether the provider's counts are complete and consistent, so that they are charged as they are."""
        return self.has_input and self.has_output and not self.doubtful

    def with_delivered(self, delivered_bytes: int) -> ReportedUsage:
        """This usage, of which an output of 0 tokens is no count if text was delivered."""
        if self.has_output and delivered_bytes and not self.tokens.total_output:
            return replace(self, has_output=False)
        return self


MAX_COUNT: Final = 1_000_000_000
"""No request uses more tokens."""


def read_count(value: object) -> tuple[int | None, bool]:
    """A token count from a provider's JSON, and whether it is garbled.

    None: there is no count, or none that could be meant. Strings of digits, fractions and numbers beyond `MAX_COUNT`
    are garbled and can still be read.
    """
    if value is None:
        return None, False
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_COUNT)):
        return int(value), True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, True
    if value < 0 or (isinstance(value, float) and not math.isfinite(value)):
        return None, True
    count = math.ceil(min(value, MAX_COUNT))
    return count, count != value


def name_or_none(value: object) -> str | None:
    """A model or tier name from a provider's JSON, truncated to 200 characters; None if not a printable string."""
    return value[:200] if isinstance(value, str) and value.isprintable() else None


def as_object(value: object) -> dict[str, object]:
    """`value` if it is a JSON object, else an empty object."""
    return value if isinstance(value, dict) else {}
