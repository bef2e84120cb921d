"""Prices in LiteLLM's map `model_prices_and_context_window`, the second source.

`litellm.json` is an extract of the map: price lists of `LISTS`, and the members that state prices. `make prices` renews
it, so that generating and checking the table needs neither the network nor LiteLLM's wheel of 40 MB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lambda_src.contract import STANDARD_TIER
from tools.prices.fees import charges_requests
from tools.prices.listed import LISTS, Listed, Period, Step, Usd

EXTRACT: Final = Path(__file__).with_name("litellm.json")

_MODES: Final = ("chat", "completion", "responses", "embedding")
"""Modes that the gateway has a route for."""
_CLASSES: Final = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_image_token": "output_image",
    "output_cost_per_reasoning_token": "output_reasoning",
    "input_cost_per_video_token": "input_video",
}
"""LiteLLM's member → token class. The last three have none of their own."""
_HIDDEN: Final = {"output_reasoning": "output", "input_video": "input"}
"""Tokens without a class → the class in which providers' responses count them."""
_TIERS: Final = {"": STANDARD_TIER, "_batches": "batch", "_flex": "flex", "_priority": "priority"}
_PRICE: Final = re.compile(
    rf"(?P<name>{'|'.join(sorted(_CLASSES, key=len, reverse=True))})"
    rf"(?:_above_(?P<above>\d+)k_tokens)?(?P<tier>{'|'.join(filter(None, _TIERS))}|)"
)
_SEARCHES: Final = "search_context_cost_per_query"
"""LiteLLM's member for the fee of a search, by the size of the search context."""
_OTHER_UNITS: Final = {
    "input_cost_per_request": "requests",
    "input_cost_per_query": "queries",
    "input_cost_per_second": "seconds",
    "input_cost_per_character": "characters",
    "input_cost_per_image": "images",
    "input_cost_per_video_per_second": "seconds of video",
    "input_cost_per_audio_per_second": "seconds of audio",
    "citation_cost_per_token": "citations",
    "tiered_pricing": "ranges of input",
}
"""LiteLLM's member → what is billed besides tokens."""


@lru_cache(maxsize=1)
def _extract() -> dict[str, Any]:
    extract: dict[str, Any] = json.loads(EXTRACT.read_text(encoding="utf-8"), parse_float=Decimal)
    return extract


def version() -> str:
    """Such as `litellm-1.110.2`."""
    return f"litellm-{_extract()['version']}"


def listed(name: str) -> list[Listed]:
    """The models of list `name`, each with the exact name by which the provider knows it."""
    return [_listed(name, model, members) for model, members in _extract()["lists"][name].items()]


def extract(wheel_version: str, prices: Mapping[str, Any]) -> str:
    """Text of `litellm.json`, with a line per model, from LiteLLM's map `prices`."""
    lists: dict[str, dict[str, Any]] = {name: {} for name in LISTS}
    for key, members in sorted(prices.items()):
        for name, (_, origins) in LISTS.items():
            if members.get("litellm_provider") in origins and (model := _upstream(name, key)):
                kept = {member: value for member, value in sorted(members.items()) if _is_kept(member)}
                if kept.get("input_cost_per_token") or name not in ("azure", "bedrock"):
                    lists[name].setdefault(model, kept)
    sections = (
        f"  {json.dumps(name)}: {{"
        + ",".join(f"\n   {json.dumps(model)}: {json.dumps(members)}" for model, members in sorted(models.items()))
        + "}"
        for name, models in lists.items()
    )
    about = "Extract of LiteLLM's model_prices_and_context_window. Written by `make prices`; MIT licence, see NOTICE."
    head = f' "about": {json.dumps(about)},\n "version": {json.dumps(wheel_version)},\n "lists": {{\n'
    return "{\n" + head + ",\n".join(sections) + "\n }\n}\n"


def _is_kept(member: str) -> bool:
    return member in ("mode", "max_input_tokens", _SEARCHES, *_OTHER_UNITS) or _PRICE.fullmatch(member) is not None


