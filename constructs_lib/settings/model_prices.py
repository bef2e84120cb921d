"""What a model costs: its own prices from the environment file, else the vendored table's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from constructs_lib.price_table import nearest, published, seller
from constructs_lib.settings.catalogue import ModelSettings, PriceSettings, RateSettings, TierRateSettings
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.validation_errors import SettingError
from lambda_src.contract import NANO_PER_USD, STANDARD_TIER, TOKEN_CLASSES

LEAST_USD: Final = Decimal("0.0001")
"""Per million tokens; no provider's price is as low."""

Tiers = Mapping[str, list[dict[str, int]]]
"""Service tier → rates by rising `above`; nano-USD per million tokens by token class."""


@dataclass(frozen=True, slots=True)
class ModelPrices:
    """A model's prices, the version that usage rows name, and its context window where the table knows it."""

    tiers: Tiers
    version: str
    max_input_tokens: int | None = None


def tariff(environment: Environment, name: str) -> ModelPrices | None:
    """Prices of model `name`; None: nobody has stated any."""
    model = environment.models[name]
    if model.free:
        return ModelPrices({STANDARD_TIER: [{"above": 0, **dict.fromkeys(TOKEN_CLASSES, 0)}]}, "free")
    if model.prices is None:
        return _published(environment, name)
    tiers = {STANDARD_TIER: _steps(model.prices)}
    tiers.update((tier, _steps(rates)) for tier, rates in sorted(model.prices.tiers.items()))
    digest = hashlib.sha256(json.dumps(tiers, sort_keys=True).encode()).hexdigest()
    return ModelPrices(tiers, f"{environment.name}-{digest[:12]}")


def _published(environment: Environment, name: str) -> ModelPrices | None:
    model, seller_name = environment.models[name], _seller(environment, name)
    price = published(seller_name, model.upstream or name) if seller_name else None
    return ModelPrices(price.tiers, price.version, price.max_input_tokens) if price else None


def _seller(environment: Environment, name: str) -> str | None:
    """Whose price list holds: that of the host which is called, not of the dialect it speaks."""
    provider = environment.providers.get(environment.models[name].provider)
    if provider is None:
        return None
    return provider.kind if provider.base_url is None else seller(provider.base_url)


def _steps(rates: TierRateSettings) -> list[dict[str, int]]:
    longer = sorted(rates.long_context, key=lambda each: each.above)
    return [{"above": 0, **_classes(rates)}] + [{"above": each.above, **_classes(each)} for each in longer]


def _classes(rates: RateSettings) -> dict[str, int]:
    """Every token class; one that is not stated costs what its nearest relative does."""
    write_5m = rates.input if rates.cache_write_5m is None else rates.cache_write_5m
    usd = {
        "input": rates.input,
        "cache_read": rates.input if rates.cache_read is None else rates.cache_read,
        "cache_write_5m": write_5m,
        "cache_write_1h": write_5m if rates.cache_write_1h is None else rates.cache_write_1h,
        "input_audio": rates.input if rates.input_audio is None else rates.input_audio,
        "input_image": rates.input if rates.input_image is None else rates.input_image,
        "output": rates.output,
        "output_audio": rates.output if rates.output_audio is None else rates.output_audio,
    }
    return {name: int(usd[name] * NANO_PER_USD) for name in TOKEN_CLASSES}


def tariff_faults(environment: Environment) -> Iterator[SettingError]:
    """Models whose price is missing, contradicts itself or would be too low."""
    for name, model in environment.models.items():
        if model.free and model.prices is not None:
            yield SettingError(("models", name, "free"), "true", "free = true or prices", "remove one of them")
        elif model.provider not in environment.providers:
            continue  # whose prices hold is not known until that is put right
        elif tariff(environment, name) is None:
            yield _no_price(environment, name, model)
        elif model.prices is not None:
            yield from _understated(environment, name, model)
            yield from _per_token(name, model.prices)
            yield from _steps_twice(name, model.prices)


def _no_price(environment: Environment, name: str, model: ModelSettings) -> SettingError:
    seller_name = _seller(environment, name)
    alike = nearest(seller_name, model.upstream or name) if seller_name else []
    hint = f"; did you mean upstream = {' or '.join(json.dumps(each) for each in alike)}?" if alike else ""
    return SettingError(
        ("models", name, "prices"),
        None,
        "prices in USD per million tokens, or a model that the vendored price table knows by its provider and upstream",
        'add prices = { input = "0.25", output = "2.00" }, or free = true if it costs nothing' + hint,
    )


def _understated(environment: Environment, name: str, model: ModelSettings) -> Iterator[SettingError]:
    provider = environment.providers.get(model.provider)
    if model.prices is None or provider is None or provider.kind != "anthropic":
        return
    for token_class in ("cache_write_5m", "cache_write_1h"):
        if getattr(model.prices, token_class) is None:
            yield SettingError(
                ("models", name, "prices", token_class),
                None,
                "a price: Anthropic's is higher than that of plain input (1.25 and 2 times, as of 2026)",
                "add it from Anthropic's price list",
            )


def _per_token(name: str, prices: PriceSettings) -> Iterator[SettingError]:
    """Others, LiteLLM for one, state prices per token: budgets in them would last a million times as long."""
    for token_class in TOKEN_CLASSES:
        usd = getattr(prices, token_class)
        if usd is not None and 0 < usd < LEAST_USD:
            yield SettingError(
                ("models", name, "prices", token_class),
                f"{usd:f}",
                f"USD per million tokens: 0, or at least {LEAST_USD}",
                f"is it a price per token? Then write {(usd * 1_000_000).normalize():f}",
            )


def _steps_twice(name: str, prices: PriceSettings) -> Iterator[SettingError]:
    above = [step.above for step in prices.long_context]
    for index, tokens in enumerate(above):
        if tokens in above[:index]:
            where = ("models", name, "prices", "long_context", index, "above")
            yield SettingError(where, str(tokens), "each length once", "remove one of the two, or correct its `above`")


def tariff_of(environment: Environment, name: str) -> ModelPrices:
    """Prices of model `name` of a checked environment, which has them."""
    found = tariff(environment, name)
    if found is None:
        raise LookupError(f'models."{name}" has no prices; load() refuses such a file')
    return found
