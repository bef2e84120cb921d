"""Hypothesis strategies: requests of every dialect, each with an upper bound of what it can use.

The bound is computed without the gateway's code: one token per byte of each string, a fixed allowance per image, an
unknown size for references to stored content, the requested output, and the token classes and service tiers that the
provider may charge.
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
class GeneratedRequest:
    """A request and the most that it can use.

    unknown_size: its input may be as large as the model's context window. input_classes, output_classes: token classes
    that the provider may charge it as. tiers: service tiers that the provider may serve it in.
    """

    route: str
    body: dict[str, Any]
    max_input: int = 0
    unknown_size: bool = False
    input_classes: set[str] = field(default_factory=lambda: {"input", "cache_read"})
    output_classes: set[str] = field(default_factory=lambda: {"output"})
    max_output: int = 0
    tiers: tuple[str, ...] = ("standard",)


Part = tuple[dict[str, Any], int, set[str], bool]
"""A content part, its maximum of input tokens, the token classes it may count as, and whether its size is unknown."""

texts = st.text(max_size=60)
words = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=60)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _data_url(size: int, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(b'x' * size).decode()}"


def _openai_parts(text: str, image: str) -> st.SearchStrategy[Part]:
    """Content parts. text, image: the `type` of text and image parts."""

    def picture(url: str) -> Part:
        return {"type": image, "image_url": _url(image, url)}, IMAGE_TOKENS, {"input_image"}, False

    def audio(size: int) -> Part:
        return {"type": "input_audio", "input_audio": {"data": "A" * size}}, size, {"input_audio"}, False

    def of_unknown_size(kind: str) -> Part:
        video = {"type": image, "image_url": _url(image, _data_url(9, "video/mp4"))}
        part = video if kind == "video" else {"type": kind, "file_id": "f-1"}
        return part, 0, {"input_image", "input_audio"}, True

    return st.one_of(
        texts.map(lambda t: ({"type": text, "text": t}, _size(t), set(), False)),
        st.integers(0, 3_000).map(lambda size: picture(_data_url(size))),
        words.map(lambda word: picture(f"https://e.test/{word}.png")),
        st.integers(0, 900).map(audio),
        st.sampled_from(["file", "input_file", "mystery", "video"]).map(of_unknown_size),
    )


def _url(kind: str, url: str) -> object:
    return {"url": url} if kind == "image_url" else url


def _fill(generated: GeneratedRequest, parts: list[Part]) -> list[dict[str, Any]]:
    for _, size, classes, unknown_size in parts:
        generated.max_input += size
        generated.input_classes |= classes
        generated.unknown_size = generated.unknown_size or unknown_size
    return [part for part, *_ in parts]


@st.composite
def chats(draw: st.DrawFn) -> GeneratedRequest:
    generated = GeneratedRequest("chat", {"model": "m", "messages": []})
    body = generated.body
    generated.input_classes.add("cache_write_5m")
    parts = _openai_parts("text", "image_url")
    for _ in range(draw(st.integers(1, 3))):
        message: dict[str, Any] = {"role": draw(st.sampled_from(["system", "user", "assistant", "tool"]))}
        if draw(st.booleans()):
            message["content"] = draw(texts)
            generated.max_input += _size(message["content"])
        else:
            message["content"] = _fill(generated, draw(st.lists(parts, max_size=3)))
        if draw(st.integers(0, 9)) == 0:
            message["audio"] = {"id": "audio-1"}
            generated.unknown_size = True
            generated.input_classes.add("input_audio")
        body["messages"].append(message)
    _tools(draw, generated, lambda name, text: {"type": "function", "function": {"name": name, "description": text}})
    maxima = [draw(st.none() | st.integers(1, 5_000)) for _ in range(2)]
    body |= {
        name: value
        for name, value in zip(("max_tokens", "max_completion_tokens"), maxima, strict=True)
        if value is not None or draw(st.booleans())
    }
    choices = draw(st.sampled_from([None, 1, 2, 5]))
    if choices is not None:
        body["n"] = choices
    max_output = max((maximum for maximum in maxima if maximum is not None), default=DEFAULT_OUTPUT)
    if draw(st.booleans()):
        body["prediction"] = {"type": "content", "content": draw(texts)}
        max_output += _size(body["prediction"]["content"])
    if draw(st.booleans()):
        body |= {"modalities": ["text", "audio"], "audio": {"voice": "alloy"}}
        generated.output_classes.add("output_audio")
    generated.max_output = max_output * (choices or 1)
    _openai_tier(draw, generated)
    return generated


def _openai_tier(draw: st.DrawFn, generated: GeneratedRequest) -> None:
    tier = draw(st.sampled_from([None, "auto", "default", "priority"]))
    if tier is not None:
        generated.body["service_tier"] = tier
    generated.tiers = {"default": ("standard",), "priority": ("priority", "standard")}.get(
        tier or "auto", ("standard", "priority", "flex")
    )


def _tools(draw: st.DrawFn, generated: GeneratedRequest, build: Callable[[str, str], dict[str, Any]]) -> None:
    tools = draw(st.lists(st.tuples(words, texts), max_size=2))
    if tools:
        generated.body["tools"] = [build(name, text) for name, text in tools]
        generated.max_input += sum(_size(name) + _size(text) for name, text in tools) + 1_100


def _item(draw: st.DrawFn, generated: GeneratedRequest) -> dict[str, Any]:
    kind = draw(st.sampled_from(["message", "typeless", "call", "output", "reasoning", "stored", "reference"]))
    text = draw(texts)
    if kind in ("message", "typeless"):
        parts = draw(st.lists(_openai_parts("input_text", "input_image"), max_size=2))
        typed = {"type": "message"} if kind == "message" else {}
        return {**typed, "role": "user", "content": _fill(generated, parts)}
    if kind in ("stored", "reference"):
        generated.unknown_size = True
        generated.input_classes |= {"input_image", "input_audio"}
        return {"type": "reasoning", "id": "rs_1"} if kind == "stored" else {"id": "msg_1"}
    generated.max_input += _size(text)
    if kind == "call":
        return {"type": "function_call", "name": "f", "arguments": text, "call_id": "1"}
    if kind == "output":
        return {"type": "function_call_output", "call_id": "1", "output": text}
    return {"type": "reasoning", "id": "rs_1", "encrypted_content": text or "x", "summary": []}


@st.composite
def responses(draw: st.DrawFn) -> GeneratedRequest:
    generated = GeneratedRequest("responses", {"model": "m"})
    body = generated.body
    generated.input_classes.add("cache_write_5m")
    body["input"] = [_item(draw, generated) for _ in range(draw(st.integers(0, 3)))]
    for name in ("previous_response_id", "conversation"):
        if draw(st.integers(0, 6)) == 0:
            body[name] = "id"
            generated.unknown_size = True
            generated.input_classes |= {"input_image", "input_audio"}
    if draw(st.booleans()):
        body["instructions"] = draw(texts)
        generated.max_input += _size(body["instructions"])
    _tools(draw, generated, lambda name, text: {"type": "function", "name": name, "description": text})
    max_output = draw(st.none() | st.integers(1, 5_000))
    if max_output is not None:
        body["max_output_tokens"] = max_output
    generated.max_output = DEFAULT_OUTPUT if max_output is None else max_output
    _openai_tier(draw, generated)
    return generated


@st.composite
def embeddings(draw: st.DrawFn) -> GeneratedRequest:
    generated = GeneratedRequest("embeddings", {"model": "m"}, input_classes={"input"})
    inputs = draw(st.lists(texts, max_size=3) | st.lists(st.lists(st.integers(0, 100_000), max_size=20), max_size=3))
    generated.body["input"] = inputs
    generated.max_input = sum(_size(item) if isinstance(item, str) else len(item) for item in inputs)
    generated.tiers = ("standard", "priority", "flex")
    return generated


def _anthropic_part(draw: st.DrawFn, generated: GeneratedRequest, depth: int = 0) -> dict[str, Any]:
    kind = draw(st.sampled_from(["text", "image", "url", "tool_use", "tool_result", "document", "pdf", "thinking"]))
    text = draw(texts)
    if kind in ("text", "thinking", "tool_use", "document"):
        generated.max_input += _size(text)
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
        if depth < 3 and draw(st.booleans()):
            part["content"] = [_anthropic_part(draw, generated, depth + 1)]
        else:
            generated.max_input += _size(text)
    if kind in ("image", "url"):
        generated.max_input += IMAGE_TOKENS
        generated.input_classes.add("input_image")
    generated.unknown_size = generated.unknown_size or kind == "pdf"
    ttl = draw(st.sampled_from([None, None, None, "5m", "1h"]))
    if ttl is not None:
        part["cache_control"] = {"type": "ephemeral", "ttl": ttl}
        generated.input_classes |= {"cache_write_5m"} if ttl == "5m" else {"cache_write_5m", "cache_write_1h"}
    return part


@st.composite
def messages(draw: st.DrawFn) -> GeneratedRequest:
    generated = GeneratedRequest("messages", {"model": "m", "messages": []})
    for _ in range(draw(st.integers(1, 3))):
        content = [_anthropic_part(draw, generated) for _ in range(draw(st.integers(0, 3)))]
        generated.body["messages"].append({"role": "user", "content": content})
    if draw(st.booleans()):
        generated.body["system"] = draw(texts)
        generated.max_input += _size(generated.body["system"])
    _tools(draw, generated, lambda name, text: {"name": name, "description": text, "input_schema": {"type": "object"}})
    for kind, tokens in (("bash_20250124", 245), ("text_editor_20250728", 700), ("computer_20250124", 735)):
        if draw(st.integers(0, 4)) == 0:
            generated.body.setdefault("tools", []).append({"type": kind, "name": "x"})
            generated.max_input += tokens + 500
    max_output = draw(st.none() | st.integers(1, 5_000))
    if max_output is not None:
        generated.body["max_tokens"] = max_output
    generated.max_output = DEFAULT_OUTPUT if max_output is None else max_output
    return generated


@st.composite
def conversations(draw: st.DrawFn) -> GeneratedRequest:
    generated = GeneratedRequest("converse", {"messages": []})
    for _ in range(draw(st.integers(1, 3))):
        content: list[dict[str, Any]] = []
        for kind in draw(st.lists(st.sampled_from(["text", "image", "result", "guard", "video", "cache"]), max_size=3)):
            text = draw(texts)
            generated.max_input += _size(text) if kind in ("text", "result") else 0
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
                generated.max_input += IMAGE_TOKENS
                generated.input_classes.add("input_image")
            generated.unknown_size = generated.unknown_size or kind == "video"
            if kind == "cache":
                generated.input_classes |= {"cache_write_5m", "cache_write_1h"}
        generated.body["messages"].append({"role": "user", "content": content})
    max_output = draw(st.none() | st.integers(1, 5_000))
    if max_output is not None:
        generated.body["inferenceConfig"] = {"maxTokens": max_output}
    generated.max_output = DEFAULT_OUTPUT if max_output is None else max_output
    if draw(st.booleans()):
        generated.body["serviceTier"] = {"type": "priority"}
        generated.tiers = ("priority", "standard")
    return generated
