"""Entry point of the gateway Lambda on its own runtime. The gateway is created at import, once per sandbox."""

from __future__ import annotations

from lambda_src.configuration import load_config
from lambda_src.contract import STREAM_VARIABLE
from lambda_src.core.http_event import HttpRequest
from lambda_src.core.tokens import as_object
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.runtime_api import Invocation, ResponseStream
from lambda_src.edges.streamed_response import StreamedResponse
from lambda_src.gateway import Gateway

_GATEWAY = Gateway(load_config(), AwsClient())
_PROMPT_LOG_BYTES = 1_000_000 if _GATEWAY.config.prompt_log_group else 0


def handler(invocation: Invocation, stream: ResponseStream) -> dict[str, object] | None:
    """Stream the response to an API Gateway proxy event, or return it if the stage does not stream yet.

    The stage variable and the integrations change together: a response always has the form that the stage expects. The
    event contains the key's value, so it is never logged.
    """
    event, left = invocation.event, invocation.seconds_left
    request = HttpRequest.from_event(event)
    if STREAM_VARIABLE not in as_object(event.get("stageVariables")):
        return _GATEWAY.handle(request, left).to_event()
    outlet = StreamedResponse(stream, _PROMPT_LOG_BYTES, _GATEWAY.config.keep_alive_seconds)
    _GATEWAY.respond(request, left, outlet)
    return None
