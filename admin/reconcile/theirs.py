"""What a provider's export says, added up per day and model: memory grows with days and models, not with rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from admin.reconcile.names import Signature, signature
from admin.reconcile.rows import Kind, Line

_CENT_HALF: Final = Decimal("0.005")


@dataclass(slots=True)
class Charged:
    """Sums of one day and model. batch_cost, batch_tokens: the part of batch jobs. rounding: by how much the cost may
    be rounded. uncounted: some tokens are charged without their number. names: the provider's names of the model."""

    cost: Decimal = Decimal(0)
    tokens_in: Decimal = Decimal(0)
    tokens_out: Decimal = Decimal(0)
    batch_cost: Decimal = Decimal(0)
    batch_tokens: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)
    uncounted: bool = False
    names: set[str] = field(default_factory=set)

    def add(self, line: Line, cents: bool) -> None:
        """Add a line. cents: its cost is rounded to the cent."""
        tokens = (line.tokens_in or 0) + (line.tokens_out or 0)
        self.cost += line.cost or 0
        self.tokens_in += line.tokens_in or 0
        self.tokens_out += line.tokens_out or 0
        self.uncounted |= line.uncounted
        if cents and line.cost is not None:
            self.rounding += _CENT_HALF
        if line.kind == "batch":
            self.batch_cost += line.cost or 0
            self.batch_tokens += tokens
        if line.model:
            self.names.add(line.model)


@dataclass(slots=True)
class Theirs:
    """A provider's export.

    models: by day and model; the model is None for lines that name none.
    other: costs that belong to no model, by day, kind and item.
    costs, tokens: whether the export has costs and token counts.
    days: the first and the last day that it covers, also without usage; "" if it covers none.
    notes: sentences about the file.
    """

    models: dict[tuple[str, Signature | None], Charged] = field(default_factory=dict)
    other: dict[tuple[str, Kind, str], Decimal] = field(default_factory=dict)
    costs: bool = False
    tokens: bool = False
    days: tuple[str, str] = ("", "")
    notes: list[str] = field(default_factory=list)

    def add(self, line: Line, cents: bool) -> None:
        """Add a line. cents: costs are rounded to the cent."""
        first, last = self.days
        self.days = (min(first or line.day, line.day), max(last, line.day))
        counts = line.tokens_in is not None or line.tokens_out is not None
        if line.cost is None and not counts:
            return
        self.costs |= line.cost is not None
        self.tokens |= counts
        if line.kind in ("fee", "other"):
            key = (line.day, line.kind, line.item)
            self.other[key] = self.other.get(key, Decimal(0)) + (line.cost or 0)
            return
        name = None if line.model is None else signature(line.model)
        self.models.setdefault((line.day, name), Charged()).add(line, cents)

    @property
    def names_models(self) -> bool:
        """Whether any line names a model. Otherwise only whole days can be compared."""
        return any(name is not None for _, name in self.models)
