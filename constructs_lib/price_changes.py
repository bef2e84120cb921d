"""Budgets, prices of a model and their differences, as text in USD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

from constructs_lib.price_table import FALLBACK, PricePeriod
from lambda_src.contract import STANDARD_TIER, TOKEN_CLASSES, Window
from lambda_src.core.policy import model_from_item, parse_time
from lambda_src.core.pricing import usd

Periods = tuple[PricePeriod, ...]
"""Prices of a model by rising start. The first has none."""


def in_force(periods: Periods, day: date) -> Periods:
    """The periods without those that have ended on `day`."""
    started = sum(period.start is not None and period.start <= day for period in periods)
    return (replace(periods[started], start=None), *periods[started + 1 :])


def price_changes(old: Periods, new: Periods) -> Iterator[str]:
    """A text per tier and step, such as `from 2027-01-01, standard: input 2 → 4, output 10 → 20`."""
    for period in new:
        earlier = next(found for found in reversed(old) if found.start is None or _starts_by(found, period))
        start = "" if period.start is None else f"from {period.start}, "
        for tier in dict.fromkeys((*earlier.tiers, *period.tiers)):
            yield from _tier_changes(f"{start}{tier}", earlier.tiers.get(tier), period.tiers.get(tier))
        yield from _fee_changes(f"{start}fees per 1,000 calls", earlier.fees, period.fees)


def announced(periods: Periods) -> Iterator[str]:
    """A text per later period, such as `prices change on 2026-12-01, in USD per million tokens: standard: input 2 → 4`.

    Without those that have the same prices as the period before.
    """
    for before, after in pairwise(periods):
        changes = list(price_changes((replace(before, start=None),), (replace(after, start=None),)))
        if changes:
            yield f"prices change on {after.start}, in USD per million tokens: {'; '.join(changes)}"


def item_periods(name: str, item: Mapping[str, Any]) -> Periods:
    """The prices in the ledger's item of model `name`. Raises KeyError if a token class has none."""
    model_from_item(name, item)
    return (
        PricePeriod(item["prices"], item["price_version"], fees=item.get("fees", {})),
        *(
            PricePeriod(
                change["prices"], change["price_version"], parse_time(change["from"]).date(), change.get("fees", {})
            )
            for change in item.get("price_changes", ())
        ),
    )


def headline(periods: Periods) -> str:
    """The first period's standard prices, such as `input 2, output 10`."""
    rates = periods[0].tiers[STANDARD_TIER][0]
    return f"input {usd(rates['input'])}, output {usd(rates['output'])}"


def budget_text(nano: int, per: Window) -> str:
    """A budget with its window: `5,000 USD per month`, `0.5 USD in total`."""
    whole, point, fraction = usd(nano).partition(".")
    return f"{int(whole):,}{point}{fraction} USD {'in total' if per == 'total' else f'per {per}'}"


def price_texts(periods: Periods) -> Iterator[str]:
    """A text per period, tier and step, such as `from 2027-01-01, batch: input 2, output 10 USD per million tokens`,
    and one per fee. Without the classes whose price is that of their fallback."""
    for period in periods:
        start = "" if period.start is None else f"from {period.start}, "
        for tier, steps in period.tiers.items():
            for step in steps:
                rates = ", ".join(f"{item} {usd(step[item])}" for item in TOKEN_CLASSES if not _follow(item, step))
                yield f"{start}{_step(tier, step['above'])}: {rates} USD per million tokens"
        for kind in sorted(period.fees):
            yield f"{start}{kind}: {_fee(period.fees, kind)} USD per 1,000 calls"


def _step(tier: str, above: int) -> str:
    return f"{tier} above {above:,} input tokens" if above else tier


def _starts_by(period: PricePeriod, other: PricePeriod) -> bool:
    return period.start is not None and other.start is not None and period.start <= other.start


def _tier_changes(name: str, old: list[dict[str, int]] | None, new: list[dict[str, int]] | None) -> Iterator[str]:
    if new is None or old is None:
        yield f"{name}: {'removed' if new is None else 'added'}"
        return
    for above in sorted({step["above"] for step in (*old, *new)}):
        before, after = _rates(old, above), _rates(new, above)
        changed = [item for item in TOKEN_CLASSES if before[item] != after[item] and not _follow(item, before, after)]
        if changed:
            prices = ", ".join(f"{item} {usd(before[item])} → {usd(after[item])}" for item in changed)
            yield f"{name}{f' above {above}' if above else ''}: {prices}"


def _fee_changes(name: str, old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[str]:
    changes = [f"{kind} {_fee(old, kind)} → {_fee(new, kind)}" for kind in sorted({*old, *new})
               if old.get(kind) != new.get(kind)]  # fmt: skip
    if changes:
        yield f"{name}: {', '.join(changes)}"


def _fee(fees: Mapping[str, int], kind: str) -> str:
    return usd(1_000 * fees[kind]) if kind in fees else "none"


def _follow(token_class: str, *rates: Mapping[str, int]) -> bool:
    """Whether the class only follows its fallback, whose change is listed already."""
    fallback = FALLBACK.get(token_class)
    return fallback is not None and all(found[token_class] == found[fallback] for found in rates)


def _rates(steps: list[dict[str, int]], above: int) -> dict[str, int]:
    return [step for step in steps if step["above"] <= above][-1]
