"""API Gateway encodes every request body in base64."""

from __future__ import annotations

import base64
import json

import pytest

from examples.hello.app import handler
from lambda_src.core.http_event import HttpRequest
from tests.gateway.test_repeated_headers import event

LAMBDA_LIMIT = 6_291_456


@pytest.mark.parametrize("body", ["", '{"model":"a","messages":[{"role":"user","content":"Zoë ☂"}]}'])
def test_body_is_decoded(body: str) -> None:
    encoded = event(base64.b64encode(body.encode()).decode()) | {"isBase64Encoded": True}
    for received in (HttpRequest.from_event(encoded), HttpRequest.from_event(event(body))):
        assert received.invalid is None
        assert received.body == body.encode()


def test_largest_body_fits_into_lambdas_event() -> None:
    """`gateway.max_request_bytes` accepts 4,500,000. API Gateway allows 10,240 bytes of headers; the event has them
    twice, and JSON escapes double them at most."""
    headers = {"x": ['"' * 10_240]}
    largest = event(base64.b64encode(bytes(4_500_000)).decode(), **headers) | {"isBase64Encoded": True}
    assert len(json.dumps(largest)) + 100_000 < LAMBDA_LIMIT


@pytest.mark.parametrize("is_base64", [True, False])
def test_example_function_reads_the_body(is_base64: bool) -> None:
    body = "Zoë"
    given = {
        "httpMethod": "POST",
        "path": "/example",
        "requestContext": {"identity": {"apiKeyId": "key-1"}},
        "body": base64.b64encode(body.encode()).decode() if is_base64 else body,
        "isBase64Encoded": is_base64,
    }
    assert json.loads(handler(given, None)["body"])["body"] == body
    assert json.loads(handler(given | {"body": None, "isBase64Encoded": False}, None)["body"])["body"] == ""
