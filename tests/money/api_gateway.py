"""HTTP around the handler, the part of API Gateway that an SDK sees, and calls of the SDKs with default retries."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import boto3
import openai
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError, EventStreamError

from lambda_src.contract import ProviderKind
from lambda_src.gateway import Gateway
from tests.bench import request
from tests.money.sandboxes import API_GATEWAY_SECONDS


class ApiGateway(ThreadingHTTPServer):
    """Calls a gateway as the caller with `key_id`. requests: number of requests received."""

    def __init__(self, gateway: Gateway, key_id: str) -> None:
        super().__init__(("127.0.0.1", 0), _RequestHandler)
        self.gateway = gateway
        self.key_id = key_id
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _RequestHandler(BaseHTTPRequestHandler):
    server: ApiGateway

    def do_POST(self) -> None:
        self.server.requests += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        path, model = self.path, None
        if path.startswith("/bedrock/model/"):
            model, _, verb = path.removeprefix("/bedrock/model/").partition("/")
            path = f"/bedrock/model/{{model}}/{verb}"
        headers, request_id = dict(self.headers), str(uuid.uuid4())
        event = request(self.server.key_id, body, path=path, model=model, headers=headers, request_id=request_id)
        response = self.server.gateway.handle(event, API_GATEWAY_SECONDS)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What an SDK's user sees of an error. status: None if it was raised from within a stream."""

    status: int | None
    type: str
    text: str


MESSAGES = [{"role": "user", "content": "Hi"}]


def chat(url: str, model: str, *, stream: bool) -> Failure | None:
    """Create a chat completion; None if it succeeds."""
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused")
    return _openai(lambda: client.chat.completions.create(model=model, messages=MESSAGES, stream=stream))


def responses(url: str, model: str, *, stream: bool) -> Failure | None:
    """Create a response; None if it succeeds."""
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused")
    return _openai(lambda: client.responses.create(model=model, input="Hi", stream=stream))


def messages(url: str, model: str, *, stream: bool) -> Failure | None:
    """Create a message; None if it succeeds."""
    client = anthropic.Anthropic(base_url=url, api_key="unused")
    try:
        _consume(client.messages.create(model=model, max_tokens=50, messages=MESSAGES, stream=stream))
    except anthropic.APIError as error:
        status = getattr(error, "status_code", None)
        kind = (error.body or {}).get("error", {}).get("type", "") if isinstance(error.body, dict) else ""
        return Failure(None if status == 200 else status, kind, str(error))
    return None


def converse(url: str, model: str, *, stream: bool) -> Failure | None:
    """Call Converse or ConverseStream; None if it succeeds."""
    session = boto3.Session(aws_access_key_id="of", aws_secret_access_key="nobody", region_name="eu-west-1")
    client = session.client("bedrock-runtime", endpoint_url=f"{url}/bedrock")
    call = client.converse_stream if stream else client.converse
    try:
        response = call(modelId=model, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
        _consume(response["stream"] if stream else response)
    except EventStreamError as error:
        return Failure(None, error.response["Error"]["Code"], str(error))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return Failure(error.response["ResponseMetadata"]["HTTPStatusCode"], code, str(error))
    return None


def _openai(call: Callable[[], Any]) -> Failure | None:
    try:
        _consume(call())
    except openai.APIError as error:
        status = getattr(error, "status_code", None)
        return Failure(status, str(error.type), f"{error.code} {error}")
    return None


def _consume(response: Any) -> None:
    """Read a stream to its end."""
    if isinstance(response, openai.Stream | anthropic.Stream | EventStream):
        for _ in response:
            pass


CLIENTS: list[tuple[ProviderKind, str, Callable[..., Failure | None]]] = [
    ("openai", "gpt", chat),
    ("openai", "gpt", responses),
    ("anthropic", "claude", messages),
    ("bedrock", "nova", converse),
]
"""Dialect, prefix of its models' names, and the call."""
