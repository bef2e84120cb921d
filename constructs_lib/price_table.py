"""Published prices of AI models: the vendored, dated table `prices.json`. `make prices` writes it anew."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

_TABLE: Final = Path(__file__).with_name("prices.json")


@dataclass(frozen=True, slots=True)
class PublishedPrice:
    """What a provider asks for a model.

    model: the table's own name for it. tiers: service tier (`standard`, and `batch`, `flex`, `priority`, `fast` where
    offered) → rates by rising `above`, the number of input tokens beyond which they hold for the whole request; every
    token class is present, in nano-USD per million tokens. max_input_tokens: its context window; None: not known.
    version: date and source of the table.
    """

    provider: str
    model: str
    tiers: Mapping[str, list[dict[str, int]]]
    max_input_tokens: int | None
    version: str


def published(provider: str, upstream_model: str) -> PublishedPrice | None:
    """The price of what `provider` calls `upstream_model`; None where the table does not know it.

    provider: one of `providers()`; for a kind, its own API's list (`openai` is OpenAI's, not a compatible service's:
    see `seller`). Dated names, aliases, and Bedrock's model ids, inference profiles and ARNs are understood.
    """
    name = upstream_model.lower()
    model = next((each for each in _models(provider) if _matches(each["match"], name)), None)
    # A model without tiers is known, but charged in a way that token classes cannot express.
    return _price(provider, model) if model is not None and model["tiers"] else None


def everything(provider: str) -> list[PublishedPrice]:
    """Every price of `provider`."""
    return [_price(provider, model) for model in _models(provider) if model["tiers"]]


def providers() -> list[str]:
    """Names of the providers whose prices are known."""
    return list(_table()["providers"])


def seller(base_url: str) -> str | None:
    """The provider that answers at `base_url`, whatever dialect it speaks there; None where the table has none."""
    for name, section in _table()["providers"].items():
        if re.match(section["api"], base_url):
            return str(name)
    return None


def nearest(provider: str, upstream_model: str, most: int = 3) -> list[str]:
    """Priced names that resemble `upstream_model`, the likest first, for an error to suggest."""
    # The table calls a Bedrock model `regional.…` where it stands for several profiles; Bedrock does not.
    names = [price.model.removeprefix("regional.") for price in everything(provider)]
    priced = [name for name in names if published(provider, name) is not None]
    return difflib.get_close_matches(upstream_model.lower(), priced, most)


def version() -> str:
    """Date and source of the table, as usage rows name it: `2026-11-23/genai-prices-0.2.3`."""
    return str(_table()["version"])


def _price(provider: str, model: Mapping[str, Any]) -> PublishedPrice:
    return PublishedPrice(provider, model["id"], model["tiers"], model["max_input_tokens"], version())


def _models(provider: str) -> list[dict[str, Any]]:
    section = _table()["providers"].get(provider)
    return section["models"] if section is not None else []


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return parsed


_TESTS: Final[dict[str, Callable[[Any, str], bool]]] = {
    "equals": lambda value, name: name == value.lower(),
    "starts_with": lambda value, name: name.startswith(value.lower()),
    "ends_with": lambda value, name: name.endswith(value.lower()),
    "contains": lambda value, name: value.lower() in name,
    "regex": lambda value, name: re.search(value, name) is not None,
    "or": lambda value, name: any(_matches(each, name) for each in value),
    "and": lambda value, name: all(_matches(each, name) for each in value),
}


def _matches(clause: Mapping[str, Any], name: str) -> bool:
    ((kind, value),) = clause.items()
    return _TESTS[kind](value, name)
