"""A custom Lambda function behind the gateway. The event contains the caller's key id."""

from __future__ import annotations

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
    }
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
