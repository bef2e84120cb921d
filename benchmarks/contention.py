"""One busy consumer: the ledger and its former design under load, conflicts, throttling, overload and stream lag.

    .venv/bin/python -m benchmarks.contention [--quick]

The ledger, its retries, its limits and the aggregator are the deployed code; they run on a virtual clock with a
simulated DynamoDB. The former design kept the open holds in the account item and settled with a transaction; it is
rebuilt here with the same client. --quick leaves out requests of 15 minutes, which take most of the time.

Assumed, and not measured on AWS:
- A write takes 4 ms, a transaction 12 ms, of which it locks its items for 8 ms. A rejected call takes 4 ms.
- A partition accepts 1,000 write units per second (AWS's limit), without a burst. Each partition key has a partition of
  its own, or all items share one (`one partition`).
- A stream record can be read 0.2 s after its write. Lambda polls each of four shards four times a second, as AWS
  documents, and an invocation takes 10 ms, plus 0.3 ms per record and its writes.
- Requests arrive at random (Poisson). Their durations vary by half, except those of 15 minutes.

Targets: one consumer sustains 300 requests per second of any duration up to 15 minutes; at three times its capacity,
at least 80 % of the capacity is served and the rest rejected within a second with status 429; nothing is charged as
unsettled; spend follows within 2 seconds (p99); the account stays within one write unit.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.former_ledger import ACCOUNT, FormerLedger
from benchmarks.simulated_dynamodb import SimulatedAws, SimulatedTable
from benchmarks.typical_request import CONSUMER, HELD, end, record_of
from benchmarks.virtual_time import VirtualTime
from lambda_src import aggregator as aggregation
from lambda_src.bookkeeping import SETTLE_SECONDS, Bookkeeping
from lambda_src.contract import (
    PK,
    POLICY_SK,
    SK,
    Config,
    consumer_pk,
    rollup_pk,
    usage_pks,
)
from lambda_src.core.account import Account, Hold
from lambda_src.core.errors import LimitReached, Unavailable
from lambda_src.core.policy import policy_from_item
from lambda_src.core.request_context import RequestContext
from lambda_src.core.trace import parse_trace
from lambda_src.core.usage_record import UsageRecord
from lambda_src.core.windows import utc_datetime
from lambda_src.edges import aws as aws_edge
from lambda_src.edges import ledger as ledger_edge
from lambda_src.edges.aws import AwsError
from lambda_src.edges.dynamodb_attributes import serialize_item
from lambda_src.edges.dynamodb_table import item_key
from lambda_src.gateway import ADMIT_SECONDS
from tests.bench import chat, request
from tests.stream import BATCH_SIZE, is_passed_on

EPOCH: Final = 1_795_521_600  # 2026-11-24 12:00 UTC
STREAM_SECONDS: Final = 0.2
POLL_SECONDS: Final = 0.25
INVOCATION_SECONDS, RECORD_SECONDS = 0.010, 0.0003
AGGREGATOR_SECONDS: Final = 60.0
CAPACITY: Final = 900
"""Requests per second that a consumer sustains, as one of the runs shows."""
_POLICY = {
    "consumer": CONSUMER, "plan": "busy", "models": ["*"], "thresholds": [50, 80, 100], "tokens_per_minute": 10**12,
    "budgets": [{"usd_nano": 10**18, "per": per} for per in ("day", "week", "month")],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Load:
    """rate: requests per second. duration: seconds of a request. seconds: how long requests arrive."""

    rate: int
    duration: float
    seconds: float
    former: bool = False
    one_partition: bool = False


LOADS: Final = (
    Load(20, 2, 40, former=True),
    Load(40, 2, 40, former=True),
    Load(20, 5, 40, former=True),
    Load(5, 120, 360, former=True),
    Load(300, 0.5, 20),
    Load(300, 5, 30),
    Load(300, 60, 120),
    Load(300, 900, 960),
    Load(300, 5, 30, one_partition=True),
    Load(CAPACITY, 5, 20),
    Load(3 * CAPACITY, 5, 20),
)


@dataclass(slots=True)
class Figures:
    """What happened to the requests. Times are in seconds."""

    admitted: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    failed: int = 0
    settled: int = 0
    cost: int = 0
    unsettled: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    lags: list[float] = field(default_factory=list)


class Run:
    """One load on one design."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.clock = VirtualTime(EPOCH)
        self.table = SimulatedTable(self.clock, one_partition=load.one_partition)
        self.table.store({**item_key(consumer_pk(CONSUMER), POLICY_SK), **serialize_item(_POLICY)})
        self.figures = Figures()
        self._policy = policy_from_item(_POLICY)
        self._dice = random.Random(1)  # noqa: S311
        self._number = 0
        self._former = FormerLedger(SimulatedAws(self.table), "ledger")
        self._ledger = self._new_ledger(SimulatedAws(self.table))
        self._bookkeeping = Bookkeeping(self._ledger, lambda: None)

    def _new_ledger(self, aws: SimulatedAws) -> ledger_edge.Ledger:
        return ledger_edge.Ledger(aws, "ledger", "bench", 400, self.clock.time)

    def run(self) -> None:
        """Let all requests arrive, end and be booked. AssertionError if account, rollup and rows disagree."""
        random.seed(1)  # of the retries' jitter
        with self.clock.replacing(aws_edge, ledger_edge, aggregation), redirect_stdout(io.StringIO()):
            self.clock.at(0.0, self._arrive)
            for pk in () if self.load.former else usage_pks(CONSUMER, "2026-11-24"):
                config = Config(environment="bench", table="ledger", providers={})
                aws = SimulatedAws(self.table, longest_delay=aggregation.LONGEST_DELAY)
                aggregator = aggregation.Aggregator(config, aws, self._new_ledger(aws))
                self.clock.at(self._dice.uniform(0, POLL_SECONDS), self._poll, pk, aggregator)
            self.clock.run()
        if not self.load.former:
            self._verify()

    def _arrive(self) -> None:
        now = self.clock.monotonic()
        if now < self.load.seconds:
            self.clock.at(now + self._dice.expovariate(self.load.rate), self._arrive)
        self._number += 1
        number = self._number
        at_ms = int(self.clock.time() * 1000)
        record = record_of(number, at_ms)
        hold = Hold(request_id=record.request_id, amount=HELD, deadline=at_ms // 1000 + 960, at_ms=at_ms, tokens=10_396)
        if self._admit(record, hold, now):
            figures = self.figures
            figures.admitted.append(self.clock.monotonic() - now)
            figures.in_flight += 1
            figures.most_in_flight = max(figures.most_in_flight, figures.in_flight)
            longest = self.load.duration >= 900
            duration = self.load.duration * (1 if longest else self._dice.uniform(0.5, 1.5))
            self.clock.at(self.clock.monotonic() + duration, self._end, number, at_ms, duration)

    def _admit(self, record: UsageRecord, hold: Hold, now: float) -> bool:
        """Whether the provider is called."""
        deadline = now + ADMIT_SECONDS
        received = request("key", chat(), request_id=record.request_id, at_ms=record.at_ms)
        context = RequestContext(received, record, parse_trace({}, record.request_id), now, deadline)
        try:
            if self.load.former:
                self._bookkeeping.read(lambda: self._former.reserve(hold, deadline))
            else:
                self._bookkeeping.read(lambda: self._ledger.reserve(hold, CONSUMER, self._policy, deadline))
                self._bookkeeping.open(context, hold, deadline)
        except LimitReached:
            self.figures.busy.append(self.clock.monotonic() - now)
            return False
        except Unavailable:
            self.figures.failed += 1
            return False
        return True

    def _end(self, number: int, at_ms: int, duration: float) -> None:
        figures = self.figures
        if self.clock.monotonic() > self.load.seconds + 30:
            return  # still in flight when the run ends
        figures.in_flight -= 1
        record = record_of(number, at_ms)
        end(record, duration, self._dice.randrange(HELD))
        deadline = self.clock.monotonic() + SETTLE_SECONDS
        try:
            if self.load.former:
                self._former.settle(record, deadline)
            else:
                self._ledger.settle(record, deadline)
        except AwsError:
            figures.unsettled += 1
        else:
            figures.settled += 1
            figures.cost += record.cost_nano_usd

    def _poll(self, pk: str, aggregator: aggregation.Aggregator) -> None:
        """Pass a shard's records on, as the event source mapping does."""
        waiting, now = self.table.records[pk], self.clock.time()
        readable = 0
        for record in waiting:
            if readable == BATCH_SIZE or record["dynamodb"]["ApproximateCreationDateTime"] > now - STREAM_SECONDS:
                break
            readable += 1
        batch = [waiting[index] for index in range(readable) if is_passed_on(waiting[index])]
        if batch:
            self.clock.sleep(INVOCATION_SECONDS + len(batch) * RECORD_SECONDS)
            try:
                aggregator.run(batch, self.clock.monotonic() + AGGREGATOR_SECONDS)
            except AwsError:
                readable = 0  # Lambda passes the batch on again
            else:
                written = (record["dynamodb"]["ApproximateCreationDateTime"] for record in batch)
                self.figures.lags += [self.clock.time() - at for at in written]
        for _ in range(readable):
            waiting.popleft()
        if waiting or self.clock.monotonic() < self.load.seconds + min(30 + SETTLE_SECONDS, self.load.duration * 2 + 7):
            self.clock.at(self.clock.monotonic() + POLL_SECONDS, self._poll, pk, aggregator)

    def _verify(self) -> None:
        account = Account({name: int(value["N"]) for name, value in self.item.items() if "N" in value})
        at = utc_datetime(EPOCH * 1000)
        (rollup,) = self.table.items(rollup_pk(CONSUMER))
        held = self.figures.in_flight + self.figures.unsettled
        assert account.committed("day", at) == self.figures.cost + held * HELD, "committed"
        assert account.spent("day", at) == self.figures.cost == int(rollup["cost_nano_usd"]["N"]), "spent"

    @property
    def served(self) -> float:
        """Requests per second that were admitted and settled, or are still in flight."""
        return (len(self.figures.admitted) - self.figures.unsettled) / self.load.seconds

    @property
    def item(self) -> Any:
        return self.table.item(ACCOUNT[PK]["S"], ACCOUNT[SK]["S"])


def quantile(values: list[float], share: float) -> float:
    """A quantile, in the unit of `values`; 0 if there are none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def line(run: Run) -> list[str]:
    """The cells of a run's row."""
    load, figures, table = run.load, run.figures, run.table
    admitted = max(1, len(figures.admitted))
    asked = admitted + len(figures.busy) + figures.failed
    ended = max(1, figures.settled + figures.unsettled)
    return [
        "former" if load.former else "one partition" if load.one_partition else "ledger",
        f"{load.rate:,}/s of {load.duration:g} s",
        f"{figures.most_in_flight:,}",
        f"{run.served:,.0f}",
        f"{1 - admitted / asked:.0%}",
        f"{figures.unsettled / ended:.0%}",
        f"{quantile(figures.admitted, 0.99) * 1000:,.0f}",
        f"{quantile(figures.busy, 0.99):.1f}" if figures.busy else "",
        f"{sum(table.units.values()) / admitted:.1f}",
        f"{sum(table.throttled.values()) / asked:.1f}",
        f"{table.conflicts / asked:.1f}",
        f"{quantile(figures.lags, 0.99):.1f}" if figures.lags else "",
        f"{table.largest['ACCOUNT']:,}",
    ]


HEADINGS: Final = (
    "design", "requests", "in flight", "served/s", "rejected", "unsettled", "admitted ms p99", "rejected s p99",
    "units", "throttles", "conflicts", "booked s p99", "account bytes",
)  # fmt: skip


def missed(run: Run) -> list[str]:
    """The targets that a run of the ledger misses."""
    figures, overloaded = run.figures, run.load.rate > CAPACITY
    met = {
        "no request is rejected": overloaded or not figures.busy,
        "80 % of the capacity is served": not overloaded or run.served >= 0.8 * CAPACITY,
        "rejected within a second": quantile(figures.busy, 0.99) < 1,
        "nothing fails or is unsettled": not figures.failed and not figures.unsettled,
        "booked within 2 seconds": quantile(figures.lags, 0.99) < 2,
        "the account and each row are one write unit": max(run.table.largest.values()) <= 1_024,
        "at most 6 write units per request": sum(run.table.units.values()) <= 6 * len(figures.admitted),
    }
    return [target for target, is_met in met.items() if not is_met]


def main() -> int:
    """Exit code: 0 if the ledger meets all targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out requests of 15 minutes")
    quick = parser.parse_args().quick
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}", flush=True)
    failed = []
    for load in LOADS:
        if quick and load.duration >= 900:
            continue
        run = Run(load)
        run.run()
        print(f"| {' | '.join(line(run))} |", flush=True)
        if not load.former:
            failed += [f"{line(run)[1]}: missed: {target}" for target in missed(run)]
    print("\n".join(failed) or "all targets are met")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
