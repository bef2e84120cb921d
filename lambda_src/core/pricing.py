"""Exact prices: integers in, integers out, one rounding per request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lambda_src.contract import STANDARD_TIER, TOKEN_CLASSES, TOKENS_PER_PRICE
from lambda_src.core.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices that hold for the whole of a request with more than `above` input tokens.

    per_class: nano-USD per `TOKENS_PER_PRICE` tokens, for every class.
    """

    above: int
    per_class: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Prices:
    """A model's prices: service tier → rates by rising `above`, the first of which is 0."""

    tiers: Mapping[str, tuple[Rates, ...]]

    def rates(self, service_tier: str, total_input: int) -> Rates:
        """The rates in force for a request of `total_input` tokens; KeyError for a tier without prices."""
        chosen, *longer = self.tiers[service_tier]
        for rates in longer:
            if total_input > rates.above:
                chosen = rates
        return chosen

    def cost(self, tokens: Tokens, service_tier: str = STANDARD_TIER) -> int:
        """Nano-USD for `tokens`: the exact sum, rounded half up once."""
        per_class = self.rates(service_tier, tokens.total_input).per_class
        return rounded(sum(getattr(tokens, name) * per_class[name] for name in TOKEN_CLASSES))

    def bound(
        self,
        service_tiers: Iterable[str],
        most_input: int,
        input_classes: Iterable[str],
        most_output: int,
        output_classes: Iterable[str],
    ) -> int:
        """The most a request can cost, in nano-USD, rounded up.

        All of `most_input` tokens may fall into the dearest of `input_classes`, all output into the dearest of
        `output_classes`, at the rates of any context length that `most_input` can reach, in any of `service_tiers`.
        """
        dearest = 0
        for tier in service_tiers:
            for rates in self.tiers[tier]:
                if rates.above == 0 or rates.above < most_input:
                    price_in = max(rates.per_class[name] for name in input_classes)
                    price_out = max(rates.per_class[name] for name in output_classes)
                    dearest = max(dearest, most_input * price_in + most_output * price_out)
        return -(-dearest // TOKENS_PER_PRICE)


def rounded(total: int) -> int:
    """`total` (nano-USD × `TOKENS_PER_PRICE`) in nano-USD, rounded half up."""
    return (total + TOKENS_PER_PRICE // 2) // TOKENS_PER_PRICE


def usd(nano: int) -> str:
    """Nano-USD as a plain decimal of dollars without trailing zeros: 60_000 → "0.00006"."""
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    whole, fraction = divmod(nano, 1_000_000_000)
    text = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{text}" if text else f"{sign}{whole}"
