"""Requests of every dialect, written at random together with the most that each can use.

The account is kept apart from the gateway's own: a token per byte of every string, the allowance per image, everything
hidden where something is only referred to, the output asked for, and the token classes and tiers a provider may choose.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

IMAGE_TOKENS = 3_000
DEFAULT_OUTPUT = 400


@dataclass
class Written:
    """A request, and the most that it can use."""

    route: str
    body: dict[str, Any]
    input: int = 0
    hidden: bool = False
    classes: set[str] = field(default_factory=lambda: {"input", "cache_read"})
    outputs: set[str] = field(default_factory=lambda: {"output"})
    output: int = 0
    tiers: tuple[str, ...] = ("standard",)


Part = tuple[dict[str, Any], int, set[str], bool]
"""A content part, the most input tokens it has, the classes it may fall into, and whether it hides its size."""

texts = st.text(max_size=60)
words = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=60)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _data_url(size: int, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(b'x' * size).decode()}"


def _openai_parts(text: str, image: str) -> st.SearchStrategy[Part]:
    """Content parts, of which those of text and images are called `text` and `image`."""

    def picture(url: str) -> Part:
        return {"type": image, "image_url": _url(image, url)}, IMAGE_TOKENS, {"input_image"}, False

    def sound(size: int) -> Part:
        return {"type": "input_audio", "input_audio": {"data": "A" * size}}, size, {"input_audio"}, False

    def hidden(kind: str) -> Part:
        film = {"type": image, "image_url": _url(image, _data_url(9, "video/mp4"))}
        part = film if kind == "film" else {"type": kind, "file_id": "f-1"}
        return part, 0, {"input_image", "input_audio"}, True

    return st.one_of(
        texts.map(lambda t: ({"type": text, "text": t}, _size(t), set(), False)),
        st.integers(0, 3_000).map(lambda size: picture(_data_url(size))),
        words.map(lambda word: picture("https://e.test/" + word)),
        st.integers(0, 900).map(sound),
        st.sampled_from(["file", "input_file", "mystery", "film"]).map(hidden),
    )


def _url(kind: str, url: str) -> object:
    return {"url": url} if kind == "image_url" else url


def _fill(written: Written, parts: list[Part]) -> list[dict[str, Any]]:
    for _, size, classes, hidden in parts:
        written.input += size
        written.classes |= classes
        written.hidden = written.hidden or hidden
    return [part for part, *_ in parts]


@st.composite
def chats(draw: st.DrawFn) -> Written:
    written = Written("chat", {"model": "m", "messages": []})
    body = written.body
    written.classes.add("cache_write_5m")
    parts = _openai_parts("text", "image_url")
    for _ in range(draw(st.integers(1, 3))):
        message: dict[str, Any] = {"role": draw(st.sampled_from(["system", "user", "assistant", "tool"]))}
        if draw(st.booleans()):
            message["content"] = draw(texts)
            written.input += _size(message["content"])
        else:
            message["content"] = _fill(written, draw(st.lists(parts, max_size=3)))
        if draw(st.integers(0, 9)) == 0:
            message["audio"] = {"id": "audio-1"}
            written.hidden = True
            written.classes.add("input_audio")
        body["messages"].append(message)
    _tools(draw, written, lambda name, text: {"type": "function", "function": {"name": name, "description": text}})
    maxima = [draw(st.none() | st.integers(1, 5_000)) for _ in range(2)]
    body |= {
        name: value
        for name, value in zip(("max_tokens", "max_completion_tokens"), maxima, strict=True)
        if value is not None or draw(st.booleans())
    }
    choices = draw(st.sampled_from([None, 1, 2, 5]))
    if choices is not None:
        body["n"] = choices
    most = max((each for each in maxima if each is not None), default=DEFAULT_OUTPUT)
    if draw(st.booleans()):
        body["prediction"] = {"type": "content", "content": draw(texts)}
        most += _size(body["prediction"]["content"])
    if draw(st.booleans()):
        body |= {"modalities": ["text", "audio"], "audio": {"voice": "alloy"}}
        written.outputs.add("output_audio")
    written.output = most * (choices or 1)
    _openai_tier(draw, written)
    return written


def _openai_tier(draw: st.DrawFn, written: Written) -> None:
    tier = draw(st.sampled_from([None, "auto", "default", "priority"]))
    if tier is not None:
        written.body["service_tier"] = tier
    written.tiers = {"default": ("standard",), "priority": ("priority", "standard")}.get(
        tier or "auto", ("standard", "priority", "flex")
    )


def _tools(draw: st.DrawFn, written: Written, build: Callable[[str, str], dict[str, Any]]) -> None:
    given_tools = draw(st.lists(st.tuples(words, texts), max_size=2))
    if given_tools:
        written.body["tools"] = [build(name, text) for name, text in given_tools]
        written.input += sum(_size(name) + _size(text) for name, text in given_tools) + 1_100


def _item(draw: st.DrawFn, written: Written) -> dict[str, Any]:
    kind = draw(st.sampled_from(["message", "typeless", "call", "output", "reasoning", "stored", "reference"]))
    text = draw(texts)
    if kind in ("message", "typeless"):
        parts = draw(st.lists(_openai_parts("input_text", "input_image"), max_size=2))
        typed = {"type": "message"} if kind == "message" else {}
        return {**typed, "role": "user", "content": _fill(written, parts)}
    if kind in ("stored", "reference"):
        written.hidden = True
        written.classes |= {"input_image", "input_audio"}
        return {"type": "reasoning", "id": "rs_1"} if kind == "stored" else {"id": "msg_1"}
    written.input += _size(text)
    if kind == "call":
        return {"type": "function_call", "name": "f", "arguments": text, "call_id": "1"}
    if kind == "output":
        return {"type": "function_call_output", "call_id": "1", "output": text}
    return {"type": "reasoning", "id": "rs_1", "encrypted_content": text or "x", "summary": []}


@st.composite
def responses(draw: st.DrawFn) -> Written:
    written = Written("responses", {"model": "m"})
    body = written.body
    written.classes.add("cache_write_5m")
    body["input"] = [_item(draw, written) for _ in range(draw(st.integers(0, 3)))]
    for name in ("previous_response_id", "conversation"):
        if draw(st.integers(0, 6)) == 0:
            body[name] = "id"
            written.hidden = True
            written.classes |= {"input_image", "input_audio"}
    if draw(st.booleans()):
        body["instructions"] = draw(texts)
        written.input += _size(body["instructions"])
    _tools(draw, written, lambda name, text: {"type": "function", "name": name, "description": text})
    most = draw(st.none() | st.integers(1, 5_000))
    if most is not None:
        body["max_output_tokens"] = most
    written.output = DEFAULT_OUTPUT if most is None else most
    _openai_tier(draw, written)
    return written


@st.composite
def embeddings(draw: st.DrawFn) -> Written:
    written = Written("embeddings", {"model": "m"}, classes={"input"})
    many = draw(st.lists(texts, max_size=3) | st.lists(st.lists(st.integers(0, 100_000), max_size=20), max_size=3))
    written.body["input"] = many
    written.input = sum(_size(each) if isinstance(each, str) else len(each) for each in many)
    written.tiers = ("standard", "priority", "flex")
    return written


def _anthropic_part(draw: st.DrawFn, written: Written, deep: int = 0) -> dict[str, Any]:
    kind = draw(st.sampled_from(["text", "image", "url", "tool_use", "tool_result", "document", "pdf", "thinking"]))
    text = draw(texts)
    if kind in ("text", "thinking", "tool_use", "document"):
        written.input += _size(text)
    part: dict[str, Any] = {
        "text": {"type": "text", "text": text},
        "thinking": {"type": "thinking", "thinking": text, "signature": "c2ln"},
        "tool_use": {"type": "tool_use", "id": "t", "name": "f", "input": {"q": text}},
        "document": {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}},
        "pdf": {"type": "document", "source": {"type": "url", "url": "https://e.test/a.pdf"}},
        "url": {"type": "image", "source": {"type": "url", "url": "https://e.test/a.png"}},
        "image": {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "A" * len(text) * 9},
        },
        "tool_result": {"type": "tool_result", "tool_use_id": "t", "content": text},
    }[kind]
    if kind == "tool_result":
        if deep < 3 and draw(st.booleans()):
            part["content"] = [_anthropic_part(draw, written, deep + 1)]
        else:
            written.input += _size(text)
    if kind in ("image", "url"):
        written.input += IMAGE_TOKENS
        written.classes.add("input_image")
    written.hidden = written.hidden or kind == "pdf"
    ttl = draw(st.sampled_from([None, None, None, "5m", "1h"]))
    if ttl is not None:
        part["cache_control"] = {"type": "ephemeral", "ttl": ttl}
        written.classes |= {"cache_write_5m"} if ttl == "5m" else {"cache_write_5m", "cache_write_1h"}
    return part


@st.composite
def messages(draw: st.DrawFn) -> Written:
    written = Written("messages", {"model": "m", "messages": []})
    for _ in range(draw(st.integers(1, 3))):
        content = [_anthropic_part(draw, written) for _ in range(draw(st.integers(0, 3)))]
        written.body["messages"].append({"role": "user", "content": content})
    if draw(st.booleans()):
        written.body["system"] = draw(texts)
        written.input += _size(written.body["system"])
    _tools(draw, written, lambda name, text: {"name": name, "description": text, "input_schema": {"type": "object"}})
    for kind, tokens in (("bash_20250124", 245), ("text_editor_20250728", 700), ("computer_20250124", 735)):
        if draw(st.integers(0, 4)) == 0:
            written.body.setdefault("tools", []).append({"type": kind, "name": "x"})
            written.input += tokens + 500
    most = draw(st.none() | st.integers(1, 5_000))
    if most is not None:
        written.body["max_tokens"] = most
    written.output = DEFAULT_OUTPUT if most is None else most
    return written


@st.composite
def conversations(draw: st.DrawFn) -> Written:
    written = Written("converse", {"messages": []})
    for _ in range(draw(st.integers(1, 3))):
        content: list[dict[str, Any]] = []
        for kind in draw(st.lists(st.sampled_from(["text", "image", "result", "guard", "video", "cache"]), max_size=3)):
            text = draw(texts)
            written.input += _size(text) if kind in ("text", "result") else 0
            image = {"image": {"format": "png", "source": {"bytes": "A" * 40}}}
            content.append(
                {
                    "text": {"text": text},
                    "image": image,
                    "guard": {"guardContent": image},
                    "result": {"toolResult": {"toolUseId": "t", "content": [{"text": text}, image]}},
                    "video": {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k"}}}},
                    "cache": {"cachePoint": {"type": "default"}},
                }[kind]
            )
            if kind in ("image", "guard", "result"):
                written.input += IMAGE_TOKENS
                written.classes.add("input_image")
            written.hidden = written.hidden or kind == "video"
            if kind == "cache":
                written.classes |= {"cache_write_5m", "cache_write_1h"}
        written.body["messages"].append({"role": "user", "content": content})
    most = draw(st.none() | st.integers(1, 5_000))
    if most is not None:
        written.body["inferenceConfig"] = {"maxTokens": most}
    written.output = DEFAULT_OUTPUT if most is None else most
    if draw(st.booleans()):
        written.body["serviceTier"] = {"type": "priority"}
        written.tiers = ("priority", "standard")
    return written
