"""Entry point of the gateway Lambda. The gateway is created at import, once per sandbox."""

from __future__ import annotations

from typing import Any

from lambda_src.configuration import load_config
from lambda_src.core.http_event import HttpRequest
from lambda_src.edges.aws import AwsClient
from lambda_src.gateway import Gateway

_GATEWAY = Gateway(load_config(), AwsClient())


def handler(event: dict[str, Any], context: Any) -> dict[str, object]:
    """The response to an API Gateway proxy event. The event contains the key's value, so it is never logged."""
    seconds_left = context.get_remaining_time_in_millis() / 1000
    return _GATEWAY.handle(HttpRequest.from_event(event), seconds_left).to_event()
