"""OpenAI's dialect: chat completions, responses, embeddings, and everything that speaks them.

https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

from lambda_src.contract import Route
from lambda_src.core.dialects.openai_response import read
from lambda_src.core.dialects.parsed_request import (
    TOOLS_ALLOWANCE,
    JsonObject,
    ParsedRequest,
    absent,
    each_part,
    flag,
    model_name,
    objects,
    size_of,
    undisguised,
    whole_number,
)
from lambda_src.core.errors import BadRequest
from lambda_src.core.tokens import mapping

__all__ = ["ask", "read"]

_OWN_TOOLS = ("function", "custom")
_TEXT_PARTS = ("text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text")
_RESPONSE_ITEMS = ("message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output",
                   "reasoning")  # fmt: skip
_ACTING_ITEMS = ("additional_tools", "configuration_update", "compaction_trigger", "program")
"""Input items that have the provider do more than answer."""
_ELSEWHERE = {
    "models": "another model than the one that is priced might answer",
    "fallbacks": "another model than the one that is priced might answer",
}
"""Members of routers that speak this dialect."""
_BOUNDS = (
    "model", "messages", "input", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens",
    "max_output_tokens", "service_tier", "tools", "functions", "prediction", "modalities", "background",
    "web_search_options", "previous_response_id", "conversation", "prompt", "context_management", "reasoning",
    *_ELSEWHERE,
)  # fmt: skip


def ask(route: Route, body: JsonObject, size: int, path_model: str | None) -> ParsedRequest:
    """What an OpenAI request asks for."""
    del path_model  # the name is in the body
    undisguised(body, *_BOUNDS)
    absent(body, _ELSEWHERE)
    asked = ParsedRequest(body=body, model=model_name(body), text_bytes=size, stream=flag(body, "stream"))
    asked.service_tier = _service_tier(body)
    asked.may_vary_tier = asked.service_tier in (None, "auto")
    asked.input_classes.add("cache_write_5m")
    if mapping(body.get("prompt_cache_options")).get("ttl") not in (None, "30m"):
        asked.input_classes.add("cache_write_1h")
    if route.name == "embeddings":
        _embeddings(asked)
    elif route.name == "chat":
        _chat(asked)
    else:
        _responses(asked)
    return asked


def _service_tier(body: JsonObject) -> str | None:
    tier = body.get("service_tier")
    if tier is not None and not isinstance(tier, str):
        raise BadRequest("invalid_parameter", "service_tier must be a string.", param="service_tier")
    return "standard" if tier == "default" else tier


def _embeddings(asked: ParsedRequest) -> None:
    asked.max_output, asked.input_classes = 0, {"input"}
    texts = asked.body.get("input")
    # Some servers embed chats and images as well.
    if asked.body.get("messages") is not None or any(True for _ in objects(texts)) or isinstance(texts, dict):
        asked.open_ended = "input other than text or tokens"


def _chat(asked: ParsedRequest) -> None:
    body = asked.body
    maxima = [whole_number(body, name) for name in ("max_completion_tokens", "max_tokens")]
    asked.max_output = max((each for each in maxima if each is not None), default=None)
    asked.choices = whole_number(body, "n", most=128) or 1
    # Rejected predicted tokens are billed as output although they are not part of the answer.
    asked.extra_output = len(str(body.get("prediction") or "").encode(errors="surrogatepass"))
    for name in ("web_search_options", "plugins"):
        if name in body:
            asked.hosted = name
    if isinstance(modalities := body.get("modalities"), list) and "audio" in modalities:
        asked.output_classes.add("output_audio")
    _tools(asked, "functions", "tools")
    for message in objects(body.get("messages")):
        if message.get("audio") is not None:
            asked.open_ended = "an earlier answer's audio"
        each_part([message], "content", lambda part: _part(asked, part))
    if asked.stream:
        options = mapping(body.get("stream_options"))
        asked.usage_wanted = flag(options, "include_usage")
        asked.overrides["stream_options"] = options | {"include_usage": True}


def _responses(asked: ParsedRequest) -> None:
    body = asked.body
    asked.max_output = whole_number(body, "max_output_tokens")
    if flag(body, "background"):
        raise BadRequest(
            "background_not_supported",
            "background is true; accepted: false. A background response reports its usage later, where it cannot be "
            "metered. Leave background out, and stream long answers.",
            param="background",
        )
    for name in ("previous_response_id", "conversation"):
        if body.get(name) is not None:
            asked.open_ended = name
    for name in ("prompt", "context_management"):  # a stored prompt may bring tools of its own
        if body.get(name):
            asked.hosted = name
    if mapping(body.get("reasoning")).get("mode") not in (None, "standard"):
        asked.hosted = "another mode of reasoning than standard"
    _tools(asked, "tools")
    for item in objects(body.get("input")):
        _item(asked, item)


def _item(asked: ParsedRequest, item: JsonObject) -> None:
    """One item of a response's input. Without a type it is a message, or only the id of something stored."""
    kind = item.get("type", "message" if "role" in item else "item_reference")
    if kind in _ACTING_ITEMS:
        asked.hosted = f"the input item {kind}"
    elif kind not in _RESPONSE_ITEMS:
        asked.open_ended = f"an input item of type {kind}"
    elif kind == "reasoning" and not item.get("encrypted_content"):
        asked.open_ended = "reasoning that the provider stored"
    each_part([item], "content", lambda part: _part(asked, part))
    each_part([item], "output", lambda part: _part(asked, part))


def _tools(asked: ParsedRequest, *members: str) -> None:
    if any(asked.body.get(member) for member in members):
        asked.allowance += TOOLS_ALLOWANCE
    for tool in objects(asked.body.get("tools")):
        if tool.get("type") not in _OWN_TOOLS:
            asked.hosted = f"the tool {tool.get('type')}"


def _part(asked: ParsedRequest, part: JsonObject) -> None:
    kind = part.get("type")
    if kind in ("image_url", "input_image"):
        asked.images += 1
        asked.input_classes.add("input_image")
        image = part.get("image_url")
        url = mapping(image).get("url") if isinstance(image, dict) else image
        if isinstance(url, str) and url[:5].lower() == "data:":
            if url[5:11].lower() == "image/":
                asked.text_bytes -= size_of(url)
            else:  # some servers take a document or a film for an image
                asked.open_ended = "data other than an image in place of an image"
    elif kind == "input_audio":
        # A second of audio is 10 tokens and, however compressed, more than 10 bytes: bytes bound it as they do text.
        asked.input_classes.add("input_audio")
    elif kind not in _TEXT_PARTS:
        asked.open_ended = f"a content part of type {kind}"
