"""Pairs the ledger's rollups with a provider's export, by day and model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from admin.formatting import money
from admin.reconcile.fees import by_group, fee_group, fees_of
from admin.reconcile.names import Signature, signature
from admin.reconcile.rows import Kind, Line
from admin.reconcile.theirs import Charged, Theirs
from admin.report.period import Period
from admin.report.totals import (
    CALLS,
    CORRECTED,
    CORRECTIONS,
    COST,
    FEES,
    INPUT_CLASSES,
    OUTPUT_CLASSES,
    UsageTotals,
)
from lambda_src.contract import NANO_PER_USD
from lambda_src.core.fees import FEE_KINDS

READ: Final = frozenset({
    COST, CORRECTIONS, CORRECTED, "estimated", "unsettled", *INPUT_CLASSES, *OUTPUT_CLASSES,
    *(FEES + kind for kind in FEE_KINDS), *(CALLS + kind for kind in FEE_KINDS),
})  # fmt: skip
"""Attributes of rollups that are compared or explain a difference."""
ALL_MODELS: Final = "all models"
NO_MODEL: Final = "no model named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as both sides name it. configured: the environment has it today."""

    label: str
    configured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both sides of one day and model, or of a cost that belongs to no model. ours, theirs: None if it has nothing."""

    day: str
    model: Model
    kind: Kind = "usage"
    ours: UsageTotals | None = None
    theirs: Charged | None = None

    @property
    def our_cost(self) -> Decimal:
        """USD in the ledger, corrections included."""
        return usd_of(self.ours.cost if self.ours else 0)

    @property
    def their_cost(self) -> Decimal:
        """USD in the export."""
        return self.theirs.cost if self.theirs else Decimal(0)

    @property
    def cost_difference(self) -> Decimal:
        """Ours minus theirs in USD."""
        return self.our_cost - self.their_cost

    @property
    def our_tokens(self) -> tuple[int, int]:
        """Input and output tokens in the ledger, of every class."""
        return (self.ours.tokens_in, self.ours.tokens_out) if self.ours else (0, 0)

    @property
    def their_tokens(self) -> tuple[int, int] | None:
        """Input and output tokens in the export. None if some are charged without their number."""
        if self.theirs is None:
            return 0, 0
        return None if self.theirs.uncounted else (round(self.theirs.tokens_in), round(self.theirs.tokens_out))


@dataclass(frozen=True, slots=True)
class Paired:
    """All pairs, by day and model, and notes about what could not be paired."""

    pairs: list[Pair]
    notes: list[str] = field(default_factory=list)


def usd_of(nano: int) -> Decimal:
    """Nano-USD as exact dollars."""
    return Decimal(nano) / NANO_PER_USD


def pair(
    theirs: Theirs,
    rollups: Mapping[tuple[str, str], UsageTotals],
    models: Mapping[str, tuple[str, str]],
    provider: str,
    period: Period,
) -> Paired:
    """Both sides, paired.

    rollups: by day and requested model. models: provider and upstream name of each configured model, by the name that
    clients request. A rollup does not have its provider, so usage of a model that has left the configuration counts if
    the export has a model of its name.
    """
    days = set(period.days)
    charged = {key: value for key, value in theirs.models.items() if key[0] in days}
    named = {key for _, key in charged if key is not None}
    ours = {name: signature(upstream) for name, (owner, upstream) in models.items() if owner == provider}
    labels: dict[Signature | None, set[str]] = {}
    for name, key in ours.items():
        labels.setdefault(key, set()).add(name)
    left: dict[str, int] = {}
    matched: set[str] = set()
    configured = frozenset(ours.values())
    sums: dict[tuple[str, Signature | None], UsageTotals] = {}
    fees: dict[str, UsageTotals] = {}
    for (day, name), totals in rollups.items():
        key = ours.get(name) or signature(name)
        if name not in ours:
            if name in models or not (totals.cost or totals.tokens):
                continue
            if key not in named:
                left[name] = left.get(name, 0) + totals.cost
                continue
            labels.setdefault(key, set()).add(name)
            matched.add(name)
        group = key if theirs.names_models else None
        apart = fees_of(totals) if theirs.names_models and theirs.costs else UsageTotals()
        sums.setdefault((day, group), UsageTotals()).add([*totals.sums.items(), (COST, -apart.cost)])
        fees.setdefault(day, UsageTotals()).add(apart.sums.items())
    found = [key for key, totals in sums.items() if totals.cost or totals.tokens]
    pairs = [
        Pair(
            day=day,
            model=_model(key, labels, charged.get((day, key)), configured, theirs.names_models),
            ours=sums.get((day, key)),
            theirs=charged.get((day, key)),
        )
        for day, key in {*found, *charged}
    ]
    pairs += _without_model({key: cost for key, cost in theirs.other.items() if key[0] in days and cost}, fees)
    order = {"usage": 0, "batch": 0, "fee": 1, "other": 2}
    notes = list(theirs.notes)
    if matched:
        names = ", ".join(sorted(matched))
        notes.append(f"Matched by name, because the models have left the configuration: {names}.")
    if left:
        listed = ", ".join(f"{name} ({money(cost)})" for name, cost in sorted(left.items()))
        notes.append(
            f"Not compared, because the models have left the configuration and their provider is unknown: {listed}."
        )
    return Paired(sorted(pairs, key=lambda each: (each.day, order[each.kind], each.model.label)), notes)


def _without_model(theirs: Mapping[tuple[str, Kind, str], Decimal], fees: Mapping[str, UsageTotals]) -> Iterator[Pair]:
    """Costs that belong to no model, by day. Line items of fees per call are paired with the ledger's fees."""
    ours = {(day, group): totals for day, sums in fees.items() for group, totals in by_group(sums).items()}
    charged: dict[tuple[str, str], Charged] = {}
    for (day, kind, item), cost in theirs.items():
        group = fee_group(item) if kind == "fee" else None
        if group is None or (day, group) not in ours:
            yield Pair(day=day, model=Model(label=item or kind, configured=True), kind=kind, theirs=Charged(cost=cost))
        else:
            charged.setdefault((day, group), Charged()).add(Line(day=day, model=item, cost=cost), cents=False)
    for key in {*ours, *charged}:
        day, group = key
        label = Model(label=group, configured=True)
        yield Pair(day=day, model=label, kind="fee", ours=ours.get(key), theirs=charged.get(key))


def _model(
    key: Signature | None,
    labels: Mapping[Signature | None, set[str]],
    charged: Charged | None,
    configured: frozenset[Signature],
    names_models: bool,
) -> Model:
    if key is None:
        return Model(label=NO_MODEL if names_models else ALL_MODELS, configured=True)
    names = labels.get(key) or (charged.names if charged else set())
    return Model(label=", ".join(sorted(names)) or " ".join((*key[0], *key[1])), configured=key in configured)
