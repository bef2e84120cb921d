"""Prices in the installed `genai-prices` package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_UP, Decimal
from typing import Any, Final

import genai_prices
from genai_prices import types as source
from genai_prices.data import providers

from lambda_src.contract import STANDARD_TIER
from tools.prices.fees import charges_requests
from tools.prices.listed import LISTS, Listed, Period, Step, Usd, with_extras

VERSION: Final = f"genai-prices-{genai_prices.__version__}"

_SERVICE_TIERS: Final[dict[str, list[dict[str, str]]]] = {
    "batch": [{"processing": "batch"}],
    "fast": [{"service_tier": "fast"}, {"speed": "fast"}],
    "flex": [{"service_tier": "flex"}],
    "priority": [{"service_tier": "priority"}],
}
"""Service tier → the package's contexts for its prices, which differ by provider."""

_PRICE_FIELDS: Final = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "input_audio": "input_audio_mtok",
    "input_image": "input_image_mtok",
    "output": "output_mtok",
    "output_audio": "output_audio_mtok",
}
"""Token class → the package's field."""
_COUNTED_AS: Final = {
    "cache_image_read_mtok": "cache_read",
    "input_video_mtok": "input",
    "output_citation_mtok": "output",
    "output_reasoning_mtok": "output",
    "output_video_mtok": "output",
}
"""The package's fields without a token class → the class in which providers' responses count these tokens."""
_FEE_FIELDS: Final = {"web_search": "web_searches_kcount", "file_search": "storage_searches_kcount"}
"""Kind of fee → the package's field, in USD per 1,000 calls."""
_EMBEDDINGS: Final = re.compile(r"embed|\bbge-|\be5-|\bgte-|retrieval")
"""Names of models without output."""
_SAFE_FIELDS: Final = frozenset(
    {
        "cache_audio_read_mtok",  # at most the price of audio, at which cached audio is counted
        "output_image_mtok",  # then all output has this price
        "web_searches_kcount",
        "storage_searches_kcount",
        "social_searches_kcount",
        "code_executions_kcount",
    }
)
"""Fields that are no obstacle to prices by token class. Calls of tools have fees of their own (`fees.toml`)."""


def listed(name: str, as_of: date) -> list[Listed]:
    """The models of list `name` in the package's order, with the prices of `as_of` and those announced for later.

    The first model that matches a name applies, so models without a price keep their place.
    """
    return [_listed(name, model, as_of) for model in _provider(name).models]


def api_pattern(name: str) -> str:
    """Regular expression for the start of the API's URLs."""
    return _provider(name).api_pattern


def _provider(name: str) -> source.Provider:
    return next(provider for provider in providers if provider.id == LISTS[name][0])


def _listed(list_name: str, model: source.ModelInfo, as_of: date) -> Listed:
    periods: list[Period] = []
    starts = _starts(model)
    for day in (as_of, *(day for day in starts if day > as_of)):
        if reason := _unpriceable_on(list_name, model, day):
            return Listed(model.id, _clause(model.match), model.context_window, (), reason)
        _append(periods, _period(model, day))
    found = Listed(model.id, _clause(model.match), model.context_window, tuple(periods))
    return _with_ended(found, list_name, model, [day for day in starts if day <= as_of]).without_unreachable_steps()


def _period(model: source.ModelInfo, day: date) -> Period:
    at = datetime.combine(day, time(), UTC)
    standard = _prices_of_day(model, at, None)
    return Period(dict(_tiers(model, at)), day, len(standard) > 1, _fees(standard))


def _append(periods: list[Period], period: Period) -> None:
    """Append a period unless its prices are those of the last one. The first has no start."""
    if not periods:
        periods.append(replace(period, start=None))
    elif (period.tiers, period.fees) != (periods[-1].tiers, periods[-1].fees):
        periods.append(period)


def _with_ended(found: Listed, list_name: str, model: source.ModelInfo, started: list[date]) -> Listed:
    """`found` with the periods that have ended. started: the days from which a price has started, today's included.

    The package has other tiers from the day of its own release on. An earlier period has them in proportion.
    """
    periods: list[Period] = []
    for day in reversed([*(day - timedelta(days=1) for day in started[:1]), *started]):
        if _unpriceable_on(list_name, model, day):
            break
        period = _period(model, day)
        if periods:
            later = periods[-1].tiers
            tiers = with_extras(period.tiers, {STANDARD_TIER: later[STANDARD_TIER]}, later)
            period = replace(period, tiers=tiers)
        periods.append(period)
    distinct: list[Period] = []
    for period in reversed(periods):
        _append(distinct, period)
    return replace(found, ended=tuple(distinct[:-1]), since=distinct[-1].start) if distinct else found


def _unpriceable_on(list_name: str, model: source.ModelInfo, day: date) -> str:
    prices = _prices_of_day(model, datetime.combine(day, time(), UTC), None)
    return next(filter(None, (unpriceable(list_name, model, price) for price in prices)), "")


def _fees(prices: list[source.ModelPrice]) -> Usd:
    """Fees by kind, the highest of the day."""
    stated = ((kind, getattr(price, field)) for kind, field in _FEE_FIELDS.items() for price in prices)
    fees: Usd = {}
    for kind, value in stated:
        if value is not None:
            fees[kind] = max(_highest(value), fees.get(kind, Decimal(0)))
    return fees


