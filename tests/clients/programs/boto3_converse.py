"""boto3, Bedrock's Converse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.clients.programs.actions import DESCRIPTION, SCHEMA, Action, serve, weather


def _client(action: Action) -> Any:
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = action.key
    return boto3.client("bedrock-runtime", endpoint_url=f"{action.url}/bedrock", region_name="eu-west-1")


def _options(action: Action) -> dict[str, Any]:
    return {"modelId": action.model, "messages": [{"role": "user", "content": [{"text": action.prompt}]}]}


def plain(action: Action) -> str:
    return _client(action).converse(**_options(action))["output"]["message"]["content"][0]["text"]


def streamed(action: Action) -> Iterator[str]:
    for event in _client(action).converse_stream(**_options(action))["stream"]:
        if "contentBlockDelta" in event:
            yield event["contentBlockDelta"]["delta"]["text"]


def tool(action: Action) -> str:
    specification = {"name": "weather", "description": DESCRIPTION, "inputSchema": {"json": SCHEMA}}
    options = _options(action) | {"toolConfig": {"tools": [{"toolSpec": specification}]}}
    message = _client(action).converse(**options)["output"]["message"]
    use = message["content"][0]["toolUse"]
    result = {"toolUseId": use["toolUseId"], "content": [{"text": weather(**use["input"])}]}
    options["messages"] += [message, {"role": "user", "content": [{"toolResult": result}]}]
    return _client(action).converse(**options)["output"]["message"]["content"][0]["text"]


serve({"plain": plain, "streamed": streamed, "tool": tool}, (BotoCoreError, ClientError))
