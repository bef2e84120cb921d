"""Faults on demand: what AWS does now and then, and an emulator never.

AWS: "Error retries and exponential backoff" (sdkref/latest/guide/feature-retry-behavior.html), "Error handling with
DynamoDB" (amazondynamodb/latest/developerguide/Programming.Errors.html), TooManyRequestsException with `Retry-After`
(apigateway/latest/api/API_CreateApiKey.html). A test asks for them through `local.cloud.client.Cloud.fault`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from ministack import app as ministack_app
from ministack.core import iam_actions
from ministack.core.responses import error_response_json

from local.cloud.cloudwatch.metrics.aws_dynamodb import tables_of
from local.cloud.protocol import operation

THROTTLING: Final = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException"})
NAMES: Final = {"cloudwatch": "monitoring", "resourcegroupstaggingapi": "tagging"}
"""MiniStack's names of services that boto3 calls otherwise."""


@dataclass(slots=True)
class InjectedFault:
    """Requests to a service, of some operations (none: all) and to one table or of all, get this error.

    times: how many requests are left to fail; None: every one until the fault is ended.
    retry_after: seconds of the header `Retry-After`; None: no such header.
    """

    service: str
    code: str
    status: int = 400
    operations: tuple[str, ...] = ()
    table: str | None = None
    times: int | None = None
    retry_after: int | None = None

    def hits(self, operation: str | None, request: dict[str, Any]) -> bool:
        """Whether a request to its service is to fail; counts the ones that do."""
        matches = (not self.operations or operation in self.operations) and (
            self.table is None or self.table in tables_of(request)
        )
        if not matches or self.times == 0:
            return False
        self.times = None if self.times is None else self.times - 1
        return True

    def answer(self, operation: str | None, headers: dict[str, str], request: dict[str, Any], request_id: str) -> Any:
        """The error in the protocol of the request: a throttled transaction is cancelled, each item with its reason."""
        message = f"{self.code}: asked for by a test"
        if operation == "TransactWriteItems" and self.code in THROTTLING:
            reasons = [{"Code": "ThrottlingError", "Message": message} for _ in request["TransactItems"]]
            codes = ", ".join(reason["Code"] for reason in reasons)
            text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            extra = {"CancellationReasons": reasons}
            return error_response_json("TransactionCanceledException", text, 400, extra=extra)
        _, answer_headers, body = iam_actions.access_denied_response(
            NAMES.get(self.service, self.service),
            operation,
            "",
            request_id,
            error_code=self.code,
            message=message,
            headers=headers,
        )
        after = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return self.status, answer_headers | after, body


_active: dict[str, InjectedFault] = {}
_dispatch = ministack_app._dispatch_service_request


def apply() -> None:
    """Wrap the way of every request to a service; calls of a deployed API go another."""
    ministack_app._dispatch_service_request = dispatch


async def dispatch(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any, request_id: str
) -> Any:
    """Requests fail that are told to; every other one passes."""
    if _active:
        params = ministack_app._routing_params(method, path, headers, body, query_params)
        service = ministack_app.detect_service(method, path, headers, params)
        faults = [fault for fault in _active.values() if NAMES.get(fault.service, fault.service) == service]
        if faults:
            named = operation.operation(service, method, path, headers, body, params)
            request = operation.document(headers, body)
            for fault in faults:
                if fault.hits(named, request):
                    return fault.answer(named, headers, request, request_id)
    return await _dispatch(method, path, headers, body, query_params, request_id)


def begin(fault: InjectedFault) -> str:
    """Let requests fail from now on; returns what `end` needs."""
    if NAMES.get(fault.service, fault.service) not in ministack_app.SERVICE_HANDLERS:
        raise ValueError(f"service {fault.service!r} is not one of this cloud's; name it as boto3 does")
    identifier = uuid.uuid4().hex
    _active[identifier] = fault
    return identifier


def end(identifier: str) -> None:
    """Let them succeed again."""
    _active.pop(identifier, None)
