"""The authorizer Lambda: finds the API key of a request, so that clients may send it as a bearer token.

It looks nothing up. Every method requires a key, and API Gateway itself checks the key, its plan, throttle and quota.
It runs before each request, so it imports almost nothing. It never logs, stores or echoes a header: a bearer token may
be somebody's key of another service.
AWS: docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

from __future__ import annotations

import re

# Lambda's runtime has loaded `re`, but not `typing`, whose import takes longer than all the rest.
_API_KEY = re.compile(r"[!-~]{20,128}")
"""Values that an API key can have (docs.aws.amazon.com/apigateway/latest/developerguide/api-key-file-format.html)."""


def handler(event: dict[str, object], _context: object) -> dict[str, object]:
    """The value of `x-api-key`, else the bearer token, as `usageIdentifierKey`, with a policy that allows the request.

    A value that no API key can have raises an exception whose text is `Unauthorized`. API Gateway responds with 401 to
    this text, and treats any other exception as a failure of the authorizer.
    """
    headers = event.get("headers")
    given = {str(name).lower(): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    scheme, _, token = given.get("authorization", "").partition(" ")
    key = given.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
    if not _API_KEY.fullmatch(key):
        raise Exception("Unauthorized")
    # Not the whole ARN: it ends with the caller's path, in which IAM reads `*` and `${…}` as patterns.
    stage = "/".join(str(event["methodArn"]).split("/", 2)[:2])
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{stage}/*"}
    return {
        "principalId": "api-key",  # the same for all callers: it must not be the key
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "usageIdentifierKey": key,
    }
