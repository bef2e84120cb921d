"""Usage rows with their corrections, and the correction that brings a request to another cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lambda_src.contract import CORRECTION, PK, SK, TTL_ATTRIBUTE, correction_sk
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import TOKEN_FIELDS
from lambda_src.core.windows import label, utc_datetime

Method = Literal["cost", "tokens", "prices"]
"""What an operator stated: the cost, the tokens, or the prices."""


@dataclass(frozen=True, slots=True)
class CorrectedRow:
    """A usage row and its corrections, in order. Corrections are differences, so the request costs the sum of all."""

    item: Mapping[str, Any]
    corrections: tuple[Mapping[str, Any], ...] = ()

    @property
    def pk(self) -> str:
        """Partition of the row and its corrections."""
        return str(self.item[PK])

    @property
    def sk(self) -> str:
        """Sort key of the row."""
        return str(self.item[SK])

    @property
    def request_id(self) -> str:
        """Id of the request."""
        return self.sk.partition("#")[2]

    @property
    def at_ms(self) -> int:
        """When API Gateway received the request."""
        return int(self.item["at_ms"])

    @property
    def day(self) -> str:
        """UTC day of the request."""
        return label("day", utc_datetime(self.at_ms))

    @property
    def model(self) -> str:
        """The requested model; "-" if it is unknown."""
        return str(self.item.get("model", "-"))

    @property
    def key_id(self) -> str:
        """The caller's key."""
        return str(self.item.get("key_id", "-"))

    @property
    def booked(self) -> int:
        """Nano-USD that the gateway booked."""
        return int(self.item.get("cost_nano_usd", 0))

    @property
    def cost(self) -> int:
        """Nano-USD that the request costs, corrections included."""
        return self.booked + sum(int(correction["cost_nano_usd"]) for correction in self.corrections)

    @property
    def tokens(self) -> Tokens:
        """Tokens of the request, corrections included."""
        every = (self.item, *self.corrections)
        return Tokens(
            **{name: sum(int(item.get(stored, 0)) for item in every) for stored, name in TOKEN_FIELDS.items()}
        )

    @property
    def calls(self) -> dict[str, int]:
        """Calls of tools that the provider ran, by kind of fee."""
        return {kind: int(count) for kind, count in self.item.get("calls", {}).items()}

    @property
    def fees(self) -> dict[str, int]:
        """Nano-USD by kind of fee, corrections included."""
        return _sums(item.get("fees", {}) for item in (self.item, *self.corrections))

    @property
    def stated_cost(self) -> bool:
        """Whether an operator stated the cost itself, which new prices must not replace."""
        return bool(self.corrections) and self.corrections[-1].get("method") == "cost"

    @property
    def held_amount(self) -> bool:
        """Whether the held amount was booked, because the tokens are not known."""
        if self.corrections:
            return False
        estimated = self.item.get("usage_source") == "estimated" and self.booked == self.item.get("held_nano_usd")
        return self.item.get("settlement") == "unsettled" or bool(estimated)

    @property
    def next_number(self) -> int:
        """Number of the next correction, from 1."""
        return 1 + (int(str(self.corrections[-1][SK]).rpartition("#")[2]) if self.corrections else 0)


def _sums(every: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sums by name, without those that are 0."""
    sums: dict[str, int] = {}
    for values in every:
        for name, value in values.items():
            sums[name] = sums.get(name, 0) + int(value)
    return {name: value for name, value in sums.items() if value}


def is_correction(item: Mapping[str, Any]) -> bool:
    """Whether an item of a usage partition is a correction and not a usage row."""
    return item.get("kind") == CORRECTION


def corrected_rows(items: Iterable[Mapping[str, Any]], now: datetime) -> Iterator[CorrectedRow]:
    """The rows among the items of a usage partition, in order, without expired ones: DynamoDB deletes an expired row
    and its corrections at different times."""
    row: Mapping[str, Any] | None = None
    corrections: list[Mapping[str, Any]] = []
    for item in items:
        if item.get(TTL_ATTRIBUTE, now.timestamp()) < now.timestamp():
            continue
        if is_correction(item):
            corrections.append(item)
            continue
        if row is not None:
            yield CorrectedRow(row, tuple(corrections))
        row, corrections = item, []
    if row is not None:
        yield CorrectedRow(row, tuple(corrections))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request costs after a correction. tokens, fees: all of the request's, not differences."""

    cost: int
    tokens: Tokens
    fees: Mapping[str, int]
    method: Method
    price_version: str | None = None

    def reached(self, row: CorrectedRow) -> bool:
        """Whether the row needs no correction."""
        return (row.cost, row.tokens, row.fees) == (self.cost, self.tokens, self.fees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Who corrects and why. at: time of the correction. run: shared by the corrections of one command."""

    reason: str
    by: str
    at: datetime
    run: str


def correction_item(row: CorrectedRow, target: Target, note: Note) -> dict[str, Any]:
    """The correction that brings the row to the target: an item as lambda_src/contract.py describes it."""
    before, after = row.tokens, target.tokens
    tokens = {stored: getattr(after, name) - getattr(before, name) for stored, name in TOKEN_FIELDS.items()}
    return {
        PK: row.pk,
        SK: correction_sk(row.sk, row.next_number),
        "kind": CORRECTION,
        "request_id": row.request_id,
        "consumer": row.pk.split("#")[1],  # its id
        "day": row.day,
        "at_ms": row.at_ms,
        "key_id": row.key_id,
        "model": row.model,
        "provider": row.item.get("provider"),
        "cost_nano_usd": target.cost - row.cost,
        **{name: difference for name, difference in tokens.items() if difference},
        "fees": _sums((target.fees, {kind: -nano for kind, nano in row.fees.items()})) or None,
        "reason": note.reason,
        "by": note.by,
        "at": note.at.isoformat(timespec="milliseconds"),
        "method": target.method,
        "price_version": target.price_version,
        "run": note.run,
        TTL_ATTRIBUTE: row.item.get(TTL_ATTRIBUTE),
    }
