"""Error responses of servers with OpenAI's API, in the shape that clients read: `{"error": {"message": …}}`."""

from __future__ import annotations

import json

from lambda_src.core.dialects.parsed_request import JsonObject
from lambda_src.core.json_text import json_text
from lambda_src.core.tokens import as_object

_TEXTS = ("message", "detail", "error")


def openai_error(body: bytes) -> bytes:
    """The error response `body` in OpenAI's shape; unchanged if it has that shape, or is not JSON.

    Gemini sends the error in an array. Mistral sends its fields at the top level, FastAPI servers `detail`, and others
    a text as `error`.
    """
    try:
        translated = _translated(json.loads(body))
        return body if translated is None else json_text({"error": translated}).encode()
    except (ValueError, RecursionError):
        return body


def _translated(document: object) -> JsonObject | None:
    """OpenAI's `error` for another server's error document; None if it has that shape, or is none."""
    first = document[0] if isinstance(document, list) and document else document
    if not isinstance(first, dict):
        return None
    if isinstance(first.get("error"), dict):
        return None if first is document else first["error"]
    text = next((first[name] for name in _TEXTS if first.get(name)), None)
    return None if text is None else _error(first, text)


def _error(fields: JsonObject, text: object) -> JsonObject:
    detail = as_object(text).get("detail", text)  # Mistral nests FastAPI's
    return {
        "message": detail if isinstance(detail, str) else json_text(detail),
        "type": fields.get("type") or "invalid_request_error",
        "param": fields.get("param"),
        "code": fields.get("code"),
    }
