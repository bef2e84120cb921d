"""Conversion of API Gateway's REST proxy events to requests, and of responses to the format it expects.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lambda_src.contract import EVENT_STREAM_MEDIA_TYPE, ROUTES, Route
from lambda_src.core.errors import BadRequest

_ROUTES = {(route.method, route.path): route for route in ROUTES}
_SINGLE_HEADERS = (
    "content-type", "x-api-key", "authorization", "anthropic-version", "idempotency-key", "x-tollgate-log",
)  # fmt: skip
"""Headers whose value is not a list. Servers choose differently between two values."""
_HEADER_VALUE = re.compile(r"[\t -~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request. at_ms: when API Gateway received it, in epoch milliseconds. headers: lower-case names.

    key_id, source_ip: "" if the event has none. source_ip: the address that connected to API Gateway, which callers
    cannot forge. route: None if this Lambda does not know the method and path. Lines of a repeated header are joined.
    invalid: the error of a malformed request; None: it is well-formed.
    """

    request_id: str
    at_ms: int
    key_id: str
    source_ip: str
    route: Route | None
    path_model: str | None
    headers: Mapping[str, str]
    body: bytes
    invalid: BadRequest | None = None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> HttpRequest:
        """The request in an event. The event contains the key's value, so it is never stored or logged."""
        context = event["requestContext"]
        identity = context.get("identity") or {}
        parameters = event.get("pathParameters") or {}
        model = parameters.get("model")
        lines, body = _header_lines(event), _body(event)
        return cls(
            # Not `requestId`: callers can choose it with a header, and requests with the same id are charged once.
            request_id=context.get("extendedRequestId") or context["requestId"],
            at_ms=int(context["requestTimeEpoch"]),
            key_id=identity.get("apiKeyId") or "",
            source_ip=identity.get("sourceIp") or "",
            route=_ROUTES.get((event["httpMethod"], context["resourcePath"])),
            path_model=None if model is None else unquote(model),
            # RFC 9110, section 5.3: the lines of a list-based field can be joined.
            headers={name: ", ".join(values) for name, values in lines.items()},
            body=body or b"",
            invalid=_repeated_header(lines) or _undecodable_body(body),
        )


@dataclass(slots=True, kw_only=True)
class HttpResponse:
    """A response to the caller."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def to_event(self) -> dict[str, object]:
        """The response as API Gateway expects it, in base64 if it is a Bedrock stream or not UTF-8."""
        headers = {name: value for name, value in self.headers.items() if _HEADER_VALUE.fullmatch(value)}
        event: dict[str, object] = {"statusCode": self.status, "headers": headers}
        if not self.headers.get("content-type", "").startswith(EVENT_STREAM_MEDIA_TYPE):
            try:
                return event | {"isBase64Encoded": False, "body": self.body.decode()}
            except UnicodeDecodeError:
                pass
        return event | {"isBase64Encoded": True, "body": base64.b64encode(self.body).decode()}


def _body(event: Mapping[str, Any]) -> bytes | None:
    """The body; None if it is not valid base64."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        return None


def _undecodable_body(body: bytes | None) -> BadRequest | None:
    message = "the body is not valid base64. Send UTF-8 JSON."
    return BadRequest("invalid_encoding", message) if body is None else None


def _header_lines(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """The different values of each header, by lower-case name. `headers` has only the last of `multiValueHeaders`."""
    lines: dict[str, dict[str, None]] = {}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        lines.setdefault(name.lower(), {}).update(dict.fromkeys(map(str, values or ())))
    for name, value in (event.get("headers") or {}).items():
        lines.setdefault(name.lower(), {}).setdefault(str(value))
    return {name: list(values) for name, values in lines.items()}


def _repeated_header(lines: Mapping[str, list[str]]) -> BadRequest | None:
    """The error for two values of a header that must have one. It never quotes them: they may be keys."""
    name = next((name for name in _SINGLE_HEADERS if len(lines.get(name, ())) > 1), None)
    if name is None:
        return None
    return BadRequest(
        "repeated_header",
        f"the header {name} is given {len(lines[name])} times, with different values; accepted: once. Send it once.",
        param=name,
    )
