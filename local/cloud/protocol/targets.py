"""Operations that MiniStack's services lack, by the name in the `X-Amz-Target` header.

AWS: "AWS JSON 1.1 protocol" (smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Operations = Mapping[str, Callable[[dict[str, Any]], Any]]
"""By name: from the request's document to MiniStack's answer (status, headers, body)."""


def add(service: Any, operations: Operations) -> None:
    """Answer these operations, old or new, instead of the service; every other one passes."""
    answer_others = service.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:
        operation = operations.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await answer_others(method, path, headers, body, query_params)
        return operation(json.loads(body or b"{}"))

    service.handle_request = handle_request
