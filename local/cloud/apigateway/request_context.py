"""The API call in flight: what its `$context` variables, its access log line and its Lambda event are made of.

AWS: "Variables for access logging for API Gateway" (developerguide/api-gateway-variables-for-access-logging.html).
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from ministack.core.responses import get_account_id, get_request_client_ip

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

_raw_headers: ContextVar[list[tuple[str, str]]] = ContextVar("raw_headers")
_current: ContextVar[StageCall] = ContextVar("call")

VARIABLE: Final = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")


def remember_headers(app: Asgi) -> Asgi:
    """MiniStack joins repeated headers into one; keep what came over the wire, for `multiValueHeaders`."""

    async def remembering(scope: Any, receive: Any, send: Any) -> None:
        pairs = scope.get("headers", [])
        _raw_headers.set([(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs])
        await app(scope, receive, send)

    return remembering


@dataclass(slots=True, kw_only=True)
class StageCall:
    """One request to a deployed stage. `request` is MiniStack's own record of it, completed while it is routed."""

    request: dict[str, Any]
    method: str
    path: str
    user_agent: str
    source_ip: str
    headers: list[tuple[str, str]]
    started: float = field(default_factory=time.time)
    key: Mapping[str, Any] | None = None
    status: int = 0
    response_length: int = 0
    integration_status: int | None = None
    function_status: int | None = None
    integration_seconds: float | None = None
    integration_error: str | None = None
    error: Any = None

    @property
    def request_id(self) -> str:
        """The one id of this request: in the event, the access log, gateway responses and `x-amzn-requestid`."""
        return str(self.request["request_id"])

    @property
    def extended_request_id(self) -> str:
        """The id that no caller can choose; another one than `request_id`, as on AWS."""
        return base64.b64encode(hashlib.sha256(self.request_id.encode()).digest()[:11]).decode()

    @property
    def request_time(self) -> str:
        """CLF time, as `$context.requestTime` has it."""
        return datetime.datetime.fromtimestamp(self.started, datetime.UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")

    def variables(self) -> dict[str, str]:
        """`$context` variables by name without the prefix. A variable without a value is absent."""
        request = self.request
        values: dict[str, object] = {
            "accountId": get_account_id(),
            "apiId": request["api_id"],
            "awsEndpointRequestId": request["request_id"] if self.integration_seconds is not None else None,
            "domainName": f"{request['api_id']}.execute-api.localhost",
            "domainPrefix": request["api_id"],
            "extendedRequestId": self.extended_request_id,
            "httpMethod": self.method,
            "identity.sourceIp": self.source_ip,
            "identity.userAgent": self.user_agent or None,
            "path": f"/{request['stage_name']}{self.path}",
            "protocol": "HTTP/1.1",
            "requestId": request["request_id"],
            "requestTime": self.request_time,
            "requestTimeEpoch": round(self.started * 1000),
            "resourcePath": request["resource_path"] or None,
            "stage": request["stage_name"],
            "status": self.status or None,
            "responseLatency": _milliseconds(time.time() - self.started),
            "responseLength": self.response_length,
        }
        values |= self._of_key() | self._of_integration() | self._of_error()
        return {name: str(value) for name, value in values.items() if value is not None}

    def _of_key(self) -> dict[str, object]:
        if self.key is None:
            return {}
        # The value only appears where a format asks for it by name, as on AWS: a format that leaks must be seen to.
        return {"identity.apiKeyId": self.key["id"], "identity.apiKey": self.key["value"]}

    def _of_integration(self) -> dict[str, object]:
        latency = None if self.integration_seconds is None else _milliseconds(self.integration_seconds)
        return {
            "integrationLatency": latency,
            "integration.latency": latency,
            "integrationStatus": self.integration_status,
            "integration.integrationStatus": self.integration_status,
            "integration.status": self.function_status,
            "integrationErrorMessage": self.integration_error,
            "integration.error": self.integration_error,
        }

    def _of_error(self) -> dict[str, object]:
        if self.error is None:
            return {}
        return {
            "error.message": self.error.message,
            "error.messageString": json.dumps(self.error.message),
            "error.responseType": self.error.response_type,
        }


def begin(request: dict[str, Any], method: str, path: str) -> StageCall:
    """Make a call the current one of this task. `request` gets its request id here."""
    request["request_id"] = str(uuid.uuid4())
    headers = _raw_headers.get()
    user_agent = next((value for name, value in headers if name == "user-agent"), "")
    call = StageCall(
        request=request,
        method=method,
        path=path,
        user_agent=user_agent,
        source_ip=get_request_client_ip(),
        headers=headers,
    )
    _current.set(call)
    return call


def current() -> StageCall:
    """The call this task is about."""
    return _current.get()


def render(template: str, absent: str, *, escaped: bool = False) -> str:
    """Replace every `$context` variable of the current call; `absent` stands for those without a value.

    escaped: quotes and backslashes as JSON has them, but for `error.messageString`, which is a JSON string already.
    """
    values = current().variables()
    if escaped:
        values = {name: _escaped(name, value) for name, value in values.items()}
    return VARIABLE.sub(lambda match: values.get(match.group(1), absent), template)


def _escaped(name: str, value: str) -> str:
    return value if name == "error.messageString" else json.dumps(value, ensure_ascii=False)[1:-1]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
