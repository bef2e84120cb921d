"""JSON values in responses. Invalid JSON is a value of its own, None, because a response is never rejected for it."""

from __future__ import annotations

import json
from typing import Final

_FEW: Final = 4
_DECODER: Final = json.JSONDecoder()
_WHITE_SPACE: Final = b" \t\r\n"
_BATCH_BYTES = 65_536
"""Bytes that are parsed at once. A call of the parser takes longer than a short event."""


def json_value(body: bytes) -> object:
    """The JSON value in `body`; None if it is not JSON, or nested too deeply."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def json_object(body: bytes) -> dict[str, object] | None:
    """The JSON object in `body`; None if it is not a JSON object."""
    value = json_value(body)
    return value if isinstance(value, dict) else None


def json_objects(texts: list[bytes]) -> list[dict[str, object] | None]:
    """The JSON object in each of `texts`; None for a text that is not a JSON object."""
    if len(texts) <= _FEW:
        return list(map(text_object, texts))
    found: list[dict[str, object] | None] = []
    batch: list[bytes] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_BYTES:
            found += _batch(batch)
            batch, size = [], 0
    return found + _batch(batch)


def _batch(texts: list[bytes]) -> list[dict[str, object] | None]:
    values = json_value(b"[" + b",".join(texts) + b"]")
    # A text that is not JSON of its own, such as `1,2`, changes the number of values.
    if isinstance(values, list) and len(values) == len(texts):
        return [value if isinstance(value, dict) else None for value in values]
    return list(map(text_object, texts))


def text_object(text: bytes) -> dict[str, object] | None:
    """The JSON object in `text`, in UTF-8. Faster than `json.loads`, which looks for the encoding first."""
    text = text.strip(_WHITE_SPACE)
    if not text.endswith(b"}"):
        return None
    try:
        decoded = text.decode("utf-8", "surrogatepass")
        value, end = _DECODER.raw_decode(decoded)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and end == len(decoded) else None
