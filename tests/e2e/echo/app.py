"""A function as a user of Tollgate would bring it."""

import json


def handler(event, context):
    """Say what came in, and who API Gateway says it was."""
    print(json.dumps({"level": "INFO", "message": "echo was called"}))
    said = {
        "method": event["httpMethod"],
        "body": event.get("body"),
        "key_id": event["requestContext"]["identity"]["apiKeyId"],
    }
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(said)}
