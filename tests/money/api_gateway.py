"""HTTP around the handler: the part of API Gateway that a client sees."""

from __future__ import annotations

import base64
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from constructs_lib.gateway_responses import gateway_responses
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.gateway import Gateway
from tests.money.faults import Killed
from tests.money.sandboxes import API_GATEWAY_SECONDS

REJECTIONS = {response.response_type: response for response in gateway_responses(bearer=True)}
"""API Gateway's own error responses, by response type."""


class ApiGateway(ThreadingHTTPServer):
    """Invokes `gateway` for a caller whose key has the id `key_id`.

    requests: number of requests received. next_gateways: sandboxes of the next requests, in place of `gateway`.
    next_rejections: response types with which API Gateway rejects the next requests itself.
    next_times: times of the next requests in epoch milliseconds; empty: now.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(("127.0.0.1", 0), _RequestHandler)
        self.gateway = gateway
        self.key_id = ""
        self.requests = 0
        self.next_gateways: list[Gateway] = []
        self.next_rejections: list[str] = []
        self.next_times: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def respond(self, event: dict[str, Any]) -> HttpResponse:
        """The response to a request's event."""
        self.requests += 1
        if self.next_rejections:
            return _rejection(self.next_rejections.pop(0))
        gateway = self.next_gateways.pop(0) if self.next_gateways else self.gateway
        at_ms = self.next_times.pop(0) if self.next_times else int(time.time() * 1000)
        event["requestContext"] |= {"identity": {"apiKeyId": self.key_id}, "requestTimeEpoch": at_ms}
        try:
            return gateway.handle(HttpRequest.from_event(event), API_GATEWAY_SECONDS)
        except Killed:
            return _rejection("INTEGRATION_FAILURE")


class _RequestHandler(BaseHTTPRequestHandler):
    server: ApiGateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        resource, model = self.path, None
        if self.path.startswith("/bedrock/model/"):
            model, _, verb = self.path.removeprefix("/bedrock/model/").partition("/")
            resource = f"/bedrock/model/{{model}}/{verb}"
        response = self.server.respond(
            {
                "httpMethod": "POST",
                "pathParameters": None if model is None else {"model": model},
                "multiValueHeaders": {name: self.headers.get_all(name) for name in self.headers},
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
                "requestContext": {"extendedRequestId": str(uuid.uuid4()), "resourcePath": resource},
            }
        )
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _rejection(response_type: str) -> HttpResponse:
    """API Gateway's own response: its template with the variables filled in."""
    rejection = REJECTIONS[response_type]
    own_status = 400 if response_type.endswith("4XX") else 500
    text = rejection.template().replace("$context.extendedRequestId", "r")
    body = text.replace("$context.error.messageString", '"API Gateway\'s own text"').encode()
    headers = {name: value.strip("'") for name, value in rejection.headers().items()}
    headers["content-type"] = "application/json"
    return HttpResponse(status=rejection.status or own_status, body=body, headers=headers)
