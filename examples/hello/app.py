"""A custom Lambda function behind the gateway. The event contains the caller's key id."""

from __future__ import annotations

import base64
import json
from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Returns a proxy response to API Gateway's proxy event."""
    del context
    body = {
        "message": "Hello from your own function",
        "method": event["httpMethod"],
        "path": event["path"],
        "key_id": event["requestContext"]["identity"]["apiKeyId"],
        "body": request_body(event).decode(errors="replace"),
    }
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def request_body(event: dict[str, Any]) -> bytes:
    """The request's body, which API Gateway encodes in base64 whatever its content type."""
    text = event["body"] or ""
    return base64.b64decode(text) if event["isBase64Encoded"] else text.encode()
