"""One price list from two sources.

genai-prices is the first source: its clauses recognize dated names and aliases. LiteLLM's map is the second: it knows
the exact names that it lists. Where both state a price and agree, it is certain; where one is silent, the other counts;
where they differ, `disagreements.toml` says which one is right. A name whose merged price differs from that of its
clause gets an entry of its own before all clauses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Final

from constructs_lib.price_table import matches
from lambda_src.contract import STANDARD_TIER, TOKEN_CLASSES
from tools.prices import genai, litellm
from tools.prices.disagreements import Difference, Settled, Use
from tools.prices.fees import with_fees
from tools.prices.listed import Listed, Step, rates_above, scaled, usd_text, with_extras

_SILENT: Final = ("free", "the price of audio")
"""Starts of genai-prices' reasons for which a price in LiteLLM counts."""
_ELSEWHERE: Final = r"(?:(?!us\.)[a-z]{2}|us-gov|apac)\.|[a-z]{2}(?:-[a-z]+)+-\d/"
"""Starts of names on Bedrock with other prices than in the US: inference profiles such as `eu.`, and regions."""


@dataclass(slots=True)
class Merged:
    """entries: in the order in which they are matched. differences: between the sources. reasons: name → why it has no
    price. names: those that the second source lists, and the first source's models. compared: how many of them both
    price."""

    entries: list[Listed]
    differences: list[Difference] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    compared: int = 0


def merged(list_name: str, as_of: date, settled: Settled) -> Merged:
    """The price list `list_name`."""
    clauses = [with_fees(list_name, model) for model in genai.listed(list_name, as_of)]
    if list_name == "bedrock":
        clauses = [_in_its_regions(model) for model in clauses]
    second = [with_fees(list_name, model) for model in litellm.listed(list_name)]
    if list_name == "openrouter":
        clauses, second = ([model.with_whole_cache_writes() for model in models] for models in (clauses, second))
    names = sorted({model.name for model in (*clauses, *second)})
    result = Merged([], [], {model.name: model.reason for model in clauses if model.reason}, names)
    exact: list[Listed] = []
    for theirs in second:
        ours = _first(clauses, theirs.name)
        if (list_name, theirs.name) in settled.aliases:
            continue
        if theirs.reason or (ours is not None and ours.reason and not ours.reason.startswith(_SILENT)):
            if ours is None or ours.reason:
                result.reasons[theirs.name] = theirs.reason if ours is None else ours.reason
        elif ours is None or ours.reason:
            tiers = theirs.periods[0].tiers
            complete = {tier: _with_steps_of(tiers[STANDARD_TIER], steps) for tier, steps in tiers.items()}
            period = replace(theirs.periods[0], tiers=complete)
            exact.append(replace(theirs, periods=(period,)).without_unreachable_steps())
            result.reasons.pop(theirs.name, None)
        else:
            result.compared += 1
            model, prices = combined(ours, theirs, settled.uses.get((list_name, theirs.name), "dearer"))
            if prices:
                result.differences.append(Difference(list_name, theirs.name, prices))
            if (model.periods, model.window) != (ours.periods, ours.window):
                exact.append(model)
    aliases = (
        replace(_listed(exact, clauses, other), name=name, match={"equals": name})
        for (aliased_list, name), other in settled.aliases.items()
        if aliased_list == list_name
    )
    result.entries.extend([*_grouped([*aliases, *exact]), *clauses])
    return result


def _first(models: Iterable[Listed], name: str) -> Listed | None:
    return next((model for model in models if matches(model.match, name.lower())), None)


def _listed(exact: list[Listed], clauses: list[Listed], name: str) -> Listed:
    found = _first([*exact, *clauses], name)
    if found is None:
        raise ValueError(f"disagreements.toml: same_as = {name!r} is in no source; name another model")
    return found


def _in_its_regions(model: Listed) -> Listed:
    """A model of Bedrock that matches profiles outside the US only if its clause names them."""
    named = sorted(set(re.findall(r"['\"/](eu|apac|us-gov|jp|au|in|ca|sa)\.", str(model.match))))
    others = f"|^(?:{'|'.join(named)})\\." if named else ""
    return replace(model, match={"and": [model.match, {"regex": f"^(?!{_ELSEWHERE}){others}"}]})


