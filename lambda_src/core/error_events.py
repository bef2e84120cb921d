"""The error event that ends a truncated stream and makes clients raise an error."""

from __future__ import annotations

from lambda_src.contract import Route
from lambda_src.core.dialects.event_stream import exception_message
from lambda_src.core.dialects.parsed_request import JsonObject
from lambda_src.core.errors import GatewayError
from lambda_src.core.json_text import json_text
from lambda_src.core.tokens import as_object


def error_event(route: Route, error: GatewayError, request_id: str, started: JsonObject, events: int) -> bytes:
    """The error event of the route's API, after `events` complete events.

    started: the response object of a stream of the Responses API.
    """
    content = error.content(route.dialect, request_id)
    if route.dialect == "bedrock":
        return exception_message("modelStreamErrorException", content)
    if route.name == "responses":
        return _event("response.failed", _failed_response(started, events, content))
    return _event("error" if route.dialect == "anthropic" else None, content)


def _event(name: str | None, data: dict[str, object]) -> bytes:
    line = "" if name is None else f"event: {name}\n"
    return f"{line}data: {json_text(data)}\n\n".encode()


def _failed_response(started: JsonObject, events: int, content: dict[str, object]) -> dict[str, object]:
    """`response.failed` of the Responses API. openai-python looks for the error at the top level.

    Codex sends the request again unless the response's error code is one of a few, such as `invalid_prompt`.
    """
    error = as_object(content["error"])
    response = {
        "id": content["request_id"],
        "object": "response",
        "created_at": 0,
        "output": [],
        **started,
        "status": "failed",
        "error": {"code": "invalid_prompt", "message": error["message"]},
    }
    return {"type": "response.failed", "sequence_number": events, "response": response, **content}
