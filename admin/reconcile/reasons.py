"""Likely reasons of differences. Each follows from figures of the row; none is a guess at what nobody can see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from admin.formatting import counted, money, signed_money
from admin.reconcile.pairs import NO_MODEL, Pair, usd_of
from admin.reconcile.theirs import Theirs
from admin.report.totals import CALLS, CORRECTED, CORRECTIONS, COST_NOTES
from lambda_src.contract import NANO_PER_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Decides whether both sides agree, and says why they may not.

    tolerance: accepted difference, as a share of the larger side. today: in UTC. level: models whose sums over the
    whole period agree.
    """

    theirs: Theirs
    tolerance: Decimal
    today: date
    level: frozenset[str] = field(default=frozenset())

    def near(self, ours: Decimal, theirs: Decimal, rounding: Decimal = Decimal(0)) -> bool:
        """Whether two figures differ by at most the tolerance, or by what rounding explains."""
        return abs(ours - theirs) <= max(self.tolerance * max(abs(ours), abs(theirs)), rounding)

    def costs_agree(self, pair: Pair) -> bool:
        """Whether the costs agree; true if the export has none."""
        rounding = pair.theirs.rounding if pair.theirs else Decimal(0)
        return not self.theirs.costs or self.near(pair.our_cost, pair.their_cost, rounding)

    def tokens_agree(self, pair: Pair) -> bool | None:
        """Whether the tokens agree; None if the export does not count them."""
        given = pair.their_tokens
        if not self.theirs.tokens or given is None or pair.kind != "usage":
            return None
        return all(
            self.near(Decimal(ours), Decimal(theirs)) for ours, theirs in zip(pair.our_tokens, given, strict=True)
        )

    def agrees(self, pair: Pair) -> bool:
        """Whether everything that the export states agrees."""
        return self.costs_agree(pair) and self.tokens_agree(pair) is not False

    def reasons(self, pair: Pair) -> list[str]:
        """Likely reasons, the most specific first. Empty for sides that agree without rounding."""
        if self.agrees(pair):
            exact = not self.theirs.costs or self.near(pair.our_cost, pair.their_cost)
            return [] if exact else ["rounding: the export's costs are rounded to the cent"]
        if pair.kind == "fee":
            return [self._fee(pair)]
        if pair.kind == "other":
            return ["not usage: the ledger has list prices without taxes, credits and discounts"]
        if pair.model.label == NO_MODEL:
            return [
                "the export names no model for these costs: export again, grouped by line item, description or model"
            ]
        specific = [*self._specific(pair)]
        return specific or [*self._general(pair)]

    def _fee(self, pair: Pair) -> str:
        if pair.ours is None:
            return "fee that the gateway does not count"
        calls = ", ".join(f"{count:,} {kind}" for kind, count in pair.ours.with_prefix(CALLS).items())
        if pair.theirs is None:
            return f"the export has no line for these fees: {calls}"
        return f"another number of calls or fee per call: the ledger has {calls}"

    def _specific(self, pair: Pair) -> Iterator[str]:
        ours, theirs = pair.ours, pair.theirs
        if pair.model.label in self.level:
            yield "the sums of the period agree: requests around midnight UTC count to different days"
        if not pair.model.configured:
            left = "has left the configuration; matched by its name"
            yield f"model {left if ours else 'not in this environment: another key uses this account'}"
        if theirs and (theirs.batch_cost or theirs.batch_tokens):
            amount = f"{theirs.batch_tokens:,f} tokens" if not theirs.batch_cost else money(_nano(theirs.batch_cost))
            yield f"batch jobs ({amount}), which the gateway does not see"
        if ours:
            kinds = [mark for mark in ("estimated", "unsettled") if ours[mark]]
            marks = [f"{counted(ours[mark], 'request')} {COST_NOTES[mark][0]}" for mark in kinds]
            if marks and (not self.theirs.costs or pair.cost_difference > 0):
                yield f"{' and '.join(marks)}: an upper bound; `tollgate usage export --only` lists them"
            if ours[CORRECTIONS]:
                without = self.near(pair.our_cost - usd_of(ours[CORRECTED]), pair.their_cost)
                agrees = "; without them both sides agree" if without and self.theirs.costs else ""
                yield f"{counted(ours[CORRECTIONS], 'correction')} of {signed_money(ours[CORRECTED])} booked{agrees}"
        if self.theirs.costs and self.tokens_agree(pair) and ours and ours.cost:
            yield (
                f"tokens agree, prices differ: theirs is {pair.their_cost / pair.our_cost:.4f} of ours (another price "
                "version, service tier, region or discount)"
            )

    def _general(self, pair: Pair) -> Iterator[str]:
        given, own = pair.their_tokens, pair.our_tokens
        if self.theirs.tokens and given is not None:
            more = sum(given) - sum(own)
            if more > 0:
                yield f"another key uses this account: theirs has {more:,} more tokens"
            elif more < 0:
                yield f"theirs has {-more:,} fewer tokens: the export is filtered, or {self._late(pair.day)}"
            else:
                yield "input and output are counted differently"
        elif pair.cost_difference < 0:
            yield "another key uses this account, or prices differ"
        else:
            yield f"the export is filtered, prices differ, or {self._late(pair.day)}"

    def _late(self, day: str) -> str:
        recent = day == self.theirs.days[1] or (self.today - date.fromisoformat(day)).days <= 1
        return "the provider's data of this last day is incomplete" if recent else "another account served the requests"


def level_models(pairs: Sequence[Pair], judge: Judge) -> frozenset[str]:
    """Models with several days whose sums over all days agree."""
    sums: dict[str, list[Pair]] = {}
    for each in pairs:
        if each.kind == "usage":
            sums.setdefault(each.model.label, []).append(each)
    return frozenset(label for label, days in sums.items() if len(days) > 1 and _sums_agree(days, judge))


def _sums_agree(days: Sequence[Pair], judge: Judge) -> bool:
    costs = judge.near(
        sum((day.our_cost for day in days), Decimal(0)), sum((day.their_cost for day in days), Decimal(0))
    )
    counts = [day.their_tokens for day in days]
    own = sum(sum(day.our_tokens) for day in days)
    tokens = judge.near(Decimal(own), Decimal(sum(sum(count) for count in counts if count is not None)))
    return (costs or not judge.theirs.costs) and (tokens or not judge.theirs.tokens or None in counts)


def _nano(amount: Decimal) -> int:
    return round(amount * NANO_PER_USD)
