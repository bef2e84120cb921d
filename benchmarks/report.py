"""Measure what a usage report costs: it depends on days x consumers x models, not on the number of requests.

    .venv/bin/python -m benchmarks.report [--consumers 1000] [--days 90]

Two ledgers on the embedded DynamoDB have the same rollups, one of a single request each, one of 97 requests each. The
benchmark reads them as `tollgate usage report --by consumer,model` and its HTML page do, without a previous period and
with one. It computes read units from
the sizes of the items by DynamoDB's rules, since the emulator's count is not exact. Target: 97 times the requests take
the same number of queries, at most 10 % more time and 20 % more read units, since larger numbers have more digits.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from admin.operator_ledger import OperatorLedger
from admin.report import rollups, rows
from admin.report.page.data import PageData, groupings
from admin.report.page.page import render_report
from admin.report.period import Period
from admin.report.scope import Scope
from lambda_src.contract import PK, SK, rollup_pk, rollup_sk
from lambda_src.edges.dynamodb_attributes import serialize_item
from local.cloud.client import Cloud
from tests.bench import create_table

LAST: Final = date(2026, 11, 23)
FEW: Final = 1
MANY: Final = 97
BATCH: Final = 25
MAX_TIME_RATIO: Final = 1.1
MAX_UNITS_RATIO: Final = 1.2
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one report: rollups, DynamoDB queries, read units (eventually consistent), seconds."""

    rollups: int
    queries: int
    units: float
    seconds: float


class QueryCounter:
    """Counts a DynamoDB client's queries, their items and the size of these."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.responses: list[tuple[int, int]] = []
        client.meta.events.register("after-call.dynamodb.Query", self._record)

    def _record(self, parsed: Any, **_: object) -> None:
        self.responses.append((len(parsed["Items"]), sum(map(size, parsed["Items"]))))

    def cost(self, seconds: float) -> Cost:
        """Cost since the previous call."""
        responses, self.responses = self.responses, []
        # Half a unit per 4 KB of all of a query's items (amazondynamodb/latest/developerguide/read-write-operations).
        units = sum(-(-max(1, read) // 4096) / 2 for _, read in responses)
        return Cost(sum(count for count, _ in responses), len(responses), units, seconds)


def size(attributes: dict[str, Any]) -> int:
    """Bytes of an item (amazondynamodb/latest/developerguide/CapacityUnitCalculations)."""
    return sum(
        len(name) + (len(value["S"].encode()) if "S" in value else (len(value["N"].strip("0")) + 1) // 2 + 1)
        for name, value in attributes.items()
    )


def items(consumer: str, days: int, models: int, requests: int) -> Iterator[dict[str, Any]]:
    """A consumer's rollups, of `requests` requests each."""
    for day in range(days):
        for model in range(models):
            values = {
                "requests": requests,
                "cost_nano_usd": requests * 2_134_567,
                "tokens_input": requests * 813,
                "tokens_cache_read": requests * 207,
                "tokens_output": requests * 154,
                "latency_ms": requests * 911,
                "streams": requests // 2,
                "first_byte_ms": requests // 2 * 411,
                "status_200": requests,
                "ms_500": requests,
                "ms_1000": requests,
                "ms_2000": requests,
            }
            sk = rollup_sk((LAST - timedelta(days=day)).isoformat(), f"model-{model}", f"key-{consumer}")
            yield serialize_item({PK: rollup_pk(consumer), SK: sk, **values})


def fill(client: Any, table: str, names: Sequence[str], days: int, models: int, requests: int) -> None:
    """Write the rollups of these consumers, of `requests` requests each."""

    def write(name: str) -> None:
        puts = [{"PutRequest": {"Item": rollup}} for rollup in items(name, days, models, requests)]
        for start in range(0, len(puts), BATCH):
            unprocessed: Any = {table: puts[start : start + BATCH]}
            while unprocessed:
                unprocessed = client.batch_write_item(RequestItems=unprocessed).get("UnprocessedItems")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, names))


