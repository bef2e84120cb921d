"""Parallel requests to several gateways, as Lambda runs one sandbox per concurrent request."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from lambda_src.contract import account_pk
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.gateway import Gateway
from tests.bench import Bench, request
from tests.money.faults import rows_of

_T = TypeVar("_T")
API_GATEWAY_SECONDS = 29.0


def run_parallel(jobs: Sequence[Callable[[], _T]]) -> list[_T]:
    """Start all `jobs` at the same time, each in its own thread, and return their results."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], _T]) -> _T:
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def warm_gateways(bench: Bench, key_id: str, sandboxes: int, **changes: Any) -> list[Gateway]:
    """Gateways with key, policy, models and secret in their caches, as after a sandbox's first request."""
    gateways = [bench.gateway(**changes) for _ in range(sandboxes)]
    for gateway in gateways:
        gateway.handle(request(key_id, {}, path="/v1/models", method="GET"), API_GATEWAY_SECONDS)
        gateway.secrets.get("bench/openai", float("inf"))
    return gateways


def send_parallel(gateways: Sequence[Gateway], requests: Sequence[HttpRequest]) -> list[HttpResponse]:
    """The responses to `requests`, sent at the same time and distributed over `gateways`."""
    pairs = zip(itertools.cycle(gateways), requests, strict=False)
    return run_parallel([lambda pair=pair: pair[0].handle(pair[1], API_GATEWAY_SECONDS) for pair in pairs])


def recent_days() -> set[str]:
    """The UTC days from ten minutes ago to two minutes from now, in case a test runs over midnight."""
    return {datetime.fromtimestamp(time.time() - ago, UTC).strftime("%Y-%m-%d") for ago in (-120, 0, 600)}


def counters_and_rows(bench: Bench, consumer: str, days: set[str]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """The counters of a consumer's account, once what has ended is booked, and its usage rows of billable requests.

    Counters of requests in flight are left out: of amounts reserved and ended by bucket.
    """
    bench.aggregate()
    ledger = bench.ledger()
    item = ledger.get(account_pk(consumer), "ACCOUNT", float("inf"))
    counters = {name: value for name, value in item.items() if name[:2] in ("c|", "s|", "t|", "r|")}
    rows = [row for row in rows_of(ledger, consumer, days, float("inf")) if row["settlement"] != "refused"]
    return counters, [row for row in rows if row["route"] not in ("models", "model")]
