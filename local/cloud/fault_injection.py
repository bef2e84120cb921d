"""Errors that AWS returns now and then and an emulator never does, on demand.

AWS: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html. A test injects them through
`local.cloud.client.Cloud.fault`.
Test: tests/gateway/test_faults.py::test_aws_access_denied_is_not_retried
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ministack import app as ministack_app
from ministack.core import iam_actions
from ministack.core.responses import error_response_json

THROTTLING: Final = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException"})


@dataclass(slots=True)
class InjectedFault:
    """Requests to a service get an error. Parameters: `local.cloud.client.Cloud.fault`."""

    service: str
    code: str
    status: int
    operations: Sequence[str]
    times: int | None


_active: dict[str, InjectedFault] = {}
_dispatch = ministack_app._dispatch_service_request


def apply() -> None:
    """Wrap the function that dispatches requests to services. Requests to a stage take another way."""
    ministack_app._dispatch_service_request = dispatch


async def dispatch(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any, request_id: str
) -> Any:
    """Return an injected error, or handle the request."""
    if _active:
        params = ministack_app._routing_params(method, path, headers, body, query_params)
        service = ministack_app.detect_service(method, path, headers, params)
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        operation = operation or iam_actions._match_rest_action(service, method, path, params) or ""
        for fault in _active.values():
            if (
                fault.service == service
                and (not fault.operations or operation in fault.operations)
                and fault.times != 0
            ):
                fault.times = None if fault.times is None else fault.times - 1
                return _error(fault, operation, headers, body, request_id)
    return await _dispatch(method, path, headers, body, query_params, request_id)


def _error(fault: InjectedFault, operation: str, headers: dict[str, str], body: bytes, request_id: str) -> Any:
    """The error in the service's protocol. A throttled transaction is cancelled, with a reason for each item."""
    message = f"{fault.code}: injected by a test"
    if operation == "TransactWriteItems" and fault.code in THROTTLING:
        reasons = [{"Code": "ThrottlingError", "Message": message} for _ in json.loads(body)["TransactItems"]]
        return error_response_json("TransactionCanceledException", message, 400, extra={"CancellationReasons": reasons})
    _, answer_headers, answer = iam_actions.access_denied_response(
        fault.service, operation, "", request_id, error_code=fault.code, message=message, headers=headers
    )
    return fault.status, answer_headers, answer


def begin(fault: InjectedFault) -> str:
    """Inject the fault from now on; returns the id that `end` takes."""
    if fault.service not in ministack_app.SERVICE_HANDLERS:
        raise ValueError(f"the embedded cloud has no service {fault.service!r}")
    identifier = uuid.uuid4().hex
    _active[identifier] = fault
    return identifier


def end(identifier: str) -> None:
    """Stop injecting it."""
    _active.pop(identifier, None)
