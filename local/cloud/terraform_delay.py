"""Responses to Terraform come no sooner than those of AWS.

AWS: docs.aws.amazon.com/general/latest/gr/rande.html (endpoints are a network away). The Go SDK closes a request's body
as soon as it has the response's headers. If its writer has not seen the end of the body by then, which happens when a
response comes within a millisecond, it drops the connection and sends the request again: the resource exists already,
and the apply fails.
Test: tests/e2e/test_operations.py::test_second_plan_is_empty
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from ministack import app as ministack_app

SECONDS: Final = 0.02


def apply() -> None:
    """Wrap the ASGI application: it begins to respond to Terraform after SECONDS."""
    serve_at_once = ministack_app.app

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        async def send_later(message: Any) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(SECONDS)
            await send(message)

        headers = scope.get("headers", ())
        terraform = any(name == b"user-agent" and b"HashiCorp" in value for name, value in headers)
        await serve_at_once(scope, receive, send_later if terraform else send)

    ministack_app.app = serve
