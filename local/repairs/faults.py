"""Faults on demand: what AWS does now and then, and an emulator never.

AWS: "Error handling with DynamoDB" (amazondynamodb/latest/developerguide/Programming.Errors.html), "Common errors" of
Secrets Manager. A test asks for them through `local.cloud.Cloud.fault`.
"""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ministack.core.responses import error_response_json

from local.repairs.metrics_tables import tables_of

SERVICES: Final = ("dynamodb", "secretsmanager")
THROTTLING: Final = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Requests to a service, of some operations (none: all) and to one table or of all, get this error."""

    service: str
    code: str
    status: int = 400
    operations: tuple[str, ...] = ()
    table: str | None = None

    def hits(self, service: str, operation: str, request: dict[str, Any]) -> bool:
        """Whether a request is to fail."""
        return (
            service == self.service
            and (not self.operations or operation in self.operations)
            and (self.table is None or self.table in tables_of(request))
        )

    def answer(self, operation: str, request: dict[str, Any]) -> Any:
        """The error as the service answers it: a throttled transaction is cancelled, each item with its reason."""
        message = f"{self.code}: asked for by a test"
        if operation == "TransactWriteItems" and self.code in THROTTLING:
            reasons = [{"Code": "ThrottlingError", "Message": message} for _ in request["TransactItems"]]
            codes = ", ".join(reason["Code"] for reason in reasons)
            text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            extra = {"CancellationReasons": reasons}
            return error_response_json("TransactionCanceledException", text, 400, extra=extra)
        return error_response_json(self.code, message, self.status)


_active: dict[str, Fault] = {}


def apply() -> None:
    """Wrap the entries of the services that can be told to fail."""
    for service in SERVICES:
        module: Any = importlib.import_module(f"ministack.services.{service}")
        module.handle_request = _failing(service, module.handle_request)


def _failing(service: str, handle: Callable[..., Any]) -> Callable[..., Any]:
    async def failing(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        for fault in tuple(_active.values()):
            request = json.loads(body or b"{}")
            if fault.hits(service, operation, request):
                return fault.answer(operation, request)
        return await handle(method, path, headers, body, query_params)

    return failing


def begin(fault: Fault) -> str:
    """Let requests fail from now on; returns what `end` needs."""
    if fault.service not in SERVICES:
        raise ValueError(f"service {fault.service!r} cannot be told to fail; these can: {', '.join(SERVICES)}")
    identifier = uuid.uuid4().hex
    _active[identifier] = fault
    return identifier


def end(identifier: str) -> None:
    """Let them succeed again."""
    _active.pop(identifier, None)
