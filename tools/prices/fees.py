"""`fees.toml`: fees per call that providers publish, in USD per 1,000 calls."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lambda_src.core.fees import FEE_KINDS
from tools.prices.listed import LISTS, Listed, Usd, usd_text

FILE: Final = Path(__file__).with_name("fees.toml")
UNCOUNTED: Final = frozenset({"bedrock", "google"})
"""Price lists whose responses don't state calls, so that their fees cannot be charged."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Fees of the models in a price list whose names `match` finds. page: of the provider."""

    list_name: str
    match: str
    usd: Usd
    page: str
    why: str


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """The rules in order. Raises ValueError for an unknown price list or kind, and for a rule without a page."""
    return tuple(_rule(entry) for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["fees"])


def _rule(entry: dict[str, Any]) -> Rule:
    if entry["list"] not in LISTS or not entry["usd"].keys() <= FEE_KINDS.keys():
        raise ValueError(f"{FILE.name}: {entry['list']} {sorted(entry['usd'])}; accepted: {', '.join(FEE_KINDS)}")
    if not entry["page"].startswith("https://"):
        raise ValueError(f'{FILE.name}: a rule of {entry["list"]} has no page of the provider; add page = "https://…"')
    usd = {kind: Decimal(text) for kind, text in entry["usd"].items()}
    return Rule(entry["list"], entry.get("match", ""), usd, entry["page"], entry["why"])


def published(list_name: str, model: str) -> Usd:
    """The fees that the rules state for a model."""
    fees: Usd = {}
    for rule in rules():
        if rule.list_name == list_name and re.search(rule.match, model.lower()):
            fees |= rule.usd
    return fees


def charges_requests(list_name: str, model: str) -> bool:
    """Whether each request of the model costs a fee that is known."""
    return any(kind.startswith("request") for kind in published(list_name, model))


def with_fees(list_name: str, model: Listed) -> Listed:
    """The model with the fees of the rules, and with those of its source for other kinds."""
    stated = published(list_name, model.name)
    periods, ended = (
        tuple(replace(period, fees={} if list_name in UNCOUNTED else {**period.fees, **stated}) for period in found)
        for found in (model.periods, model.ended)
    )
    return replace(model, periods=periods, ended=ended)


def differences(list_name: str, source: str, models: list[Listed]) -> Iterator[str]:
    """A row per fee of a source that differs from the rules. The sources don't tell the kinds of web searches apart."""
    found: dict[str, list[str]] = {}
    for model in models:
        ours = published(list_name, model.name)
        for kind, usd in model.periods[0].fees.items() if model.periods else ():
            searches = [ours[name] for name in ours if name.startswith(("web_search", "request"))]
            if kind in ours and usd not in (searches if kind == "web_search" else [ours[kind]]):
                text = f"{kind} {usd_text(usd)} in {source}, {usd_text(ours[kind])} in the rules"
                found.setdefault(text, []).append(model.name)
    for text, names in sorted(found.items()):
        yield f"| `{list_name}` | {text} | {', '.join(f'`{name}`' for name in names)} |"
