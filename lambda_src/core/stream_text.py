"""The text of an event stream, put together: a word, or a secret, is spread over many events. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_src.contract import Route
from lambda_src.core.dialects.bedrock import stream_events
from lambda_src.core.dialects.parsed_response import event_objects, events

_NO_TEXT = frozenset({"id", "type", "role", "object", "signature"})
_PLACES = ("output_index", "index", "contentBlockIndex")


def pieces(route: Route, body: bytes) -> dict[str, str] | None:
    """What a stream of any dialect said, by where it said it (`0.content`, `0.tool_calls.0.function.arguments`).

    Errors in the stream are under `error`; None where the body is no stream, or says nothing.
    """
    if route.dialect == "bedrock":
        found: Iterator[dict[str, object]] = (payload for _, payload in stream_events(body))
    else:
        found = event_objects(events(body))
    joined: dict[str, list[str]] = {}
    for event in found:
        for place, delta in _deltas(event):
            for path, text in _texts(delta, place):
                joined.setdefault(path, []).append(text)
    return {path: "".join(texts) for path, texts in joined.items()} or None


def _deltas(event: dict[str, object]) -> Iterator[tuple[str, object]]:
    choices = event.get("choices")
    for number, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            yield str(choice.get("index", number)), choice.get("delta")
    if "delta" in event:
        yield next((str(event[name]) for name in _PLACES if name in event), "0"), event["delta"]
    if event.get("error") is not None:
        yield "error", event["error"]


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in _NO_TEXT:
                yield from _texts(each, f"{path}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            place = each.get("index", number) if isinstance(each, dict) else number
            yield from _texts(each, f"{path}.{place}")
