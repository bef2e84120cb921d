"""Calls of the official SDKs with their default retries, and what their users see of an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import anthropic
import boto3
import openai
import urllib3
from botocore.config import Config
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError, EventStreamError

from lambda_src.contract import ProviderKind


@dataclass(frozen=True, slots=True)
class Failure:
    """What an SDK's user sees of an error.

    status: None if it was raised from within a stream. code: "" for boto3, which does not have it.
    """

    exception: str
    status: int | None
    type: str
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request. url: the gateway's. fields: of the request, besides its messages. retry: whether the SDK may."""

    url: str
    model: str
    stream: bool = False
    fields: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: bool = True


_SESSION = boto3.Session(aws_access_key_id="of", aws_secret_access_key="nobody", region_name="eu-west-1")
MESSAGES = [{"role": "user", "content": "Hi"}]


def chat(call: Call) -> Failure | None:
    """Create a chat completion; None if it succeeds."""
    create = _openai(call.url, call.retry).chat.completions.create
    return _openai_failure(lambda: create(model=call.model, messages=MESSAGES, stream=call.stream, **_extra(call)))


def responses(call: Call) -> Failure | None:
    """Create a response; None if it succeeds."""
    create = _openai(call.url, call.retry).responses.create
    return _openai_failure(lambda: create(model=call.model, input="Hi", stream=call.stream, **_extra(call)))


def messages(call: Call) -> Failure | None:
    """Create a message; None if it succeeds."""
    client = _anthropic(call.url, call.retry)
    try:
        _consume(
            client.messages.create(
                model=call.model, max_tokens=50, messages=MESSAGES, stream=call.stream, **_extra(call)
            )
        )
    except anthropic.APIError as error:
        status = getattr(error, "status_code", None)
        details = (error.body if isinstance(error.body, dict) else {}).get("error", {})
        shown = None if status == 200 else status
        return Failure(type(error).__name__, shown, details.get("type", ""), details.get("code", ""), str(error))
    return None


def converse(call: Call) -> Failure | None:
    """Call Converse or ConverseStream; None if it succeeds."""
    client = _bedrock(call.url, call.retry, tuple(call.headers.items()))
    send = client.converse_stream if call.stream else client.converse
    try:
        response = send(modelId=call.model, messages=[{"role": "user", "content": [{"text": "Hi"}]}], **call.fields)
        _consume(response["stream"] if call.stream else response)
    except EventStreamError as error:
        return Failure(type(error).__name__, None, error.response["Error"]["Code"], "", str(error))
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return Failure(type(error).__name__, status, error.response["Error"]["Code"], "", str(error))
    return None


# Creating a client takes longer than a call.
@cache
def _openai(url: str, retry: bool) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", **_retries(retry))


@cache
def _anthropic(url: str, retry: bool) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="unused", **_retries(retry))


def _openai_failure(send: Callable[[], Any]) -> Failure | None:
    try:
        last = _consume(send())
        if getattr(last, "type", "") == "error":  # an event of `/v1/responses`, which the SDK does not raise
            return Failure("", None, "", str(last.code), last.message)
    except openai.APIError as error:
        status = getattr(error, "status_code", None)
        return Failure(type(error).__name__, status, str(error.type), str(error.code), str(error))
    return None


def _retries(retry: bool) -> dict[str, Any]:
    return {} if retry else {"max_retries": 0}


def _extra(call: Call) -> dict[str, Any]:
    return {"extra_body": dict(call.fields), "extra_headers": dict(call.headers)}


@cache
def _bedrock(url: str, retry: bool, headers: tuple[tuple[str, str], ...]) -> Any:
    config = None if retry else Config(retries={"total_max_attempts": 1})
    client = _SESSION.client("bedrock-runtime", endpoint_url=f"{url}/bedrock", config=config)

    def add_headers(request: Any, **_: object) -> None:
        for name, value in headers:
            del request.headers[name]
            request.headers[name] = value

    client.meta.events.register("before-sign.bedrock-runtime.*", add_headers)
    return client


def _consume(response: Any) -> Any:
    """Read a stream to its end, and return its last event."""
    last = None
    if isinstance(response, openai.Stream | anthropic.Stream | EventStream):
        for event in response:
            last = event
    return last


@dataclass(frozen=True, slots=True)
class LightClient:
    """An SDK. family: prefix of its models' names. path: where its plain requests go."""

    dialect: ProviderKind
    family: str
    path: str
    call: Callable[[Call], Failure | None]

    @property
    def name(self) -> str:
        return self.call.__name__

    def send_raw(self, url: str, body: bytes, headers: list[tuple[str, str]]) -> Failure | None:
        """Send a request that the SDK cannot send; None if it succeeds."""
        lines = urllib3.HTTPHeaderDict(headers)
        response = urllib3.request("POST", url, body=body, headers=lines, retries=False)
        if response.status == 200:
            return None
        content = json.loads(response.data)
        error = content if self.dialect == "bedrock" else content["error"]
        kind = response.headers["x-amzn-errortype"] if self.dialect == "bedrock" else error["type"]
        return Failure("", response.status, kind, error["code"], error["message"])


CLIENTS = (
    LightClient("openai", "gpt", "/v1/chat/completions", chat),
    LightClient("openai", "gpt", "/v1/responses", responses),
    LightClient("anthropic", "claude", "/v1/messages", messages),
    LightClient("bedrock", "nova", "/bedrock/model/nova-small/converse", converse),
)
