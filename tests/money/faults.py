"""Calls to AWS that go wrong on purpose, around the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lambda_src.edges.aws import AwsClient, AwsError

Fault = Literal["ok", "lost", "down", "down after", "killed", "killed after"]


class Killed(Exception):
    """The process ended here: nothing of ours may catch it."""


class FaultyAws(AwsClient):
    """Real calls, except those for which `plan` says otherwise (first in, first out; then all goes well).

    lost: done, but the answer never comes, so that it is sent again. down, down after: the service fails for good,
    before or after the call was done. killed, killed after: the process ends then.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.plan: list[Fault] = []

    def _next(self) -> Fault:
        """What happens to the next call."""
        return self.plan.pop(0) if self.plan else "ok"

    def _once(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        fault = self._next()
        if fault == "down":
            raise AwsError("Down", "not done, and no time left")
        if fault == "killed":
            raise Killed
        answer = super()._once(service, headers, body, deadline)
        if fault == "lost":
            raise AwsError("Unreachable", "answer lost by the test")
        if fault == "down after":
            raise AwsError("Down", "done, but its answer never came, and no time left")
        if fault == "killed after":
            raise Killed
        return answer


def rows_of(ledger: Any, consumer: str, days: set[str], deadline: float) -> list[dict[str, Any]]:
    """All usage rows of a consumer on `days`."""
    return [row for day in sorted(days) for row in ledger.query_partition(f"USAGE#{consumer}#{day}", deadline)]


def request_id_of(row: Mapping[str, Any]) -> str:
    """Whose row it is: the sort key says it."""
    return str(row["sk"]).partition("#")[2]