def _grouped(models: Iterable[Listed]) -> Iterator[Listed]:
    """The models, those with the same prices and window as one."""
    groups: dict[str, list[Listed]] = {}
    for model in models:
        groups.setdefault(repr((model.periods, model.window, model.ended, model.since)), []).append(model)
    for group in groups.values():
        match = sorted((model.match for model in group), key=lambda clause: (len(clause["equals"]), clause["equals"]))
        yield replace(group[0], match=match[0] if len(match) == 1 else {"or": match})


def combined(ours: Listed, theirs: Listed, use: Use) -> tuple[Listed, tuple[str, ...]]:
    """The model `ours` under the exact name of `theirs`, and the differences between the sources."""
    now, listed = ours.periods[0], theirs.periods[0]
    window = theirs.window if ours.window is None else ours.window
    limit = max(ours.window or 0, theirs.window or 0) or None
    tiers: dict[str, tuple[Step, ...]] = {}
    differences: list[str] = []
    for tier in dict.fromkeys((*now.tiers, *listed.tiers)):
        if tier in now.tiers and tier in listed.tiers:
            tiers[tier], found = _combined_steps(tier, now.tiers[tier], listed.tiers[tier], use, limit)
            differences.extend(found)
        elif tier in now.tiers:
            tiers[tier] = now.tiers[tier]
        elif use != "genai-prices":
            tiers[tier] = _with_steps_of(tiers[STANDARD_TIER], listed.tiers[tier])
    later, ended = (
        tuple(
            replace(period, tiers=with_extras(period.tiers, now.tiers, tiers), fees={**listed.fees, **period.fees})
            for period in periods
        )
        for periods in (ours.periods[1:], ours.ended)
    )
    first = replace(now, tiers=tiers, fees={**now.fees, **listed.fees})
    model = Listed(ours.name, theirs.match, window, (first, *later))
    if not differences or use == "genai-prices":  # LiteLLM's prices have no history
        model = replace(model, ended=ended, since=ours.since)
    return model.without_unreachable_steps(), tuple(differences)


def _with_steps_of(standard: tuple[Step, ...], steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """`steps` of a tier, with those for long requests that only the standard tier states, in the same proportion."""
    steps = tuple(Step(_same_threshold(step.above, standard), step.usd) for step in steps)
    factor = steps[0].usd["input"] / standard[0].usd["input"]
    stated = {step.above for step in steps}
    missing = (Step(step.above, scaled(step.usd, factor)) for step in standard if step.above not in stated)
    return tuple(sorted((*steps, *missing), key=lambda step: step.above))


def _combined_steps(
    tier: str, ours: tuple[Step, ...], theirs: tuple[Step, ...], use: Use, limit: int | None
) -> tuple[tuple[Step, ...], list[str]]:
    theirs = tuple(Step(_same_threshold(step.above, ours), step.usd) for step in theirs)
    steps, differences = [], []
    for above in sorted({step.above for step in (*ours, *theirs) if limit is None or step.above < limit}):
        mine, other = rates_above(ours, above), rates_above(theirs, above)
        differing = [name for name in TOKEN_CLASSES if name in mine and name in other and mine[name] != other[name]]
        if differing:
            prices = ", ".join(f"{name} {usd_text(mine[name])} / {usd_text(other[name])}" for name in differing)
            differences.append(f"{tier}{f' above {above}' if above else ''}: {prices}")
        steps.append(
            Step(above, {**other, **mine, **{name: _chosen(mine[name], other[name], use) for name in differing}})
        )
    return tuple(steps), differences


def _same_threshold(above: int, steps: tuple[Step, ...]) -> int:
    """`above`, or the threshold in `steps` that differs by one: "from 200,000" and "above 200,000"."""
    return next((step.above for step in steps if abs(step.above - above) == 1), above)


def _chosen(ours: Decimal, theirs: Decimal, use: Use) -> Decimal:
    return {"genai-prices": ours, "litellm": theirs, "dearer": max(ours, theirs)}[use]
