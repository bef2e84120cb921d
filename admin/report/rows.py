"""Groups rollups and builds the report from their totals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Final

from admin.errors import UsageError, unknown
from admin.report.documents import DIMENSIONS, TAG, DaySpend, UsageReport, UsageRow
from admin.report.rollups import Attributes, Grouping, GroupTotals, RollupKey, group_by
from admin.report.scope import Scope, forecast
from admin.report.totals import CALLS, CORRECTED, CORRECTIONS, COST, UsageTotals
from lambda_src.core.pricing import usd

PERCENTILES: Final = (50, 95, 99)


def dimensions(text: str) -> tuple[str, ...]:
    """The dimensions in --by, each once; UsageError for unknown ones."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or not all(name in DIMENSIONS or name.removeprefix(TAG) not in (name, "") for name in names):
        accepted = f"{', '.join(DIMENSIONS)}, {TAG}NAME"
        raise UsageError(f"--by is {text!r}; accepted: any of {accepted}, separated by commas.")
    return names


def check_tags(by: Iterable[str], policies: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise RefusedError, with similar names, if a tag in --by is of no consumer."""
    known = {tag for item in policies.values() for tag in item.get("tags", ())}
    for name in by:
        tag = name.removeprefix(TAG)
        if tag not in (name, *known):
            raise unknown("tag of a consumer", tag, known, list_command="tollgate usage report --by consumer")


def groupings(by: Sequence[str], scope: Scope) -> list[Grouping]:
    """Of the report's rows, of its days, and of everything; then of the previous period's rows and of everything in it;
    then of the running month."""

    def group(key: RollupKey) -> tuple[str | None, ...]:
        policy = scope.policies.get(key.consumer, {})
        return tuple(_value(name, key, policy) for name in by)

    days = group_by(lambda key: key.day, frozenset({"requests", COST}))
    rows = _by_status(by, group) if "status" in by else group_by(group)
    cost = frozenset({COST})
    return [
        *map(scope.current, (rows, days, group_by(lambda _: None))),
        *(
            scope.before(group_by(grouped, cost))
            for grouped in ((lambda _: None) if _has_no_previous(by) else group, lambda _: None)
        ),
        scope.month_so_far(),
    ]


def _value(name: str, key: RollupKey, policy: Mapping[str, Any]) -> str | None:
    if name.startswith(TAG):
        value: str | None = policy.get("tags", {}).get(name.removeprefix(TAG))
    else:
        value = policy.get("owner") if name == "owner" else getattr(key, name, None)
    return value


def _has_no_previous(by: Sequence[str]) -> bool:
    """Whether the rows have no counterpart in the previous period: that has other days, and no cost by status."""
    return "day" in by or "status" in by


_KNOWN: Final = "known"
"""Requests of rollups with a single status: all of their attributes belong to that status."""


def _by_status(by: Sequence[str], group: Callable[[RollupKey], tuple[str | None, ...]]) -> Grouping:
    place = by.index("status")

    def grouping(key: RollupKey, attributes: Attributes) -> Iterable[tuple[tuple[str | None, ...], Attributes]]:
        counts = [(name.removeprefix("status_"), count) for name, count in attributes if name.startswith("status_")]
        names = group(key)
        for status, count in counts:
            values = (*names[:place], status, *names[place + 1 :])
            if len(counts) == 1:
                yield values, [*attributes, (_KNOWN, count)]
            else:
                yield values, [("requests", count), ("errors", count if int(status) >= _SERVER_ERROR else 0)]

    return grouping


def build_report(environment: str, by: Sequence[str], scope: Scope, totals: Sequence[GroupTotals]) -> UsageReport:
    """The report on the totals by `groupings`."""
    groups, per_day, overall, groups_before, overall_before, month = totals
    none, period, previous = UsageTotals(), scope.period, scope.previous
    compares = previous is not None and not _has_no_previous(by)
    # A consumer that has stopped spending is part of the change, too.
    ended = [group for group, before in groups_before.items() if compares and before.cost and group not in groups]
    rows = [
        row_of(
            dict(zip(by, group, strict=True)),
            groups.get(group, none),
            scope.policies,
            groups_before.get(group, none).cost if compares else None,
        )
        for group in (*groups, *ended)
    ]
    spend = {day: per_day.get(day, none) for day in period.days}
    total_before = None if previous is None else overall_before.get(None, none).cost
    return UsageReport(
        environment=environment,
        since=period.first.isoformat(),
        until=period.last.isoformat(),
        generated_at=scope.now.isoformat(timespec="seconds"),
        by=list(by),
        rows=sorted(rows, key=_order),
        total=row_of({}, overall.get(None, none), previous=total_before),
        days=[
            DaySpend(day=day, requests=totals.requests, usd=usd(totals.cost), nano_usd=totals.cost)
            for day, totals in spend.items()
        ],
        previous_since=None if previous is None else previous.first.isoformat(),
        previous_until=None if previous is None else previous.last.isoformat(),
        forecast=forecast(scope, month.get(None, none)),
    )


def row_of(
    group: Mapping[str, Any],
    totals: UsageTotals,
    policies: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    previous: int | None = None,
) -> UsageRow:
    """The row of a group, given by its dimensions. previous: nano-USD in the previous period, if it is compared."""
    p50, p95, p99 = map(totals.percentile, PERCENTILES)
    tags = {name.removeprefix(TAG): value for name, value in group.items() if name.startswith(TAG)}
    labels: dict[str, Any] = (
        {"tags": {name: value for name, value in tags.items() if value is not None}} if tags else {}
    )
    if "consumer" in group:
        policy = policies.get(group["consumer"], {})
        labels = {"owner": policy.get("owner"), "tags": dict(policy.get("tags", {}))}
    row = UsageRow(
        **{name: value for name, value in group.items() if name in DIMENSIONS and name != "status"} | labels,
        status=int(group["status"]) if "status" in group else None,
        requests=totals.requests,
        errors=totals["errors"],
        refusals=totals["refusals"],
        estimated=totals["estimated"],
        unsettled=totals["unsettled"],
        over_estimate=totals["over_estimate"],
        model_not_found=totals.noted("model_not_found"),
        unpriced=totals.noted("unpriced"),
        tokens_in=totals.tokens_in,
        tokens_cached=totals["tokens_cache_read"],
        tokens_out=totals.tokens_out,
        tokens_reasoning=totals["tokens_reasoning"],
        usd=usd(totals.cost),
        nano_usd=totals.cost,
        fees_usd=usd(totals.fees),
        fees_nano_usd=totals.fees,
        calls=totals.with_prefix(CALLS),
        corrections=totals[CORRECTIONS],
        corrections_usd=usd(totals[CORRECTED]),
        corrections_nano_usd=totals[CORRECTED],
        streams=totals["streams"],
        first_byte_ms=totals.first_byte_ms,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        **_compared(totals.cost, previous),
    )
    if "status" in group and totals[_KNOWN] != totals.requests:
        unknown: dict[str, Any] = dict.fromkeys(_UNKNOWN_BY_STATUS)
        return replace(row, **unknown)
    return row


def _compared(cost: int, previous: int | None) -> dict[str, Any]:
    """The fields that compare a cost with that of the previous period."""
    if previous is None:
        return {}
    change = cost - previous
    tenths = (2_000 * abs(change) + previous) // (2 * previous) if previous else 0
    sign = "-" if change < 0 and tenths else ""
    return {
        "previous_usd": usd(previous),
        "previous_nano_usd": previous,
        "change_usd": usd(change),
        "change_nano_usd": change,
        "change_percent": f"{sign}{tenths // 10}.{tenths % 10}" if previous else None,
    }


_SERVER_ERROR: Final = 500
_UNKNOWN_BY_STATUS: Final = tuple(
    field.name for field in fields(UsageRow) if field.name not in (*DIMENSIONS, "tags", "requests", "errors")
)


def _order(row: UsageRow) -> tuple[object, ...]:
    """By day, then by cost and requests, the highest first, then by name."""
    names = (row.consumer or "", row.model or "", row.key or "", row.status or 0, row.owner or "")
    tags = sorted((row.tags or {}).items())
    return (row.day or "", -(row.nano_usd or 0), -row.requests, *names, tags)