def _upstream(name: str, key: str) -> str | None:
    """The provider's name of the model that LiteLLM calls `key`; None if clients cannot send that name.

    Bedrock's prices of a region have the name `REGION/MODEL`.
    """
    if name == "bedrock":
        parts = key.removeprefix("bedrock/").split("/")
        region = len(parts) == 2 and re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", parts[0])
        return "/".join(parts) if len(parts) == 1 or region else None
    origins = {*LISTS[name][1], "gemini" if name == "google" else name}
    first, _, rest = key.partition("/")
    if name == "azure":
        # Data Zone and regional deployments (azure/eu/gpt-5) have the names of global ones, so these stand for them.
        return rest if first in origins and "/" not in rest else None
    return rest if first in origins else key if "/" not in key else None


def _listed(list_name: str, model: str, members: Mapping[str, Any]) -> Listed:
    window = members.get("max_input_tokens")
    window = int(window) if isinstance(window, (int, Decimal)) else None
    tiers = _tiers(members)
    if reason := _unpriceable(list_name, model, members, tiers):
        return Listed(model, {"equals": model}, window, (), reason)
    period = Period({tier: _steps(usd) for tier, usd in tiers.items()}, fees=_fees(members))
    return Listed(model, {"equals": model}, window, (period,))


def _fees(members: Mapping[str, Any]) -> Usd:
    """USD per 1,000 searches, or per 1,000 requests by the size of the search context if the sizes differ."""
    sizes: Mapping[str, Any] = members.get(_SEARCHES, {})
    usd = {size.rpartition("_")[2]: round(Decimal(value) * 1_000, 9) for size, value in sizes.items()}
    if len(set(usd.values())) == 1:
        return {"web_search": next(iter(usd.values()))}
    return {f"request_{size}": value for size, value in usd.items()}


def _tiers(members: Mapping[str, Any]) -> dict[str, dict[int, Usd]]:
    """Service tier → threshold → USD per million tokens."""
    tiers: dict[str, dict[int, Usd]] = {}
    for member, value in members.items():
        found = _PRICE.fullmatch(member)
        # LiteLLM writes 0 for cache writes that cost what plain input costs.
        if found is not None and not (member.startswith("cache_creation") and value == 0):
            usd = tiers.setdefault(_TIERS[found["tier"]], {}).setdefault(int(found["above"] or 0) * 1_000, {})
            usd[_CLASSES[found["name"]]] = round(Decimal(value) * 1_000_000, 9)
    return {tier: steps for tier, steps in tiers.items() if steps.get(0, {}).get("input")}


def _unpriceable(list_name: str, model: str, members: Mapping[str, Any], tiers: Mapping[str, Mapping[int, Usd]]) -> str:
    """Why prices by token class would charge too little, or nothing; "" if they would not."""
    mode = members.get("mode")
    if mode not in _MODES:
        return f"the gateway has no route for {str(mode).replace('_', ' ')}"
    if others := sorted(unit for member, unit in _OTHER_UNITS.items() if members.get(member)):
        return f"also billed by {', '.join(others)}"
    if STANDARD_TIER not in tiers:
        return "free or without a price: state it in the environment file"
    if mode != "embedding" and not tiers[STANDARD_TIER][0].get("output"):
        return "the price of output is missing"
    if "audio" in model and "input_audio" not in tiers[STANDARD_TIER][0]:
        return "the price of audio is missing"
    if "-search-" in model and not charges_requests(list_name, model):
        return "each request searches for a fee"
    for usd in tiers[STANDARD_TIER].values():
        for hidden, token_class in _HIDDEN.items():
            if usd.get(hidden, Decimal(0)) > usd.get(token_class, Decimal(0)):
                return f"{hidden.replace('_', ' ')} costs more than {token_class}, and responses count it as that"
    return ""


def _steps(tier: Mapping[int, Usd]) -> tuple[Step, ...]:
    return tuple(_step(above, usd) for above, usd in sorted(tier.items()))


def _step(above: int, usd: Usd) -> Step:
    """With output at the price of images if that is higher; output without a price (embeddings) costs 0."""
    named = {name: value for name, value in usd.items() if name not in ("output_image", *_HIDDEN)}
    named["output"] = max(named.get("output", Decimal(0)), usd.get("output_image", Decimal(0)))
    return Step(above, named)
