"""The request to a stage that is being handled, and its `$context` variables."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_request_client_ip


@dataclass(slots=True, kw_only=True)
class StageRequest:
    """One request to a deployed stage. record: MiniStack's own, which is completed while the request is routed.

    named_key: the key's value that the authorizer returned. key: the API key, once it is checked.
    """

    record: Mapping[str, Any]
    method: str
    user_agent: str | None
    source_ip: str = field(default_factory=get_request_client_ip)
    started: float = field(default_factory=time.time)
    named_key: str = ""
    key: Mapping[str, Any] | None = None
    status: int | None = None
    response_length: int | None = None
    function_status: int | None = None
    function_seconds: float | None = None
    error_type: str | None = None

    @property
    def extended_request_id(self) -> str:
        """The id that callers cannot choose: in the event, the access log and gateway responses."""
        return base64.b64encode(hashlib.sha256(self.record["request_id"].encode()).digest()[:11]).decode()

    def variables(self) -> dict[str, str]:
        """`$context` variables by name without the prefix. A variable without a value is absent."""
        values: dict[str, object] = {
            "extendedRequestId": self.extended_request_id,
            "httpMethod": self.method,
            "identity.apiKeyId": self.key["id"] if self.key else None,
            "identity.sourceIp": self.source_ip,
            "identity.userAgent": self.user_agent,
            "integration.latency": None if self.function_seconds is None else round(self.function_seconds * 1000),
            "integration.status": self.function_status,
            "error.responseType": self.error_type,
            "protocol": "HTTP/1.1",
            "requestTimeEpoch": round(self.started * 1000),
            "resourcePath": self.record["resource_path"] or None,
            "responseLatency": round((time.time() - self.started) * 1000),
            "responseLength": self.response_length,
            "status": self.status,
        }
        return {name: str(value) for name, value in values.items() if value is not None}


current: ContextVar[StageRequest] = ContextVar("current")
"""The request that this task handles."""
