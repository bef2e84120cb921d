"""The embedded cloud's own paths, for `local.cloud.client.Cloud`, and the clock that evaluates alarms.

POST /_local/clock {"advance_seconds": 900} makes metric data older and evaluates all alarms (0: only evaluates).
POST /_local/faults {"service": "dynamodb", "code": "ThrottlingException", …} injects a fault; {"end": ID} ends it.
POST /_local/contention {"write_units": 10, …} changes when DynamoDB rejects writes; the response has the old values.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from local.cloud import dynamodb_contention, fault_injection
from local.cloud.cloudwatch import alarms


def controlled(app: Any) -> Any:
    """`app`, an ASGI application, with these paths, and with alarms evaluated for as long as it runs."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            evaluation = asyncio.ensure_future(alarms.run())
            try:
                await app(scope, receive, send)
            finally:
                evaluation.cancel()
        elif scope["type"] == "http" and scope["path"].startswith("/_local/"):
            await _respond(scope["path"], receive, send)
        else:
            await app(scope, receive, send)

    return serve


def _handle(path: str, request: dict[str, Any]) -> dict[str, Any]:
    if path == "/_local/clock":
        alarms.advance(request["advance_seconds"])
        return {}
    if path == "/_local/contention":
        return dynamodb_contention.change(**request)
    if "end" in request:
        fault_injection.end(request["end"])
        return {}
    return {"id": fault_injection.begin(fault_injection.InjectedFault(**request))}


async def _respond(path: str, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    try:
        status, result = 200, _handle(path, json.loads(body))
    except (TypeError, ValueError) as error:
        status, result = 400, {"error": str(error)}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(result).encode()})
