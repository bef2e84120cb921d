"""Published prices of AI models, from the vendored table `prices.json`, which `make prices` regenerates."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lambda_src.contract import NANO_PER_USD, TOKEN_CLASSES

_TABLE: Final = Path(__file__).with_name("prices.json")

FALLBACK: Final = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_1h": "cache_write_5m",
    "input_audio": "input",
    "input_image": "input",
    "output_audio": "output",
}
"""Token class → the class whose price applies if it has none of its own."""


Tiers = Mapping[str, list[dict[str, int]]]
"""Service tier (`standard`; also `batch`, `flex`, `priority` and `fast` if offered) → rates by rising `above`, the
number of input tokens above which they apply to the whole request. Rates are in nano-USD per million tokens and contain
every token class."""


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """Prices of a model until the next period starts.

    start: the first day, from midnight UTC; None: no start. version: what usage rows call these prices. fees: nano-USD
    per call of what the provider runs beside the model, by kind (lambda_src/core/fees.py).
    """

    tiers: Tiers
    version: str
    start: date | None = None
    fees: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublishedPrice:
    """A provider's price of a model.

    model: the table's name of it. periods: the prices in force on the table's date, which have no start, then those
    that the provider has announced for later. max_input_tokens: context window; None: unknown. ended: the prices before
    `since`, by rising start, the first without; empty: none are known, and `since` is None.
    """

    provider: str
    model: str
    periods: tuple[PricePeriod, ...]
    max_input_tokens: int | None
    ended: tuple[PricePeriod, ...] = ()
    since: date | None = None

    @property
    def timeline(self) -> tuple[PricePeriod, ...]:
        """All periods by rising start. The first has none."""
        return (*self.ended, replace(self.periods[0], start=self.since), *self.periods[1:])


CLAUDE_CACHE_WRITES: Final = {"cache_write_5m": Decimal("1.25"), "cache_write_1h": Decimal(2)}
"""Claude's cache writes cost this many times the price of input, on every provider."""
PEAK: Final = "/peak"
"""In versions of prices that are those of peak hours, which apply all day."""


def find_price(provider: str, upstream_model: str, region: str | None = None) -> PublishedPrice | None:
    """The price of the model that `provider` calls `upstream_model`, or None if the table has none.

    provider: one of `providers()`. `openai` is OpenAI's own price list, not that of a compatible API: see
    `provider_at`. Dated names, aliases, and Bedrock's model ids, inference profiles and ARNs are recognized. region:
    AWS region of the request, for Bedrock's models that cost something else there than in the US.
    """
    for name in _names(upstream_model.lower(), region):
        model = next((model for model in _models(provider) if matches(model["match"], name)), None)
        if model is not None:
            # The table contains models without prices, because token classes cannot express them.
            return _price(provider, model) if model["prices"] else None
    return None


def _names(name: str, region: str | None) -> list[str]:
    """Names that stand for `name` in the table, the most specific first."""
    if name.startswith("arn:"):
        name = name.rpartition("/")[2]
    name = name.removeprefix("models/")  # as Gemini's own list of models writes it
    profile, _, rest = name.partition(".")
    if profile == "us-gov":
        return [name, *(f"us-gov-{side}-1/{rest}" for side in ("west", "east"))]
    if region is None:
        return [name]
    profiles = next((found for start, found in _PROFILES.items() if region.startswith(start)), ())
    names = [f"{region}/{name}", *(f"{profile}.{name}" for profile in profiles)]
    return names if region.startswith("us-gov-") else [*names, name]


_PROFILES: Final = {
    "us-gov-": ("us-gov",),
    "eu-": ("eu",),
    "ap-northeast-": ("jp", "apac"),
    "ap-southeast-2": ("au", "apac"),
    "ap-southeast-4": ("au", "apac"),
    "ap-": ("apac",),
}
"""Start of a region outside the US → the inference profiles there. Their prices are those of the region too."""


def all_prices(provider: str) -> list[PublishedPrice]:
    """Every price of `provider`."""
    return [_price(provider, model) for model in _models(provider) if model["prices"]]


def providers() -> list[str]:
    """Names of the providers in the table."""
    return list(_table()["providers"])


def provider_at(base_url: str) -> str | None:
    """The provider whose API is at `base_url`, or None if the table has none."""
    for name, section in _table()["providers"].items():
        if re.match(section["api"], base_url):
            return str(name)
    return None


