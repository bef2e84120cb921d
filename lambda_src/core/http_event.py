"""Conversion of API Gateway's REST proxy events to requests, and of responses to the format it expects.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lambda_src.contract import EVENT_STREAM_MEDIA_TYPE, ROUTES, Route
from lambda_src.core.errors import BadRequest

_ROUTES = {(route.method, route.path): route for route in ROUTES}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request. at_ms: when API Gateway received it, in epoch milliseconds. headers: lower-case names.

    key_id, source_ip: "" if the event has none. source_ip: the address that connected to API Gateway, which callers
    cannot forge. route: None if this Lambda does not know the method and path.
    """

    request_id: str
    at_ms: int
    key_id: str
    source_ip: str
    route: Route | None
    path_model: str | None
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> HttpRequest:
        """The request in an event. The event contains the key's value, so it is never stored or logged."""
        context = event["requestContext"]
        identity = context.get("identity") or {}
        parameters = event.get("pathParameters") or {}
        model = parameters.get("model")
        return cls(
            # Not `requestId`: callers can choose it with a header, and requests with the same id are charged once.
            request_id=context.get("extendedRequestId") or context["requestId"],
            at_ms=int(context["requestTimeEpoch"]),
            key_id=identity.get("apiKeyId") or "",
            source_ip=identity.get("sourceIp") or "",
            route=_ROUTES.get((event["httpMethod"], context["resourcePath"])),
            path_model=None if model is None else unquote(model),
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            body=_body(event),
        )


@dataclass(slots=True, kw_only=True)
class HttpResponse:
    """A response to the caller."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def to_event(self) -> dict[str, object]:
        """The response as API Gateway expects it, in base64 if it is a Bedrock stream or not UTF-8."""
        event: dict[str, object] = {"statusCode": self.status, "headers": self.headers}
        if not self.headers.get("content-type", "").startswith(EVENT_STREAM_MEDIA_TYPE):
            try:
                return event | {"isBase64Encoded": False, "body": self.body.decode()}
            except UnicodeDecodeError:
                pass
        return event | {"isBase64Encoded": True, "body": base64.b64encode(self.body).decode()}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise BadRequest("invalid_encoding", "the body is not valid base64. Send UTF-8 JSON.") from None
