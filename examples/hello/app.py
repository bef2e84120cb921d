"""A Lambda of one's own behind the gateway: who called is in the event, by key id."""

from __future__ import annotations

import json
from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """API Gateway's proxy event in, its answer out."""
    del context
    body = {
        "message": "Hello from your own function",
        "method": event["httpMethod"],
        "path": event["path"],
        "key_id": event["requestContext"]["identity"]["apiKeyId"],
    }
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