def scope_of(days: int, compared: bool) -> Scope:
    """The last `days`, compared with as many days before or with nothing."""
    period = Period(LAST - timedelta(days=days - 1), LAST)
    now = datetime(LAST.year, LAST.month, LAST.day, 12, tzinfo=UTC)
    return Scope(period=period, previous=period.previous(LAST) if compared else None, now=now)


def measured(counter: QueryCounter, table: str, names: Sequence[str], days: int, compared: bool = False) -> Cost:
    """The fastest of a few reports."""
    scope, by = scope_of(days, compared), ("consumer", "model")
    reader = OperatorLedger(counter.client, table, lambda: "benchmark", lambda: datetime.now(UTC))
    best: Cost | None = None
    for _ in range(ROUNDS):
        began = time.perf_counter()
        totals = rollups.read_totals(reader, names, scope.periods, rows.groupings(by, scope))
        rows.build_report("bench", by, scope, totals)
        cost = counter.cost(time.perf_counter() - began)
        best = cost if best is None or cost.seconds < best.seconds else best
    assert best is not None
    return best


def page_of(counter: QueryCounter, table: str, names: Sequence[str], days: int) -> tuple[float, int]:
    """Seconds and bytes of the HTML page."""
    scope = scope_of(days, compared=True)
    reader = OperatorLedger(counter.client, table, lambda: "benchmark", lambda: datetime.now(UTC))
    began = time.perf_counter()
    by_field = groupings(scope)
    totals = rollups.read_totals(reader, names, scope.periods, list(by_field.values()))
    fields: dict[str, Any] = dict(zip(by_field, totals, strict=True))
    data = PageData(
        environment="bench",
        scope=scope,
        filters=[],
        budgets=[],
        price_versions=[],
        key_labels={},
        **fields,
    )
    html = render_report(data)
    counter.cost(0)
    return time.perf_counter() - began, len(html.encode())


def main() -> int:
    """Exit 1 if a report costs more than the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--consumers", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=90)
    options = parser.parse_args()
    days, names = options.days, [f"team-{place:04d}" for place in range(options.consumers)]
    single = [f"single-{place:04d}" for place in range(options.consumers // 4)]
    with tempfile.TemporaryDirectory() as folder, Cloud.start(log_path=Path(folder) / "cloud.log") as cloud:
        counter = QueryCounter(cloud.client("dynamodb"))
        few, many = create_table(cloud), create_table(cloud)
        fill(counter.client, few, names, days, 2, FEW)
        fill(counter.client, many, names, days, 2, MANY)
        fill(counter.client, many, single, days, 1, MANY)
        base = measured(counter, many, names, days)
        quarter = measured(counter, many, names[: len(single)], days)
        comparisons = [
            (f"{FEW * base.rollups:,} requests", measured(counter, few, names, days), base),
            ("half the days", measured(counter, many, names, days // 2), base),
            ("half the days and as many before", measured(counter, many, names, days // 2, compared=True), base),
            ("a quarter of the consumers", quarter, base),
            ("one model instead of two, these consumers", measured(counter, many, single, days), quarter),
        ]
        seconds, bytes_ = page_of(counter, many, names, days)
    print(f"{len(names):,} consumers x {days} days x 2 models")
    print(f"{f'{MANY * base.rollups:,} requests':<42} {_text(base)}")
    for name, cost, other in comparisons:
        print(f"{name:<42} {_text(cost)}   {_ratios(cost, other)}")
    print(f"the HTML page of all of it: {seconds:.1f} s, {bytes_ / 1000:.0f} KB")
    same = comparisons[0][1]
    within = base.units <= MAX_UNITS_RATIO * same.units and base.seconds <= MAX_TIME_RATIO * same.seconds
    return int(same.queries != base.queries or not within)


def _text(cost: Cost) -> str:
    return f"{cost.rollups:>8,} rollups {cost.queries:>6,} queries {cost.units:>9,.0f} RCU {cost.seconds:>7.2f} s"


def _ratios(cost: Cost, base: Cost) -> str:
    pairs = ((cost.queries, base.queries), (cost.units, base.units), (cost.seconds, base.seconds))
    return " ".join(f"{value / other:>5.2f}" for value, other in pairs) + " x queries, RCU, time"


if __name__ == "__main__":
    sys.exit(main())
