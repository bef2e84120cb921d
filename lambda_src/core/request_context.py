"""The state of a request that the steps of the request flow share."""

from __future__ import annotations

import time
from collections.abc import Collection
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
    """A request, its usage record and its clock.

    started, deadline: time.monotonic seconds; the response must be sent by `deadline`.
    log_prompt: the request was forwarded and its consumer has a prompt log.
    """

    request: HttpRequest
    record: UsageRecord
    trace: Trace
    started: float
    deadline: float
    log_prompt: bool = False

    @property
    def route(self) -> Route:
        """The request's route. BadRequest if the API has none for its method and path."""
        if self.request.route is None:
            raise BadRequest("not_found", "this API has no such method and path. Start with GET /v1/models.")
        return self.request.route


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request with a hold. body: the bytes to forward. account: as it was after the reserve.

    models: all models of the environment.
    """

    caller: Caller
    parsed: ParsedRequest
    body: bytes
    model: Model
    estimate: Estimate
    hold: Hold
    account: Account
    models: Collection[Model] = ()


def elapsed_ms(started: float, until: float | None = None) -> int:
    """Milliseconds from `started` until `until`, by default until now. Both are time.monotonic values."""
    return int(((time.monotonic() if until is None else until) - started) * 1000)
