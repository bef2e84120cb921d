"""An AWS client whose calls fail on purpose, and readers of usage rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

from lambda_src.contract import usage_pks
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import deserialize_item
from tests.in_process import ENVIRONMENT, InProcessAws

Fault = Literal[
    "ok", "lost", "late", "throttled", "conflict", "overtaken", "down", "down after", "killed", "killed after"
]
SIGNATURE_SECONDS = 300
"""How long AWS accepts a signature, and so a call that the network delivers late."""


class Killed(Exception):
    """The process is killed here. The gateway must not catch it."""


class FaultyAws(AwsClient):
    """Real calls, except for the faults in `plan`: one per call, in order; an empty plan means no faults.

    These calls are retried by the client:
    lost: the call succeeds, but its response is lost. late: the call gets lost on its way, and arrives with
    `deliver_late`. throttled, conflict: DynamoDB rejects the call.

    These are not:
    down, down after: the call fails before or after AWS executed it. killed, killed after: the process ends before or
    after the call. overtaken: `meanwhile` runs before the call, as another process would.
    """

    def __init__(self, environ: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        super().__init__(environ)
        self.plan: list[Fault] = []
        self.attempts = 0
        self.met: Counter[Fault] = Counter()
        self.meanwhile: Callable[[], None] = lambda: None
        self.late: list[tuple[float, str, Mapping[str, str], bytes]] = []
        self._now = now

    def deliver_late(self) -> None:
        """Execute the calls that got lost on their way. AWS rejects those whose signature has expired."""
        late, self.late = self.late, []
        for sent_at, service, headers, body in late:
            if abs(self._now() - sent_at) <= SIGNATURE_SECONDS:
                self.attempts += 1
                with suppress(AwsError):
                    super()._attempt(service, headers, body, time.monotonic() + 10)

    def _next(self) -> Fault:
        """The fault of the next call."""
        self.attempts += 1
        return self.plan.pop(0) if self.plan else "ok"

    def _attempt(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        fault = self._next()
        self.met[fault] += 1
        if fault == "down":
            raise AwsError("Down", "not executed by the test; no time left for a retry")
        if fault == "killed":
            raise Killed
        if fault == "throttled":
            raise AwsError("ThrottlingException", "rejected by the test", status=400)
        if fault == "conflict":
            raise AwsError("TransactionConflictException", "rejected by the test", status=400)
        if fault == "late":
            self.late.append((self._now(), service, headers, body))
            raise AwsError("Unreachable", "delayed by the test", may_be_executed=True)
        if fault == "overtaken":
            plan, self.plan = self.plan, []
            self.meanwhile()
            self.plan = plan
        response = super()._attempt(service, headers, body, deadline)
        if fault == "lost":
            raise AwsError("Unreachable", "response lost by the test", may_be_executed=True)
        if fault == "down after":
            raise AwsError("Down", "executed, response lost by the test; no time left for a retry")
        if fault == "killed after":
            raise Killed
        return response


class InProcessFaultyAws(FaultyAws, InProcessAws):
    """FaultyAws with DynamoDB in this process."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(ENVIRONMENT, now)


def rows_of(ledger: Any, consumer: str, days: set[str], deadline: float) -> list[dict[str, Any]]:
    """All usage rows of a consumer on `days`, by time."""
    rows = [row for day in days for pk in usage_pks(consumer, day) for row in ledger.query_partition(pk, deadline)]
    return sorted(rows, key=lambda row: str(row["sk"]))


def all_items(aws: AwsClient, table: str) -> list[dict[str, Any]]:
    """Every item of a table. A boto3 client would take five times as long."""
    items: list[dict[str, Any]] = []
    page: dict[str, object] = {"TableName": table, "ConsistentRead": True}
    while True:
        response = aws.call("dynamodb", "DynamoDB_20120810.Scan", page, deadline=float("inf"))
        items += [deserialize_item(item) for item in response["Items"]]
        if "LastEvaluatedKey" not in response:
            return items
        page["ExclusiveStartKey"] = response["LastEvaluatedKey"]


def request_id_of(row: Mapping[str, Any]) -> str:
    """The request id in a row's sort key."""
    return str(row["sk"]).partition("#")[2]
