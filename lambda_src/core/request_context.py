"""What the steps of a request hand to each other."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lambda_src.contract import Route
from lambda_src.core.account import Account, Hold
from lambda_src.core.admission import Caller
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.errors import BadRequest
from lambda_src.core.estimate import Estimate
from lambda_src.core.http_event import HttpRequest
from lambda_src.core.policy import Model
from lambda_src.core.trace import Trace
from lambda_src.core.usage_record import UsageRecord


@dataclass(slots=True)
class RequestContext:
    """One request on its way: what came, the record that is written of it, and its clock (time.monotonic seconds).

    until: when the answer has to be out. for_prompt_log: it was sent on, and its consumer wants to read it again.
    """

    request: HttpRequest
    record: UsageRecord
    trace: Trace
    began: float
    until: float
    for_prompt_log: bool = False

    @property
    def route(self) -> Route:
        """The method that was called; BadRequest where this Lambda does not know it."""
        if self.request.route is None:
            raise BadRequest("not_found", "no such method on this API; docs: see /v1/models for a start.", status=404)
        return self.request.route


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """An admitted request: who, what (body: as it is sent on), and the hold that pays for it."""

    caller: Caller
    asked: ParsedRequest
    body: bytes
    model: Model
    estimate: Estimate
    hold: Hold
    account: Account
    stale: tuple[str, ...]


def milliseconds(since: float) -> int:
    """Whole milliseconds since that reading of time.monotonic."""
    return int((time.monotonic() - since) * 1000)
