"""What only the embedded cloud has: its own paths under /_local, and the clock of the alarms.

POST /_local/clock {"advance_seconds": 900} lets time pass for CloudWatch's metrics and alarms (0: evaluate now).
POST /_local/faults {"service": "dynamodb", "code": "ThrottlingException", …} begins a fault, {"end": ID} ends it.
`local.cloud.client.Cloud` has a method for each.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from local.cloud import fault_injection
from local.cloud.apigateway.request_context import Asgi
from local.cloud.cloudwatch.alarms import clock


def controlled(app: Asgi) -> Asgi:
    """`app` with these paths, and with the alarms evaluated for as long as it runs."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            evaluating = asyncio.ensure_future(clock.run())
            try:
                await app(scope, receive, send)
            finally:
                evaluating.cancel()
        elif scope["type"] == "http" and scope["path"] in PATHS:
            await _answer(PATHS[scope["path"]], receive, send)
        else:
            await app(scope, receive, send)

    return serve


def _clock(request: dict[str, Any]) -> dict[str, Any]:
    clock.advance(int(request["advance_seconds"]))
    return {}


def _faults(request: dict[str, Any]) -> dict[str, Any]:
    if "end" in request:
        fault_injection.end(request["end"])
        return {}
    request["operations"] = tuple(request.get("operations", ()))
    return {"id": fault_injection.begin(fault_injection.InjectedFault(**request))}


PATHS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "/_local/clock": _clock,
    "/_local/faults": _faults,
}


async def _answer(operation: Callable[[dict[str, Any]], dict[str, Any]], receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    try:
        status, result = 200, operation(json.loads(body))
    except (KeyError, TypeError, ValueError) as error:
        status, result = 400, {"error": f"{type(error).__name__}: {error}"}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(result).encode()})
