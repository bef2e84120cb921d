"""Thirty-two callers at once: the ledger is the provider's own count, and follows within seconds.

HYPOTHESIS_PROFILE=long sends for a minute.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from lambda_src.contract import ACCOUNT_SK, account_pk, rollup_pk
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.dynamodb_table import DynamoDBTable
from local.provider.call_log import ServedCall
from tests.e2e.command import Command
from tests.e2e.conftest import System, ledger_differences
from tests.money.conftest import LONG
from tests.money.faults import all_items, request_id_of

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

THREADS = 32
SECONDS = 60 if LONG else 10
BOOKED_SECONDS = 2.0
PRICES = {"input": 1_000, "cache_read": 100, "output": 4_000}
"""Of standin-small, in nano-USD per token."""
CONSUMER = "alpha"


class Booked:
    """What is booked of a consumer's requests."""

    def __init__(self, system: System) -> None:
        self._aws = AwsClient(system.cloud.environment())
        self._table = str(system.outputs["table"])
        self._items = DynamoDBTable(self._aws, self._table)

    def spent(self) -> tuple[int, int]:
        """Nano-USD in the account, and in the rollups."""
        deadline = time.monotonic() + 10
        rollups = self._items.query_partition(rollup_pk(CONSUMER), deadline)
        account = self._items.get(account_pk(CONSUMER), ACCOUNT_SK, deadline)
        return int(account.get("s|total|all", 0)), sum(rollup.get("cost_nano_usd", 0) for rollup in rollups)

    def is_exact(self) -> bool:
        """Whether the account and the rollups are the sums of the rows."""
        rows = self.rows().values()
        spent = sum(row["cost_nano_usd"] for row in rows)
        held = sum(row["held_nano_usd"] for row in rows if row["settlement"] == "held")
        committed = self._items.get(account_pk(CONSUMER), ACCOUNT_SK, time.monotonic() + 10)["c|total|all"]
        return self.spent() == (spent, spent) and committed == spent + held

    def rows(self) -> dict[str, dict[str, Any]]:
        """The consumer's usage rows by request id."""
        items = all_items(self._aws, self._table)
        return {request_id_of(item): item for item in items if item["pk"].startswith(f"USAGE#{CONSUMER}#")}


class Caller:
    """Sends requests with the consumer's key."""

    def __init__(self, system: System) -> None:
        self._url = f"{system.url}/v1/chat/completions"
        self._headers = {"content-type": "application/json", "x-api-key": system.key(CONSUMER)}
        self._pool = urllib3.PoolManager(retries=False, maxsize=THREADS)

    def send(self, number: int) -> tuple[int, str]:
        """Status and id of a request whose length depends on its number."""
        messages = [{"role": "user", "content": "word " * (1 + number % 50)}]
        body = json.dumps({"model": "standin-small", "messages": messages, "max_tokens": 5 + number % 20})
        response = self._pool.request("POST", self._url, body=body, headers=self._headers)
        return response.status, response.headers.get("x-tollgate-request-id", "")

    def send_until(self, end: float) -> Counter[int]:
        """Send one request after the other; the number of responses by status."""
        statuses: Counter[int] = Counter()
        while time.monotonic() < end:
            statuses[self.send(statuses.total())[0]] += 1
        return statuses


@pytest.fixture
def booked(system: System) -> Booked:
    return Booked(system)


def cost(call: ServedCall) -> int:
    """The cost in nano-USD of a call that the provider recorded."""
    return sum(getattr(call.tokens, name) * price for name, price in PRICES.items())


def wait_for(condition: Callable[[], bool], seconds: float) -> float:
    """Seconds until the condition holds. AssertionError if it does not within `seconds`."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} seconds"
        time.sleep(0.01)
    return time.monotonic() - started


@pytest.mark.timeout(300)
def test_ledger_is_the_providers_count(system: System, tollgate: Command, booked: Booked) -> None:
    """On a busy machine, some requests exceed a timeout: their rows have estimates, or are held for the sweeper."""
    caller, before = Caller(system), booked.rows()
    system.provider.clear()
    with ThreadPoolExecutor(THREADS) as pool:
        statuses = Counter(status for status, _ in pool.map(caller.send, range(THREADS)))  # start the sandboxes
        end = time.monotonic() + SECONDS
        statuses = sum(pool.map(lambda _: caller.send_until(end), range(THREADS)), statuses)
    lag = wait_for(booked.is_exact, 60)

    rows = [row for request_id, row in booked.rows().items() if request_id not in before]
    billed = {call.request_id: cost(call) for call in system.provider.calls()}
    reported = {row["provider_request_id"]: row["cost_nano_usd"] for row in rows if row["usage_source"] == "reported"}
    assert reported == {request_id: billed[request_id] for request_id in reported}
    assert len(reported) >= statuses[200] > statuses.total() / 2
    if set(statuses) == {200}:
        assert len(rows) == statuses.total()
        assert reported == billed
    assert ledger_differences(tollgate) == []
    print(
        f"{dict(statuses)} in {SECONDS} s, {sum(billed.values())} nano-USD, booked {lag:.2f} s after the last response"
    )


def test_spend_follows_within_two_seconds(system: System, tollgate: Command, booked: Booked) -> None:
    caller, delays = Caller(system), []
    for number in range(40):
        before = booked.spent()
        status, request_id = caller.send(number)
        assert status == 200
        if number == 0:  # its row can be read at once
            shown = tollgate.here("--output", "json", "usage", "show", request_id).json
            assert (shown["booked"], shown["request"]["settlement"]) == (True, "settled")
        delays.append(
            wait_for(lambda before=before: all(a > b for a, b in zip(booked.spent(), before, strict=True)), 10)
        )
    delays.sort()
    print(f"booked after {delays[20]:.3f} s (median), {delays[38]:.3f} s (p95)")
    assert delays[38] < BOOKED_SECONDS