def _starts(model: source.ModelInfo) -> list[date]:
    """The days from which a price of the model starts."""
    prices = model.prices if isinstance(model.prices, list) else []
    constraints = [price.constraint for price in (*prices, *(model.price_variants or ()))]
    return sorted({item.start_date for item in constraints if isinstance(item, source.StartDateConstraint)})


def _tiers(model: source.ModelInfo, at: datetime) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Service tier → steps on day `at`."""
    yield STANDARD_TIER, _steps(_prices_of_day(model, at, None))
    for tier, contexts in _SERVICE_TIERS.items():
        for context in contexts:
            if any(variant.when == context and _is_active(variant, at) for variant in model.price_variants or ()):
                yield tier, _steps(_prices_of_day(model, at, context))


def _is_active(variant: source.PriceVariant, at: datetime) -> bool:
    return variant.constraint is None or variant.constraint.active(at)


def _prices_of_day(model: source.ModelInfo, at: datetime, context: dict[str, str] | None) -> list[source.ModelPrice]:
    """One price, or several if they depend on the hour."""
    prices: list[source.ModelPrice] = []
    for half_hour in range(48):
        price = model.get_prices(at + timedelta(minutes=30 * half_hour), context)
        if price not in prices:
            prices.append(price)
    return prices


def unpriceable(list_name: str, model: source.ModelInfo, price: source.ModelPrice) -> str:
    """Why prices by token class would charge too little, or nothing; "" if they would not."""
    names = f"{model.id} {_clause(model.match)}"
    stated = {field: value for field, value in vars(price).items() if value is not None}
    if not stated or not any(_highest(value) for value in stated.values()):
        return "free or without a price: state it in the environment file"
    if "input_mtok" not in stated:
        return "not billed by token"
    requests = {"requests_kcount"} if charges_requests(list_name, model.id) else set()
    if others := stated.keys() - {*_PRICE_FIELDS.values(), *_COUNTED_AS} - _SAFE_FIELDS - requests:
        return f"also billed by {', '.join(sorted(field.rpartition('_')[0].replace('_', ' ') for field in others))}"
    if "audio" in model.id and "input_audio_mtok" not in stated:
        return "the price of audio is missing"
    if not price.output_mtok and not _EMBEDDINGS.search(names):
        return "the price of output is missing"
    if "-search-" in model.id and not charges_requests(list_name, model.id):
        return "each request searches for a fee"
    for above in _thresholds([price]):
        usd = _usd(price, above)
        for field, token_class in _COUNTED_AS.items():
            if field in stated and _price_above(stated[field], above) > usd.get(token_class, 0):
                kind = field.removesuffix("_mtok").replace("_", " ")
                return f"{kind} costs more than {token_class}, and responses count it as that"
    return ""


def _thresholds(prices: Iterable[source.ModelPrice]) -> list[int]:
    """Numbers of input tokens above which a price changes."""
    values = (value for price in prices for value in vars(price).values())
    return sorted(
        {0, *(tier.start for value in values if isinstance(value, source.TieredPrices) for tier in value.tiers)}
    )


def _steps(prices: list[source.ModelPrice]) -> tuple[Step, ...]:
    """Steps by rising `above`, at the highest price of the day. In the package, too, steps price whole requests."""
    steps = []
    for above in _thresholds(prices):
        usd: Usd = {}
        for price in prices:
            for token_class, value in _usd(price, above).items():
                usd[token_class] = max(value, usd.get(token_class, value))
        steps.append(Step(above, usd))
    return tuple(steps)


def _usd(price: source.ModelPrice, above: int) -> Usd:
    """Stated prices of requests with more than `above` input tokens. Output that only has a price as image costs that,
    and output without a price (embeddings) costs 0."""
    usd: Usd = {}
    for token_class, field in _PRICE_FIELDS.items():
        if (value := getattr(price, field)) is not None:
            usd[token_class] = _price_above(value, above)
    image = price.output_image_mtok
    usd["output"] = max(usd.get("output", Decimal(0)), Decimal(0) if image is None else _price_above(image, above))
    return usd


def _price_above(price: Decimal | source.TieredPrices, above: int) -> Decimal:
    """The price of requests with more than `above` input tokens, rounded up to a whole number of nano-USD."""
    if not isinstance(price, Decimal):
        price = next((tier.price for tier in reversed(price.tiers) if tier.start <= above), price.base)
    exact = price.quantize(Decimal("1e-9"), ROUND_UP)
    return price if exact == price else exact


def _highest(price: Decimal | source.TieredPrices) -> Decimal:
    return price if isinstance(price, Decimal) else max(price.base, *(tier.price for tier in price.tiers))


def _clause(clause: Any) -> dict[str, Any]:
    """A match clause as JSON: `{"starts_with": "gpt-4o"}`, `{"or": […]}`."""
    ((name, value),) = vars(clause).items()
    return {name.rstrip("_"): [_clause(inner) for inner in value] if isinstance(value, list) else value}
