"""What a report costs: it follows days x consumers x models, and not the number of requests.

    .venv/bin/python -m benchmarks.report [--consumers 1000] [--days 90]

Two ledgers on the embedded DynamoDB with the same rollups, one with a single request in each, one with ninety-seven.
Each report is read and added up as `tollgate usage report --by consumer,model` and its HTML page do. RCU are counted
from the items' sizes by DynamoDB's rules; the emulator's own count is not exact. Target: ninety-seven times the
requests cost the same queries, at most a tenth more time and a fifth more read units: larger numbers have more digits.
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

from admin.report import rollups, rows
from admin.report.page.data import PageData, groupings
from admin.report.page.page import render_report
from admin.report.period import Period
from admin.table import OperatorLedger
from lambda_src.contract import PK, SK, rollup_pk, rollup_sk
from lambda_src.edges.dynamodb_attributes import serialize_item
from local.cloud.client import Cloud
from tests.bench import create_table

LAST: Final = date(2026, 11, 23)
FEW: Final = 1
MANY: Final = 97
BATCH: Final = 25
MOST_SECONDS: Final = 1.1
MOST_UNITS: Final = 1.2
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What one report took: rollups read, DynamoDB queries, read units (eventually consistent), seconds."""

    rollups: int
    queries: int
    units: float
    seconds: float


class Counted:
    """A DynamoDB client's queries and the size of what they brought."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.answers: list[tuple[int, int]] = []
        client.meta.events.register("after-call.dynamodb.Query", self._note)

    def _note(self, parsed: Any, **_: object) -> None:
        self.answers.append((len(parsed["Items"]), sum(map(size, parsed["Items"]))))

    def cost(self, seconds: float) -> Cost:
        """Since the last time this was asked."""
        answers, self.answers = self.answers, []
        # Half a unit per 4 KB of a query's items together (amazondynamodb/latest/developerguide/read-write-operations).
        units = sum(-(-max(1, read) // 4096) / 2 for _, read in answers)
        return Cost(sum(count for count, _ in answers), len(answers), units, seconds)


def size(attributes: dict[str, Any]) -> int:
    """Bytes of an item (amazondynamodb/latest/developerguide/CapacityUnitCalculations)."""
    return sum(
        len(name) + (len(value["S"].encode()) if "S" in value else (len(value["N"].strip("0")) + 1) // 2 + 1)
        for name, value in attributes.items()
    )


def items(consumer: str, days: int, models: int, requests: int) -> Iterator[dict[str, Any]]:
    """A consumer's rollups, of `requests` each: the same attributes whatever their number."""
    for day in range(days):
        for model in range(models):
            values = {
                "requests": requests,
                "cost_nano_usd": requests * 2_134_567,
                "tokens_input": requests * 813,
                "tokens_cache_read": requests * 207,
                "tokens_output": requests * 154,
                "latency_ms": requests * 911,
                "status_200": requests,
                "ms_500": requests,
                "ms_1000": requests,
                "ms_2000": requests,
            }
            sk = rollup_sk((LAST - timedelta(days=day)).isoformat(), f"model-{model}", f"key-{consumer}")
            yield serialize_item({PK: rollup_pk(consumer), SK: sk, **values})


def fill(client: Any, table: str, names: Sequence[str], days: int, models: int, requests: int) -> None:
    """Write the rollups of all these consumers, each of so many requests."""

    def write(name: str) -> None:
        puts = [{"PutRequest": {"Item": made}} for made in items(name, days, models, requests)]
        for start in range(0, len(puts), BATCH):
            asked: Any = {table: puts[start : start + BATCH]}
            while asked:
                asked = client.batch_write_item(RequestItems=asked).get("UnprocessedItems")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, names))


def measured(counted: Counted, table: str, names: Sequence[str], days: int) -> Cost:
    """The quickest of a few reports."""
    period = Period(LAST - timedelta(days=days - 1), LAST)
    reader = OperatorLedger(counted.client, table, lambda: "nobody", lambda: datetime.now(UTC))
    best: Cost | None = None
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = rollups.read_totals(reader, names, period, rows.groupings(("consumer", "model")))
        rows.build_report("bench", "now", period, ("consumer", "model"), found)
        cost = counted.cost(time.perf_counter() - began)
        best = cost if best is None or cost.seconds < best.seconds else best
    assert best is not None
    return best


def page_of(counted: Counted, table: str, names: Sequence[str], days: int) -> tuple[float, int]:
    """Seconds and bytes of the HTML page."""
    period = Period(LAST - timedelta(days=days - 1), LAST)
    reader = OperatorLedger(counted.client, table, lambda: "nobody", lambda: datetime.now(UTC))
    began = time.perf_counter()
    by_field = groupings(period)
    totals = rollups.read_totals(reader, names, period, list(by_field.values()))
    fields: dict[str, Any] = dict(zip(by_field, totals, strict=True))
    data = PageData(
        environment="bench",
        period=period,
        at=datetime.now(UTC),
        filters=[],
        budgets=[],
        price_versions=[],
        key_labels={},
        **fields,
    )
    made = render_report(data)
    counted.cost(0)
    return time.perf_counter() - began, len(made.encode())


def main() -> int:
    """0: within the target. 1: not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--consumers", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=90)
    options = parser.parse_args()
    days, names = options.days, [f"team-{place:04d}" for place in range(options.consumers)]
    single = [f"single-{place:04d}" for place in range(options.consumers // 4)]
    with tempfile.TemporaryDirectory() as folder, Cloud.start(log_path=Path(folder) / "cloud.log") as cloud:
        counted = Counted(cloud.client("dynamodb"))
        few, many = create_table(cloud), create_table(cloud)
        fill(counted.client, few, names, days, 2, FEW)
        fill(counted.client, many, names, days, 2, MANY)
        fill(counted.client, many, single, days, 1, MANY)
        base = measured(counted, many, names, days)
        quarter = measured(counted, many, names[: len(single)], days)
        told = [
            (f"{FEW * base.rollups:,} requests", measured(counted, few, names, days), base),
            ("half the days", measured(counted, many, names, days // 2), base),
            ("a quarter of the consumers", quarter, base),
            ("one model instead of two, those consumers", measured(counted, many, single, days), quarter),
        ]
        seconds, bytes_ = page_of(counted, many, names, days)
    print(f"{len(names):,} consumers x {days} days x 2 models")
    print(f"{f'{MANY * base.rollups:,} requests':<42} {_said(base)}")
    for what, cost, beside in told:
        print(f"{what:<42} {_said(cost)}   {_ratios(cost, beside)}")
    print(f"the HTML page of all of it: {seconds:.1f} s, {bytes_ / 1000:.0f} KB")
    same = told[0][1]
    within = base.units <= MOST_UNITS * same.units and base.seconds <= MOST_SECONDS * same.seconds
    return int(same.queries != base.queries or not within)


def _said(cost: Cost) -> str:
    return f"{cost.rollups:>8,} rollups {cost.queries:>6,} queries {cost.units:>9,.0f} RCU {cost.seconds:>7.2f} s"


def _ratios(cost: Cost, base: Cost) -> str:
    pairs = ((cost.queries, base.queries), (cost.units, base.units), (cost.seconds, base.seconds))
    return " ".join(f"{each / beside:>5.2f}" for each, beside in pairs) + " x queries, RCU, time"


if __name__ == "__main__":
    sys.exit(main())
