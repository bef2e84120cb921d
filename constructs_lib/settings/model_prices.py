"""Prices of a model: from the environment file, else from the vendored price table."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from constructs_lib.price_table import (
    CLAUDE_CACHE_WRITES,
    PricePeriod,
    PublishedPrice,
    complete_rates,
    fee_nano_usd,
    find_price,
    later_version,
    provider_at,
    similar_models,
)
from constructs_lib.price_table import version as table_version
from constructs_lib.settings.catalogue import (
    ModelSettings,
    PriceChangeSettings,
    PriceSettings,
    RateSettings,
    TierRateSettings,
)
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.validation_errors import KeyPath, SettingError, display
from lambda_src.contract import STANDARD_TIER, TOKEN_CLASSES
from lambda_src.core.dialects.flavours import FLAVOURS, flavour_at
from lambda_src.core.fees import request_kind
from lambda_src.core.pricing import usd

LOWEST_USD: Final = Decimal("0.0001")
"""Per million tokens. Every provider charges more."""

_SEARCH_MODEL: Final = re.compile(r"(^|/)sonar|-search-(preview|api)|(^|/)compound")
"""Models of OpenAI, Perplexity and Groq that search without being asked to."""

_CLAUDE: Final = re.compile("claude|anthropic")
"""Anthropic's models, also on Bedrock and behind OpenAI-compatible hosts, which bill cache writes as Anthropic does."""


@dataclass(frozen=True, slots=True)
class ModelPrices:
    """periods: by rising start; the first has none. max_input_tokens: context window; None: not in the price table.
    timeline: the same, after the table's periods that have ended while usage rows of their time are retained."""

    periods: tuple[PricePeriod, ...]
    timeline: tuple[PricePeriod, ...]
    max_input_tokens: int | None = None


def model_prices(environment: Environment, name: str) -> ModelPrices:
    """Prices of model `name` in an environment from `load`, which rejects models without prices."""
    prices = _find_prices(environment, name)
    if prices is None:
        raise LookupError(f'models."{name}" has no prices; load() rejects such a file')
    return prices


def _find_prices(environment: Environment, name: str) -> ModelPrices | None:
    model = environment.models[name]
    if model.free:
        free = PricePeriod({STANDARD_TIER: [{"above": 0, **dict.fromkeys(TOKEN_CLASSES, 0)}]}, "free")
        return ModelPrices((free,), (free,))
    if model.prices is not None:
        own = _own_period(environment.name, model.prices)
        now = ModelPrices((own,), (own,))
    else:
        price_list = _price_list(environment, model)
        price = find_price(price_list, model.upstream or name, _region(environment, model)) if price_list else None
        if price is None or _is_search_fee_missing(environment, name, price):
            return None
        now = ModelPrices(price.periods, _retained(environment, price.timeline), price.max_input_tokens)
    periods, timeline = (
        _with_own_changes(environment.name, found, model.price_changes) for found in (now.periods, now.timeline)
    )
    return replace(now, periods=periods, timeline=timeline)


def _retained(environment: Environment, timeline: tuple[PricePeriod, ...]) -> tuple[PricePeriod, ...]:
    """The periods without those that had ended, on the table's date, before the oldest usage rows that are kept."""
    days = environment.metering.usage_retention_days
    if days == 0:
        return timeline
    oldest = date.fromisoformat(table_version()[:10]) - timedelta(days=days)
    ended = sum(period.start is not None and period.start <= oldest for period in timeline[1:])
    return (replace(timeline[ended], start=None), *timeline[ended + 1 :])


def _with_own_changes(
    environment_name: str, periods: tuple[PricePeriod, ...], changes: tuple[PriceChangeSettings, ...]
) -> tuple[PricePeriod, ...]:
    """The periods that start before the first of `changes`, and those of `changes`."""
    kept = (period for period in periods if not changes or period.start is None or period.start < changes[0].start)
    return (*kept, *(_own_period(environment_name, change, change.start) for change in changes))


def _own_period(environment_name: str, prices: PriceSettings, start: date | None = None) -> PricePeriod:
    tiers = {STANDARD_TIER: _steps(prices)}
    tiers.update((tier, _steps(rates)) for tier, rates in sorted(prices.tiers.items()))
    fees: dict[str, int] = {kind: fee_nano_usd(usd) for kind, usd in sorted(prices.fees.items())}
    identified = {"tiers": tiers, "fees": fees} if fees else tiers
    digest = hashlib.sha256(json.dumps(identified, sort_keys=True).encode()).hexdigest()
    version = f"{environment_name}-{digest[:12]}"
    return PricePeriod(tiers, version if start is None else later_version(version, start), start, fees)


def _is_search_fee_missing(environment: Environment, name: str, price: PublishedPrice | None = None) -> bool:
    """Whether strict budgets would miss the fee of a model that searches the web in each request."""
    upstream = environment.models[name].upstream or name
    if environment.metering.estimate != "strict" or _SEARCH_MODEL.search(upstream.lower()) is None:
        return False
    return price is None or any(request_kind(period.fees) is None for period in price.periods)


def _region(environment: Environment, model: ModelSettings) -> str | None:
    """The AWS region of a model on Bedrock: prices differ by region."""
    provider = environment.providers[model.provider]
    return (provider.region or environment.aws.region) if provider.kind == "bedrock" else None


def _price_list(environment: Environment, model: ModelSettings) -> str | None:
    """The table's provider at the model's base_url: for the default URL the provider's kind, and for a host that is not
    well known, such as a proxy's, the provider of its flavour."""
    provider = environment.providers.get(model.provider)
    if provider is None:
        return None
    if provider.base_url is None:
        return provider.kind
    if provider.flavour is not None and flavour_at(provider.base_url) is None:
        return FLAVOURS[provider.flavour].price_list
    return provider_at(provider.base_url)


