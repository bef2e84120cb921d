"""Answers to Terraform come no sooner than any of AWS's would.

The Go SDK closes a request's body as soon as the answer's headers are there. Where its writer has not seen the body's
end by then, as happens when the answer comes within a millisecond and the machine is busy, it tears the connection down
and sends the request again: what it makes is there already, and the apply fails. AWS is never that fast.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from local.cloud.apigateway.request_context import Asgi

SECONDS: Final = 0.02
CLIENT: Final = b"HashiCorp"


def patient(app: Asgi) -> Asgi:
    """`app`, which waits a little before it begins to answer a request of Terraform's."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        async def send_later(message: Any) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(SECONDS)
            await send(message)

        terraform = any(name == b"user-agent" and CLIENT in value for name, value in scope.get("headers", ()))
        await app(scope, receive, send_later if terraform else send)

    return serve
