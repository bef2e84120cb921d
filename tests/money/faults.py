"""An AWS client whose calls fail on purpose, and readers of usage rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lambda_src.edges.aws import AwsClient, AwsError

Fault = Literal["ok", "lost", "down", "down after", "killed", "killed after"]


class Killed(Exception):
    """The process is killed here. The gateway must not catch it."""


class FaultyAws(AwsClient):
    """Real calls, except for the faults in `plan`: one per call, in order; an empty plan means no faults.

    lost: the call succeeds, but its response is lost, so the client retries. down, down after: the call fails without
    a retry, before or after AWS executed it. killed, killed after: the process ends before or after the call.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.plan: list[Fault] = []

    def _next(self) -> Fault:
        """The fault of the next call."""
        return self.plan.pop(0) if self.plan else "ok"

    def _attempt(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        fault = self._next()
        if fault == "down":
            raise AwsError("Down", "not executed by the test; no time left for a retry")
        if fault == "killed":
            raise Killed
        response = super()._attempt(service, headers, body, deadline)
        if fault == "lost":
            raise AwsError("Unreachable", "response lost by the test")
        if fault == "down after":
            raise AwsError("Down", "executed, response lost by the test; no time left for a retry")
        if fault == "killed after":
            raise Killed
        return response


def rows_of(ledger: Any, consumer: str, days: set[str], deadline: float) -> list[dict[str, Any]]:
    """All usage rows of a consumer on `days`."""
    return [row for day in sorted(days) for row in ledger.query_partition(f"USAGE#{consumer}#{day}", deadline)]


def request_id_of(row: Mapping[str, Any]) -> str:
    """The request id in a row's sort key."""
    return str(row["sk"]).partition("#")[2]
