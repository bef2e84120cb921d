"""The comparison as JSON, CSV and table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from admin.formatting import csv_safe, money, signed_money
from admin.output import table
from admin.reconcile.pairs import Pair
from admin.reconcile.reasons import Judge
from lambda_src.contract import NANO_PER_USD

_COSTS: Final = ("ours", "theirs", "difference", "%")
_TOKENS: Final = ("in", "their in", "out", "their out")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciledRow:
    """Both sides of one day and model, or of a cost that belongs to no model.

    day: in UTC; null in the total.
    model: the names that clients request, or the provider's name of a model or line item; null in the total.
    their_models: the provider's names of the model.
    kind: `usage`, `fee` (calls of tools, storage and the like) or `other` (taxes, credits, discounts).
    ours_usd: cost in the ledger as an exact decimal in dollars, corrections included.
    theirs_usd: cost in the export, exact; null if the export has no costs.
    difference_usd: ours minus theirs, exact; null if the export has no costs.
    difference_percent: difference in percent of theirs, with two decimals; null if theirs is 0 or null.
    ours_tokens_in, ours_tokens_out: tokens in the ledger, of every class.
    theirs_tokens_in, theirs_tokens_out: tokens in the export; null if it does not count them.
    agrees: whether all that the export states is within the tolerance.
    reasons: likely reasons of the difference.
    """

    day: str | None
    model: str | None
    their_models: list[str]
    kind: str
    ours_usd: str
    theirs_usd: str | None
    difference_usd: str | None
    difference_percent: str | None
    ours_tokens_in: int
    theirs_tokens_in: int | None
    ours_tokens_out: int
    theirs_tokens_out: int | None
    agrees: bool
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The ledger compared with a provider's export.

    environment: name of the environment.
    provider: name of the provider.
    file: path of the export.
    format: the export's format.
    since, until: first and last day in UTC, both included.
    tolerance_percent: accepted difference in percent of the larger side.
    agrees: whether every row is within the tolerance.
    rows: by day and model.
    total: sums of all rows.
    notes: what was not compared, and what the file lacks.
    """

    environment: str
    provider: str
    file: str
    format: str
    since: str
    until: str
    tolerance_percent: str
    agrees: bool
    rows: list[ReconciledRow]
    total: ReconciledRow
    notes: list[str]


def plain(amount: Decimal) -> str:
    """An exact decimal without an exponent and trailing zeros."""
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def row_of(pair: Pair, judge: Judge) -> ReconciledRow:
    """The row of a pair."""
    tokens = pair.their_tokens if judge.theirs.tokens and pair.kind == "usage" else None
    return _row(
        day=pair.day,
        model=pair.model.label,
        their_models=sorted(pair.theirs.names) if pair.theirs else [],
        kind=pair.kind,
        ours=pair.our_cost,
        theirs=pair.their_cost if judge.theirs.costs else None,
        our_tokens=pair.our_tokens,
        their_tokens=tokens,
        agrees=judge.agrees(pair),
        reasons=judge.reasons(pair),
    )


def total_of(pairs: Sequence[Pair], rows: Sequence[ReconciledRow], judge: Judge) -> ReconciledRow:
    """The sums of all rows."""
    counts = [pair.their_tokens for pair in pairs if pair.kind == "usage"]
    known = judge.theirs.tokens and None not in counts
    return _row(
        day=None,
        model=None,
        their_models=[],
        kind="usage",
        ours=sum((pair.our_cost for pair in pairs), Decimal(0)),
        theirs=sum((pair.their_cost for pair in pairs), Decimal(0)) if judge.theirs.costs else None,
        our_tokens=(sum(pair.our_tokens[0] for pair in pairs), sum(pair.our_tokens[1] for pair in pairs)),
        their_tokens=(sum(count[0] for count in counts if count), sum(count[1] for count in counts if count))
        if known
        else None,
        agrees=all(row.agrees for row in rows),
        reasons=[],
    )


def _row(
    *,
    ours: Decimal,
    theirs: Decimal | None,
    our_tokens: tuple[int, int],
    their_tokens: tuple[int, int] | None,
    **more: Any,
) -> ReconciledRow:
    difference = None if theirs is None else ours - theirs
    share = None
    if difference is not None and theirs:
        share = str((100 * difference / abs(theirs)).quantize(Decimal("0.01"), ROUND_HALF_UP))
    return ReconciledRow(
        ours_usd=plain(ours),
        theirs_usd=None if theirs is None else plain(theirs),
        difference_usd=None if difference is None else plain(difference),
        difference_percent=share,
        ours_tokens_in=our_tokens[0],
        theirs_tokens_in=None if their_tokens is None else their_tokens[0],
        ours_tokens_out=our_tokens[1],
        theirs_tokens_out=None if their_tokens is None else their_tokens[1],
        **more,
    )


def as_csv(result: Reconciliation) -> str:
    """A header and a line per row (RFC 4180), without the total. Amounts are exact; unknown values are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    names = [field.name for field in fields(ReconciledRow)]
    writer.writerow(names)
    for row in result.rows:
        writer.writerow([_cell(name, getattr(row, name)) for name in names])
    return text.getvalue()


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return csv_safe("; ".join(value))
    if isinstance(value, bool):
        return str(value).lower()
    # Amounts are numbers. A negative one is not a formula.
    return value if name.endswith(("_usd", "_percent")) else csv_safe(value)


def drawn(result: Reconciliation) -> Any:
    """The table, and below it the notes."""
    from rich.console import Group

    title = f"{result.environment}: {result.provider}, {result.since} to {result.until} (UTC), ours and theirs"
    if not result.rows:
        return Group(f"{title}\n\nneither side has usage in this period", *result.notes)
    costs, tokens = result.total.theirs_usd is not None, any(row.theirs_tokens_in is not None for row in result.rows)
    columns = ["day", "model", *(_COSTS if costs else ("ours",)), *(_TOKENS if tokens else ()), "likely reason"]
    rows = [[row.day, row.model, *_numbers(row, costs, tokens), _judged(row)] for row in result.rows]
    apart = sum(not row.agrees for row in result.rows)
    last = "agrees" if not apart else f"{apart:,} of {len(result.rows):,} rows differ"
    total = ["total", "", *_numbers(result.total, costs, tokens), last]
    right = (*_COSTS, *_TOKENS)
    spare = ("out", "their out", "in", "their in") if costs else ("ours",)
    return Group(table(title, columns, rows, right=right, spare=spare, total=total), *result.notes)


def _judged(row: ReconciledRow) -> str:
    return "; ".join(row.reasons) or ("agrees" if row.agrees else "unknown")


def _numbers(row: ReconciledRow, costs: bool, tokens: bool) -> list[str]:
    cells = [money(_nano(row.ours_usd))]
    if costs:
        share = f"{row.difference_percent} %" if row.difference_percent is not None else "–"
        theirs, difference = _nano(row.theirs_usd), _nano(row.difference_usd)
        cells += [money(theirs) if theirs >= 0 else signed_money(theirs), signed_money(difference), share]
    if tokens:
        counts = (row.ours_tokens_in, row.theirs_tokens_in, row.ours_tokens_out, row.theirs_tokens_out)
        cells += ["–" if count is None else f"{count:,}" for count in counts]
    return cells


def _nano(amount: str | None) -> int:
    return round(Decimal(amount or 0) * NANO_PER_USD)
