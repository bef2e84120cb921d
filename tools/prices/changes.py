"""Differences between two price tables, as text in USD per million tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from constructs_lib import price_table
from constructs_lib.price_changes import Periods, headline, price_changes
from constructs_lib.price_table import find_price
from constructs_lib.settings import EnvironmentErrors, load
from constructs_lib.settings.model_prices import model_prices
from tools.prices.merge import Merged

Prices = Mapping[tuple[str, str], Periods]
"""(price list or environment, model) → its periods; () if it has no price."""
_MAX_LINES: Final = 40


def table_prices(names: Iterable[tuple[str, str]]) -> Prices:
    """The prices of `names` in the table."""
    found = {(provider, name): find_price(provider, name) for provider, name in names}
    return {key: price.periods if price is not None else () for key, price in found.items()}


def table_names() -> set[tuple[str, str]]:
    """(price list, model) of each name in the table."""
    return {(provider, name) for provider in price_table.providers() for name in price_table.names(provider)}


def merged_names(lists: Mapping[str, Merged]) -> set[tuple[str, str]]:
    """(price list, model) of each name in the table that `lists` will be."""
    entries = ((name, entry) for name, merged in lists.items() for entry in merged.entries)
    return {(name, model) for name, entry in entries for model in (entry.name, *price_table.exact_names(entry.match))}


def environment_prices(folder: Path) -> Prices:
    """The prices of the models in each environment file of `folder`. A file with errors has no models."""
    prices: dict[tuple[str, str], Periods] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            environment = load(path)
        except EnvironmentErrors:
            continue
        for name in environment.models:
            prices[environment.name, name] = model_prices(environment, name).periods
    return prices


def table_changes(before: Prices, after: Prices) -> Iterator[str]:
    """Lines for added, removed and changed prices, and for announced ones."""
    keys = sorted({*before, *after})
    added = [key for key in keys if not before.get(key) and after.get(key)]
    removed = [key for key in keys if before.get(key) and not after.get(key)]
    changed = {key: list(price_changes(before[key], after[key])) for key in keys if before.get(key) and after.get(key)}
    yield from _listing("added", (f"{_name(key)}: {headline(after[key])}" for key in added))
    yield from _listing("removed", (f"{_name(key)}: {headline(before[key])}" for key in removed))
    yield from _listing("changed", (f"{_name(key)}: {'; '.join(lines)}" for key, lines in changed.items() if lines))
    announced = (
        f"{_name(key)}: {'; '.join(price_changes((periods[0],), (period,)))}"
        for key, periods in sorted(after.items())
        for period in periods[1:]
    )
    yield from _listing("announced", announced)


def environment_changes(before: Prices, after: Prices) -> Iterator[str]:
    """Lines for each environment: the models whose price changes."""
    for environment in sorted({environment for environment, _ in (*before, *after)}):
        models = sorted({model for name, model in (*before, *after) if name == environment})
        lines = [line for model in models for line in _model_change(model, environment, before, after)]
        yield f"{environment}:{'' if lines else ' no price changes'}"
        yield from (f"  {line}" for line in lines)


def _model_change(model: str, environment: str, before: Prices, after: Prices) -> Iterator[str]:
    old, new = before.get((environment, model), ()), after.get((environment, model), ())
    if not new:
        yield f"{model}: no price any more; `make synth` says what to add"
    elif not old:
        yield f"{model}: {headline(new)}"
    elif changes := list(price_changes(old, new)):
        yield f"{model}: {'; '.join(changes)}"


def _listing(title: str, items: Iterable[str]) -> Iterator[str]:
    lines = list(items)
    yield f"{title}: {len(lines)}"
    yield from (f"  {line}" for line in lines[:_MAX_LINES])
    if len(lines) > _MAX_LINES:
        yield f"  … and {len(lines) - _MAX_LINES} more: `git diff constructs_lib/prices.json`"


def _name(key: tuple[str, str]) -> str:
    return " ".join(key)
