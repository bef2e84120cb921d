"""Fields of the access log: the variable that API Gateway writes into each, and what it means.

`$context.identity.apiKey` would be the key's value, a secret. Callers choose `$context.requestId` with a header
(docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html).
"""

from __future__ import annotations

import json
from typing import Final

from constructs_lib.settings import Environment

ACCESS_FIELDS: Final = {
    # A metric filter takes dimensions from the line alone, and Tollgate's metrics have this one.
    "environment": ("", "name of the environment"),
    "request_id": ("$context.extendedRequestId", "API Gateway's extended request id, also in the usage log"),
    "time": ("$context.requestTimeEpoch", "time of the request, in epoch milliseconds"),
    "key_id": (
        "$context.identity.apiKeyId",
        'id of the API key, never its value; "-" if the caller sent no existing key',
    ),
    "source_ip": ("$context.identity.sourceIp", "source address of the request"),
    "user_agent": ("$context.identity.userAgent", "the client's User-Agent header"),
    "method": ("$context.httpMethod", "HTTP method"),
    "path": ("$context.resourcePath", "path of the API's resource, such as /v1/chat/completions"),
    "protocol": ("$context.protocol", "HTTP version"),
    "status": ("$context.status", "HTTP status of the response"),
    "error_type": (
        "$context.error.responseType",
        'API Gateway\'s own error, such as THROTTLED or INVALID_API_KEY; "-" if a function responded',
    ),
    "response_bytes": ("$context.responseLength", "length of the response"),
    "latency_ms": ("$context.responseLatency", "time from the request to the end of the response"),
    "integration_status": ("$context.integration.status", "HTTP status from the function"),
    "integration_ms": ("$context.integration.latency", "the function's part of the latency"),
    "trace_id": ("$context.xrayTraceId", "X-Ray trace id"),
}
# https://docs.aws.amazon.com/apigateway/latest/developerguide/response-streaming-troubleshoot.html
STREAM_FIELDS: Final = {
    "transfer_mode": (
        "$context.integration.responseTransferMode",
        "STREAMED, or BUFFERED for custom functions; only if the environment streams on AWS, as the next two",
    ),
    "integration_headers_ms": (
        "$context.integration.timeToAllHeaders",
        "part of integration_ms until the function sent the status and the headers",
    ),
    "integration_first_byte_ms": (
        "$context.integration.timeToFirstContent",
        "part of integration_ms until the function sent the first byte of the body, which may be a comment",
    ),
}


def access_log_format(environment: Environment) -> str:
    """One line of the access log, for API Gateway to fill in."""
    fields = ACCESS_FIELDS | (STREAM_FIELDS if environment.streams_on_aws else {})
    variables = {name: variable for name, (variable, _) in fields.items()}
    return json.dumps(variables | {"environment": environment.name})
