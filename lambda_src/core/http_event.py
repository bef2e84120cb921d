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

_ROUTES = {(route.method, path): route for route in ROUTES for path in route.paths}
_SINGLE_HEADERS = (
    "content-type", "x-api-key", "authorization", "anthropic-version", "idempotency-key", "x-tollgate-log",
)  # fmt: skip
"""Headers whose value is not a list. Servers choose differently between two values."""
_HEADER_VALUE = re.compile(r"[\t -~]{0,512}")
"""API Gateway returns 10,240 bytes of headers, and Lambda begins no stream whose status and headers take 16 KB."""
MAX_ENCODED_BYTES = 6_291_456 - 16_384
"""Largest body in Lambda's JSON response, which has at most 6 MB; the rest is for the status and the headers, of which
API Gateway accepts 10 kB (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
_LARGEST_ESCAPE = 6
_BLOCK = 60_000
"""Divisible by 3, like the input of base64."""
_SHORT_ESCAPES = b'"\\\b\t\n\f\r'
_LONG_ESCAPES = bytes(set(range(32)) - set(_SHORT_ESCAPES))


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
        event: dict[str, object] = {"statusCode": self.status, "headers": valid_headers(self.headers)}
        text = _text(self.body, self.headers)
        if text is not None:
            return event | {"isBase64Encoded": False, "body": text}
        return event | {"isBase64Encoded": True, "body": base64.b64encode(self.body).decode()}


def valid_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers whose values API Gateway accepts."""
    return {name: value for name, value in headers.items() if _HEADER_VALUE.fullmatch(value)}


def fitting_body(body: bytes, headers: Mapping[str, str], room: int = 0) -> bytes:
    """`body` if Lambda can return it in a response with these headers and `room` more bytes, else a beginning that it
    can return, without a partial character at its end."""
    limit = MAX_ENCODED_BYTES - room
    if _LARGEST_ESCAPE * len(body) <= limit:
        return body
    text = is_text(body, headers)
    if encoded_bytes(body, text=text) <= limit:
        return body
    size = end = 0
    while (size := size + encoded_bytes(body[end : end + _BLOCK], text=text)) <= limit:
        end += _BLOCK
    return body[:end].decode(errors="ignore").encode() if text else body[:end]


def encoded_bytes(body: bytes, *, text: bool) -> int:
    """Size of `body` in the response that Lambda's runtime for Python 3.13 writes: UTF-8 with JSON escapes, or base64.

    github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/lambda_runtime_marshaller.py
    """
    if not text:
        return -(-len(body) // 3) * 4
    short, long = (len(body) - len(body.translate(None, escaped)) for escaped in (_SHORT_ESCAPES, _LONG_ESCAPES))
    # Some versions of its simplejson escape the line separators U+2028 and U+2029, whose UTF-8 has 3 bytes.
    separators = body.count(b"\xe2\x80\xa8") + body.count(b"\xe2\x80\xa9")
    return len(body) + short + (_LARGEST_ESCAPE - 1) * long + (_LARGEST_ESCAPE - 3) * separators


def is_text(body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether Lambda returns a body as text, and not in base64."""
    return _text(body, headers) is not None


def _text(body: bytes, headers: Mapping[str, str]) -> str | None:
    """The body as text; None if it is a Bedrock stream or not UTF-8."""
    if headers.get("content-type", "").startswith(EVENT_STREAM_MEDIA_TYPE):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


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