def similar_models(provider: str, upstream_model: str) -> list[str]:
    """Up to three models with prices whose names resemble `upstream_model`, the most similar first."""
    # `regional.` stands for several inference profiles; Bedrock has no such prefix.
    names = dict.fromkeys(price.model.removeprefix("regional.") for price in all_prices(provider))
    close = difflib.get_close_matches(upstream_model.lower(), names, n=6)
    return [name for name in close if find_price(provider, name)][:3]


def version() -> str:
    """Date and sources of the table: `2026-11-26/genai-prices-0.2.3/litellm-1.110.2`."""
    return str(_table()["version"])


def later_version(version: str, start: date) -> str:
    """What usage rows call prices that start after those called `version`: `2026-11-23/…/from-2027-01-01`."""
    return f"{version}/from-{start.isoformat()}"


def complete_rates(usd: Mapping[str, Decimal | None]) -> dict[str, int]:
    """Nano-USD of every token class, from USD of those with a price of their own; both per million tokens.

    Raises ValueError for a price with more than nine decimals.
    """
    rates: dict[str, int] = {}
    for token_class in TOKEN_CLASSES:
        price = usd[token_class]
        rates[token_class] = rates[FALLBACK[token_class]] if price is None else nano_usd(price)
    return rates


def nano_usd(usd: Decimal) -> int:
    """`usd` in nano-USD. Raises ValueError if that is not a whole number."""
    nano = usd * NANO_PER_USD
    if nano != nano.to_integral_value():
        raise ValueError(f"${usd} per million tokens is not a whole number of nano-USD; use at most nine decimals")
    return int(nano)


def fee_nano_usd(usd: Decimal) -> int:
    """Nano-USD per call, from USD per 1,000 calls. Raises ValueError if that is not a whole number."""
    nano = usd * NANO_PER_USD / 1_000
    if nano != nano.to_integral_value():
        raise ValueError(f"${usd} per 1,000 calls is not a whole number of nano-USD; use at most six decimals")
    return int(nano)


def _price(provider: str, model: Mapping[str, Any]) -> PublishedPrice:
    periods = tuple(_period(period) for period in model["prices"])
    ended = tuple(_period(period) for period in model.get("ended", ()))
    since = date.fromisoformat(model["since"]) if ended else None
    return PublishedPrice(provider, model["id"], periods, model["max_input_tokens"], ended, since)


def _period(period: Mapping[str, Any]) -> PricePeriod:
    """A period of the table. The version says if its prices are those of peak hours, which apply all day."""
    name = f"{version()}{PEAK}" if period.get("peak") else version()
    tiers = {tier: [_completed(step) for step in steps] for tier, steps in period["tiers"].items()}
    start = None if period["from"] is None else date.fromisoformat(period["from"])
    if start is not None:
        name = later_version(name, start)
    return PricePeriod(tiers, period.get("version", name), start, period.get("fees", {}))


def _completed(step: Mapping[str, int]) -> dict[str, int]:
    """The rates of a step with every token class; the table omits those that cost what their fallback costs."""
    rates = {"above": step["above"]}
    for token_class in TOKEN_CLASSES:
        rates[token_class] = step[token_class] if token_class in step else rates[FALLBACK[token_class]]
    return rates


def _models(provider: str) -> list[dict[str, Any]]:
    section = _table()["providers"].get(provider)
    return section["models"] if section is not None else []


def names(provider: str) -> list[str]:
    """Every exact name in the table, and the name of each model that other clauses recognize."""
    return list(
        dict.fromkeys(name for model in _models(provider) for name in (model["id"], *exact_names(model["match"])))
    )


def exact_names(clause: Mapping[str, Any]) -> list[str]:
    """The names that `clause` lists in full."""
    clauses = clause.get("or", [clause])
    return [str(item["equals"]) for item in clauses if "equals" in item]


def reload() -> None:
    """Read the table again."""
    _table.cache_clear()


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return parsed


_MATCHERS: Final[dict[str, Callable[[Any, str], bool]]] = {
    "equals": lambda value, name: name == value.lower(),
    "starts_with": lambda value, name: name.startswith(value.lower()),
    "ends_with": lambda value, name: name.endswith(value.lower()),
    "contains": lambda value, name: value.lower() in name,
    "regex": lambda value, name: re.search(value, name) is not None,
    "or": lambda value, name: any(matches(clause, name) for clause in value),
    "and": lambda value, name: all(matches(clause, name) for clause in value),
}


def matches(clause: Mapping[str, Any], name: str) -> bool:
    """Whether a clause of the table recognizes `name`, which is in lower case."""
    ((kind, value),) = clause.items()
    return _MATCHERS[kind](value, name)
