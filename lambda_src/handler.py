"""Entry of the gateway Lambda. Imported once per sandbox; everything that can be made before a request is made here."""

from __future__ import annotations

from typing import Any

from lambda_src.configuration import load_config
from lambda_src.core.http_event import HttpRequest
from lambda_src.edges.aws import AwsClient
from lambda_src.gateway import Gateway

_GATEWAY = Gateway(load_config(), AwsClient())


def handler(event: dict[str, Any], context: Any) -> dict[str, object]:
    """API Gateway's proxy event in, its answer out. The event is never logged: it carries the key's value."""
    seconds_left = context.get_remaining_time_in_millis() / 1000
    return _GATEWAY.handle(HttpRequest.from_event(event), seconds_left).event()
