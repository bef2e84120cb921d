"""The text of an event stream. A word, or a secret, may be spread over many events."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_src.contract import Route
from lambda_src.core.dialects.event_stream import stream_events
from lambda_src.core.dialects.server_sent_events import event_objects, sse_events

_NOT_TEXT = frozenset({"id", "type", "role", "object", "signature"})
_INDEX_FIELDS = ("output_index", "index", "contentBlockIndex")
_MAX_PATH = 100
"""Characters. Longer paths would be copied for each text below them."""


def stream_texts(route: Route, body: bytes) -> dict[str, str] | None:
    """The concatenated texts of a stream by path, such as `0.content` or `0.tool_calls.0.function.arguments`.

    An error in the stream is under `error`. None if the body is not a stream or has no text.
    """
    if route.dialect == "bedrock":
        events: Iterator[dict[str, object]] = (payload for _, payload in stream_events(body))
    else:
        events = event_objects(sse_events(body))
    pieces: dict[str, list[str]] = {}
    for event in events:
        for path, delta in _deltas(event):
            for text_path, text in _texts(delta, path):
                pieces.setdefault(text_path, []).append(text)
    return {path: "".join(texts) for path, texts in pieces.items()} or None


def _deltas(event: dict[str, object]) -> Iterator[tuple[str, object]]:
    choices = event.get("choices")
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            yield _index(choice, ("index",), position), choice.get("delta")
    if "delta" in event:
        yield _index(event, _INDEX_FIELDS, 0), event["delta"]
    if event.get("error") is not None:
        yield "error", event["error"]


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """The strings in `value` with their paths, in order."""
    pending = [(path, value)]
    while pending:
        path, value = pending.pop()
        members: list[tuple[str, object]] = []
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            members = [(name, member) for name, member in value.items() if name not in _NOT_TEXT]
        elif isinstance(value, list):
            members = [(_index(item, ("index",), position), item) for position, item in enumerate(value)]
        pending += [(f"{path}.{name[:_MAX_PATH]}"[:_MAX_PATH], member) for name, member in reversed(members)]


def _index(value: object, fields: tuple[str, ...], position: int) -> str:
    """The first of the index fields that `value` has; `position` if it has none."""
    index = next((value[name] for name in fields if name in value), None) if isinstance(value, dict) else None
    return str(index)[:_MAX_PATH] if isinstance(index, str | int) else str(position)