def _steps(rates: TierRateSettings) -> list[dict[str, int]]:
    longer = sorted(rates.long_context, key=lambda step: step.above)
    return [{"above": 0, **_rates(rates)}, *({"above": step.above, **_rates(step)} for step in longer)]


def _rates(rates: RateSettings) -> dict[str, int]:
    return complete_rates({token_class: getattr(rates, token_class) for token_class in TOKEN_CLASSES})


def price_errors(environment: Environment) -> Iterator[SettingError]:
    """Prices that are missing, contradictory or implausibly low."""
    for name, model in environment.models.items():
        if model.free and (model.prices is not None or model.price_changes):
            yield SettingError(("models", name, "free"), "true", "free = true or prices", "remove one of them")
            continue
        if model.provider not in environment.providers:
            continue  # another check reports the provider; the price list depends on it
        if _find_prices(environment, name) is None:
            yield _missing_price(environment, name, model)
        for key_path, prices in _own_prices(name, model):
            kind = environment.providers[model.provider].kind
            if kind == "anthropic" or _CLAUDE.search((model.upstream or name).lower()):
                yield from _cache_write_errors(key_path, prices)
            yield from _unit_errors(key_path, prices)
            yield from _duplicate_step_errors(key_path, prices)
        yield from _order_errors(name, model)


def _own_prices(name: str, model: ModelSettings) -> Iterator[tuple[KeyPath, PriceSettings]]:
    """The file's prices of a model, each with its place."""
    if model.prices is not None:
        yield ("models", name, "prices"), model.prices
    for index, change in enumerate(model.price_changes):
        yield ("models", name, "price_changes", index), change


def _order_errors(name: str, model: ModelSettings) -> Iterator[SettingError]:
    for index, (before, change) in enumerate(pairwise(model.price_changes), 1):
        if change.start <= before.start:
            yield SettingError(
                ("models", name, "price_changes", index, "from"),
                str(change.start),
                f"a date after {before.start}, the first day of the change before it",
                "sort the changes by date, each date once",
            )


def _missing_price(environment: Environment, name: str, model: ModelSettings) -> SettingError:
    if _is_search_fee_missing(environment, name):
        return SettingError(
            ("models", name, "prices"),
            None,
            "prices in USD per million tokens; the price table has none, because the model charges a fee per search",
            'add prices = { input = "0.25", output = "2.00" } that cover the fee, or set metering.estimate = "typical"',
        )
    price_list, base_url = _price_list(environment, model), environment.providers[model.provider].base_url
    if price_list is None and base_url is not None:
        return _unknown_price_list(environment, name, model, base_url)
    similar = similar_models(price_list, model.upstream or name) if price_list else []
    hint = f"; did you mean upstream = {' or '.join(json.dumps(model) for model in similar)}?" if similar else ""
    return SettingError(
        ("models", name, "prices"),
        None,
        "prices in USD per million tokens, or a provider and upstream that are in the vendored price table",
        'add prices = { input = "0.25", output = "2.00" }, or free = true if it costs nothing' + hint,
    )


def _unknown_price_list(environment: Environment, name: str, model: ModelSettings, base_url: str) -> SettingError:
    """For a provider at a URL that the price table does not know, such as a proxy."""
    kind = environment.providers[model.provider].kind
    public = find_price(kind, model.upstream or name)
    fix = 'add prices = { input = "0.25", output = "2.00" }, or free = true if it costs nothing'
    if public is not None:
        rates = public.periods[0].tiers[STANDARD_TIER][0]
        fix = (
            f'add the prices at this URL; at the public API of {kind} they start at input = "{usd(rates["input"])}", '
            f'output = "{usd(rates["output"])}"'
        )
    return SettingError(
        ("models", name, "prices"),
        None,
        f"prices in USD per million tokens: the vendored price table has none for {display(base_url)}, the base_url of "
        f"providers.{model.provider}",
        fix,
    )


def _cache_write_errors(key_path: KeyPath, prices: PriceSettings) -> Iterator[SettingError]:
    for token_class, factor in CLAUDE_CACHE_WRITES.items():
        if getattr(prices, token_class) is None:
            yield SettingError(
                (*key_path, token_class),
                None,
                "a price: Anthropic's is higher than that of plain input (1.25 and 2 times, as of 2026)",
                f'add it from Anthropic\'s price list, or {token_class} = "{(prices.input * factor).normalize():f}"',
            )


def _unit_errors(key_path: KeyPath, prices: PriceSettings) -> Iterator[SettingError]:
    """Prices per token, as LiteLLM states them: budgets would last a million times as long."""
    for token_class in TOKEN_CLASSES:
        usd = getattr(prices, token_class)
        if usd is not None and 0 < usd < LOWEST_USD:
            yield SettingError(
                (*key_path, token_class),
                f"{usd:f}",
                f"USD per million tokens: 0, or at least {LOWEST_USD}",
                f"if this is a price per token, write {(usd * 1_000_000).normalize():f}",
            )


def _duplicate_step_errors(key_path: KeyPath, prices: PriceSettings) -> Iterator[SettingError]:
    thresholds: set[int] = set()
    for index, step in enumerate(prices.long_context):
        if step.above in thresholds:
            yield SettingError(
                (*key_path, "long_context", index, "above"),
                str(step.above),
                "each threshold once",
                "remove one of the two, or correct it",
            )
        thresholds.add(step.above)
