"""Prices as a source lists them, before the sources are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_UP, Decimal
from typing import Any, Final

from constructs_lib.price_table import CLAUDE_CACHE_WRITES, complete_rates
from lambda_src.contract import STANDARD_TIER, TOKEN_CLASSES

Usd = dict[str, Decimal]
"""Token class → USD per million tokens, for the classes that the source states."""


@dataclass(frozen=True, slots=True)
class Step:
    """Prices of requests with more than `above` input tokens."""

    above: int
    usd: Usd


Tiers = Mapping[str, tuple[Step, ...]]
"""Service tier → steps by rising `above`."""


@dataclass(frozen=True, slots=True)
class Period:
    """Prices from `start` on; None: since ever. peak: prices of peak hours, which the table applies all day. fees: USD
    per 1,000 calls, by kind. version: what usage rows call them; "": the table's version."""

    tiers: Tiers
    start: date | None = None
    peak: bool = False
    fees: Usd = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A model in a source.

    match: the clause of `price_table` for its names. window: largest input in tokens; None: unknown. periods: by rising
    start; empty if prices by token class would charge too little or nothing. reason: then, why. ended: periods before
    those, by rising start. since: the first day of `periods`; None: no period has ended.
    """

    name: str
    match: Mapping[str, Any]
    window: int | None
    periods: tuple[Period, ...] = ()
    reason: str = ""
    ended: tuple[Period, ...] = ()
    since: date | None = None

    def without_unreachable_steps(self) -> Listed:
        """Without steps that start at the context window: no request is that long."""
        if self.window is None:
            return self
        periods, ended = (
            tuple(_reachable(period, self.window) for period in found) for found in (self.periods, self.ended)
        )
        return replace(self, periods=periods, ended=ended)

    def with_whole_cache_writes(self) -> Listed:
        """Gemini's model on OpenRouter, which charges "the input token cost plus 5 minutes of cache storage" for a
        cache write (https://openrouter.ai/docs/features/prompt-caching) and lists the storage."""
        if "google/" not in self.name:
            return self
        periods, ended = (tuple(map(_with_whole_cache_writes, found)) for found in (self.periods, self.ended))
        return replace(self, periods=periods, ended=ended)

    def rates(self, step: Step) -> dict[str, int]:
        """Nano-USD of every token class."""
        usd: dict[str, Decimal | None] = {name: step.usd.get(name) for name in TOKEN_CLASSES}
        if "claude" in str(self.match):
            for name, factor in CLAUDE_CACHE_WRITES.items():
                usd[name] = step.usd.get(name, step.usd["input"] * factor)
        return complete_rates(usd)


def _with_whole_cache_writes(period: Period) -> Period:
    def whole(usd: Usd) -> Usd:
        storage = usd.get("cache_write_5m")
        return usd if storage is None or storage >= usd["input"] else {**usd, "cache_write_5m": usd["input"] + storage}

    tiers = {tier: tuple(Step(step.above, whole(step.usd)) for step in steps) for tier, steps in period.tiers.items()}
    return replace(period, tiers=tiers)


def _reachable(period: Period, window: int) -> Period:
    tiers = {tier: tuple(step for step in steps if step.above < window) for tier, steps in period.tiers.items()}
    return replace(period, tiers=tiers)


LISTS: Final = {
    "anthropic": ("anthropic", ("anthropic",)),
    "azure": ("azure", ("azure", "azure_ai", "azure_text")),
    "bedrock": ("aws", ("bedrock", "bedrock_converse")),
    "cerebras": ("cerebras", ("cerebras",)),
    "deepseek": ("deepseek", ("deepseek",)),
    "fireworks": ("fireworks", ("fireworks_ai", "fireworks_ai-embedding-models")),
    "google": ("google", ("gemini",)),
    "groq": ("groq", ("groq",)),
    "mistral": ("mistral", ("mistral",)),
    "moonshotai": ("moonshotai", ("moonshot",)),
    "openai": ("openai", ("openai", "text-completion-openai")),
    "openrouter": ("openrouter", ("openrouter",)),
    "perplexity": ("perplexity", ("perplexity",)),
    "together": ("together", ("together_ai",)),
    "x-ai": ("x-ai", ("xai",)),
}
"""Our name of a price list → the name in genai-prices, and the names of `litellm_provider` in LiteLLM's map. All lists
but those of `anthropic` and `bedrock` are of OpenAI-compatible APIs."""


def rates_above(steps: Iterable[Step], above: int) -> Usd:
    """The prices of requests with more than `above` input tokens."""
    applicable: Usd = {}
    for step in steps:
        if step.above <= above:
            applicable = step.usd
    return applicable


def scaled(usd: Usd, factor: Decimal) -> Usd:
    """The prices times `factor`, rounded up to whole nano-USD."""
    return {name: (value * factor).quantize(Decimal("1e-9"), ROUND_UP) for name, value in usd.items()}


def usd_text(usd: Decimal) -> str:
    """`usd` without trailing zeros: 2.50 is 2.5."""
    return f"{usd.normalize():f}"


def with_extras(later: Tiers, now: Tiers, combined: Tiers) -> dict[str, tuple[Step, ...]]:
    """The tiers of another period `later`, with those that only `combined` has, of today: they rise like standard
    input."""
    before, after = now[STANDARD_TIER][0].usd["input"], later[STANDARD_TIER][0].usd["input"]
    extras = {
        tier: tuple(Step(step.above, scaled(step.usd, after / before)) for step in steps)
        for tier, steps in combined.items()
        if tier not in now and tier not in later
    }
    return {**later, **extras}
