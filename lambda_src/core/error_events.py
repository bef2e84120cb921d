"""The end of a truncated stream: only complete events, then an error event that makes clients raise an error."""

from __future__ import annotations

from lambda_src.contract import Route
from lambda_src.core.dialects.event_stream import complete_length, exception_message
from lambda_src.core.dialects.server_sent_events import event_objects, sse_events
from lambda_src.core.errors import GatewayError
from lambda_src.core.json_text import json_text
from lambda_src.core.tokens import as_object


def end_stream(route: Route, body: bytes, error: GatewayError, request_id: str) -> bytes:
    """The stream in `body` without its last event if that is incomplete, ended by the error event of its API.

    Clients fail on an incomplete event before they read the error.
    """
    content = error.content(route.dialect, request_id)
    if route.dialect == "bedrock":
        return body[: complete_length(body)] + exception_message("modelStreamErrorException", content)
    events = [event for event in sse_events(body) if event.endswith((b"\n\n", b"\r\n\r\n"))]
    if route.name == "responses":
        return b"".join(events) + _event("response.failed", _failed_response(events, content))
    return b"".join(events) + _event("error" if route.dialect == "anthropic" else None, content)


def _event(name: str | None, data: dict[str, object]) -> bytes:
    line = "" if name is None else f"event: {name}\n"
    return f"{line}data: {json_text(data)}\n\n".encode()


def _failed_response(events: list[bytes], content: dict[str, object]) -> dict[str, object]:
    """`response.failed` of the Responses API. openai-python looks for the error at the top level.

    Codex sends the request again unless the response's error code is one of a few, such as `invalid_prompt`.
    """
    started = as_object(next(event_objects(events), {}).get("response"))
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
    return {"type": "response.failed", "sequence_number": len(events), "response": response, **content}
