"""Several gateways at once, as Lambda runs one sandbox per concurrent request."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lambda_src.contract import account_pk
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.edges.ledger import Ledger
from lambda_src.gateway import Gateway
from tests.bench import Bench, request
from tests.money.faults import rows_of

_T = TypeVar("_T")
API_GATEWAY_SECONDS = 29.0


def at_once(jobs: Sequence[Callable[[], _T]]) -> list[_T]:
    """What `jobs` return, all begun at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], _T]) -> _T:
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def warm(bench: Bench, key_id: str, sandboxes: int, **changes: Any) -> list[Gateway]:
    """Gateways that know the key, its policy, the models and the secret, as all but a sandbox's first request do."""
    gateways = [bench.gateway(**changes) for _ in range(sandboxes)]
    for gateway in gateways:
        gateway.handle(request(key_id, {}, path="/v1/models", method="GET"), API_GATEWAY_SECONDS)
        gateway.secrets.get("bench/openai", float("inf"))
    return gateways


def send_all(gateways: Sequence[Gateway], requests: Sequence[HttpRequest]) -> list[HttpResponse]:
    """The answers to `requests`, sent at the same moment and spread over `gateways`."""
    pairs = zip(itertools.cycle(gateways), requests, strict=False)
    return at_once([lambda pair=pair: pair[0].handle(pair[1], API_GATEWAY_SECONDS) for pair in pairs])


def books(ledger: Ledger, consumer: str, days: set[str]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """The counters of a consumer's account, holds as 1 each, and its usage rows that cost or may cost something."""
    item = ledger.get(account_pk(consumer), "ACCOUNT", float("inf"))
    counters = {name: 1 if name.startswith("h|") else value for name, value in item.items() if "|" in name}
    rows = [row for row in rows_of(ledger, consumer, days, float("inf")) if row["settlement"] != "refused"]
    return counters, [row for row in rows if row["route"] not in ("models", "model")]
