"""Adds operations of the AWS JSON protocol to a MiniStack service.

docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html (X-Amz-Target names the operation).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Request = dict[str, Any]
Operation = Callable[[Request], Any]
"""Takes the request's document and returns MiniStack's response: status, headers and body."""


def add(service: Any, operations: Mapping[str, Operation]) -> None:
    """Let `operations`, by name, handle requests to `service`; it handles all others itself."""
    handle_others = service.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
        operation = operations.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await handle_others(method, path, headers, body, query_params)
        return operation(json.loads(body or b"{}"))

    service.handle_request = handle_request
