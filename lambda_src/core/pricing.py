"""Prices and costs in integer nano-USD, rounded once per request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lambda_src.contract import STANDARD_TIER, TOKEN_CLASSES, TOKENS_PER_PRICE
from lambda_src.core.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices that apply to an entire request if it has more than `above` input tokens.

    per_class: nano-USD per `TOKENS_PER_PRICE` tokens, for every token class.
    """

    above: int
    per_class: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Prices:
    """A model's prices. tiers: rates by service tier, in order of `above`, which starts at 0. fees: nano-USD per call,
    by kind (lambda_src/core/fees.py)."""

    tiers: Mapping[str, tuple[Rates, ...]]
    fees: Mapping[str, int] = field(default_factory=dict)

    def rates(self, service_tier: str, total_input: int) -> Rates:
        """The rates for a request of `total_input` tokens. KeyError if the service tier has no prices."""
        chosen, *longer = self.tiers[service_tier]
        for rates in longer:
            if total_input > rates.above:
                chosen = rates
        return chosen

    def cost(self, tokens: Tokens, service_tier: str = STANDARD_TIER) -> int:
        """Cost of `tokens` in nano-USD: the exact sum, rounded half up once."""
        return rounded(self.exact_cost(tokens, service_tier))

    def exact_cost(self, tokens: Tokens, service_tier: str) -> int:
        """The sum of tokens × price, which `rounded` turns into nano-USD."""
        per_class = self.rates(service_tier, tokens.total_input).per_class
        return sum(getattr(tokens, name) * per_class[name] for name in TOKEN_CLASSES)

    def bound(
        self,
        service_tiers: Iterable[str],
        max_input: int,
        input_classes: Iterable[str],
        max_output: int,
        output_classes: Iterable[str],
    ) -> int:
        """The highest possible cost of a request in nano-USD, rounded up.

        It prices all input at the most expensive of `input_classes` and all output at the most expensive of
        `output_classes`, in any of `service_tiers`, at the rates of any context length up to `max_input`.
        """
        highest = 0
        for tier in service_tiers:
            for rates in self.tiers[tier]:
                if rates.above == 0 or rates.above < max_input:
                    input_price = max(rates.per_class[name] for name in input_classes)
                    output_price = max(rates.per_class[name] for name in output_classes)
                    highest = max(highest, max_input * input_price + max_output * output_price)
        return -(-highest // TOKENS_PER_PRICE)


def rounded(total: int) -> int:
    """`total`, a sum of tokens × price, in nano-USD, rounded half up."""
    return (total + TOKENS_PER_PRICE // 2) // TOKENS_PER_PRICE


def usd(nano: int) -> str:
    """Nano-USD as a decimal number of USD without trailing zeros: 60_000 → "0.00006"."""
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    whole, fraction = divmod(nano, 1_000_000_000)
    text = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{text}" if text else f"{sign}{whole}"
