"""JSON documents of corrections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lambda_src.contract import SK
from lambda_src.core.pricing import usd
from lambda_src.core.usage_record import TOKEN_FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionShown:
    """One correction of a request.

    number: its number among the corrections of the request, from 1.
    at: time of the correction, ISO 8601 in UTC.
    by: ARN of the operator.
    reason: why.
    method: what the operator stated: cost, tokens or prices.
    usd: difference that it adds to the request's cost, as an exact decimal in dollars; negative for a refund.
    nano_usd: the same as an integer of 10⁻⁹ dollars.
    tokens: differences that it adds to the request's tokens, by class.
    fees: the part of nano_usd that is fees per call, by kind of fee.
    price_version: version of the prices, if they gave the cost.
    run: id shared by the corrections of one command.
    """

    number: int
    at: str
    by: str
    reason: str
    method: str
    usd: str
    nano_usd: int
    tokens: dict[str, int]
    fees: dict[str, int]
    price_version: str | None
    run: str


def correction_shown(item: Mapping[str, Any]) -> CorrectionShown:
    """The document of a correction in the ledger."""
    return CorrectionShown(
        number=int(str(item[SK]).rpartition("#")[2]),
        at=item["at"],
        by=item["by"],
        reason=item["reason"],
        method=item["method"],
        usd=usd(item["cost_nano_usd"]),
        nano_usd=item["cost_nano_usd"],
        tokens={name: item[stored] for stored, name in TOKEN_FIELDS.items() if stored in item},
        fees=dict(item.get("fees", {})),
        price_version=item.get("price_version"),
        run=item["run"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricedGroup:
    """Requests with the same consumer, day and key whose cost changes.

    consumer, day, key: consumer, UTC day and key id; null in the total.
    requests: number of requests whose cost changes.
    old_usd: their cost, earlier corrections included, as an exact decimal in dollars.
    old_nano_usd: the same as an integer of 10⁻⁹ dollars.
    new_usd: their cost at the new prices, as an exact decimal in dollars.
    new_nano_usd: the same as an integer of 10⁻⁹ dollars.
    difference_usd: new minus old, as an exact decimal in dollars; negative for a refund.
    difference_nano_usd: the same as an integer of 10⁻⁹ dollars.
    """

    consumer: str | None = None
    day: str | None = None
    key: str | None = None
    requests: int
    old_usd: str
    old_nano_usd: int
    new_usd: str
    new_nano_usd: int
    difference_usd: str
    difference_nano_usd: int


def repriced_group(changes: Iterable[tuple[int, int]], **names: str) -> RepricedGroup:
    """The document of requests, given by their old and new costs in nano-USD."""
    pairs = list(changes)
    old, new = sum(before for before, _ in pairs), sum(after for _, after in pairs)
    return RepricedGroup(
        **names,
        requests=len(pairs),
        old_usd=usd(old),
        old_nano_usd=old,
        new_usd=usd(new),
        new_nano_usd=new,
        difference_usd=usd(new - old),
        difference_nano_usd=new - old,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Repricing:
    """A repricing of a model's requests.

    model: its name.
    since, until: first and last day, both included, in UTC.
    prices: the new prices, in words.
    rows: the requests whose cost changes, by consumer, day and key.
    total: of all rows.
    unchanged: number of requests that cost the same at the new prices.
    skipped: number of requests that are not repriced, by reason.
    booked: number of corrections that were written; 0 in a dry run.
    booked_usd: sum of these corrections, as an exact decimal in dollars.
    booked_nano_usd: the same as an integer of 10⁻⁹ dollars.
    """

    model: str
    since: str
    until: str
    prices: str
    rows: list[RepricedGroup]
    total: RepricedGroup
    unchanged: int
    skipped: dict[str, int]
    booked: int
    booked_usd: str
    booked_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCorrected:
    """A correction of one request.

    request_id, consumer, key_id, model: the request and its caller.
    day: its UTC day, whose rollup changes.
    settlement: settled, unsettled or refused, as booked.
    booked_usd: cost that the gateway booked, as an exact decimal in dollars.
    booked_nano_usd: the same as an integer of 10⁻⁹ dollars.
    old_usd: cost before, earlier corrections included, as an exact decimal in dollars.
    old_nano_usd: the same as an integer of 10⁻⁹ dollars.
    new_usd: cost after the correction, as an exact decimal in dollars.
    new_nano_usd: the same as an integer of 10⁻⁹ dollars.
    difference_usd: new minus old, as an exact decimal in dollars; negative for a refund.
    difference_nano_usd: the same as an integer of 10⁻⁹ dollars.
    tokens: differences of the request's tokens, by class.
    price_version: version of the prices, if they give the cost.
    booked_price_version: version of the prices that the gateway charged.
    windows: budget windows whose spend changes: per day, week, month or in total, as far as the account counts them.
    booked: whether the correction was written; false in a dry run, and if the request already costs this.
    """

    request_id: str
    consumer: str
    key_id: str
    model: str
    day: str
    settlement: str
    booked_usd: str
    booked_nano_usd: int
    old_usd: str
    old_nano_usd: int
    new_usd: str
    new_nano_usd: int
    difference_usd: str
    difference_nano_usd: int
    tokens: dict[str, int]
    price_version: str | None
    booked_price_version: str | None
    windows: list[str]
    booked: bool
