"""OpenAI's dialect: chat completions, responses and embeddings, also of other providers with the same API.

https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

from typing import Final

from lambda_src.contract import Route
from lambda_src.core.dialects.flavours import MAXIMA, priced_tier
from lambda_src.core.dialects.openai_response import OpenAIResponse
from lambda_src.core.dialects.parsed_request import (
    TOOLS_ALLOWANCE,
    JsonObject,
    ParsedRequest,
    boolean_field,
    brief,
    byte_size,
    find_values,
    for_each_part,
    integer_field,
    is_image_url,
    model_name,
    objects,
    reject_case_variants,
    reject_fields,
    shorten,
    split_tools,
    unknown_members,
)
from lambda_src.core.dialects.parsed_response import ResponseFacts
from lambda_src.core.errors import BadRequest
from lambda_src.core.tokens import as_object

_MAX_TIER = 100
_INPUT_ALLOWANCE = 4
"""Special tokens that a server adds to each input of a batch of embeddings: those of its start and end."""
_CLIENT_TOOLS = ("function", "custom", "local_shell", "apply_patch")
"""Types of tools that the client runs."""
_TEXT_PARTS = ("text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text")
_RESPONSE_ITEMS = (
    "message", "reasoning", *(kind + suffix for suffix in ("", "_output") for kind in (
        "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call",
    )), "tool_search_call", "tool_search_output", "additional_tools",
)  # fmt: skip
"""Input items whose bytes are in the request."""
_ACTION_ITEMS = ("configuration_update", "compaction_trigger", "program")
"""Input items that make the provider do more than generate a response."""
_OTHER_MODELS = {
    "models": "a model with other prices might respond",
    "fallbacks": "a model with other prices might respond",
}
"""Fields of model routers that use OpenAI's API."""
_COMMON = frozenset({
    "model", "user", "metadata", "store", "service_tier", "stream", "stream_options", "temperature", "top_p",
    "top_logprobs", "safety_identifier", "moderation", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "parallel_tool_calls", "tools", "tool_choice", "client_metadata", *_OTHER_MODELS,
})  # fmt: skip
MEMBERS: Final = {
    "chat": _COMMON | {
        "messages", "n", "max_tokens", "max_completion_tokens", "modalities", "audio", "prediction", "functions",
        "function_call", "web_search_options", "plugins", "response_format", "reasoning_effort", "verbosity", "stop",
        "seed", "logprobs", "logit_bias", "frequency_penalty", "presence_penalty", "top_k", "min_p",
        "repetition_penalty",
    },
    "responses": _COMMON | {
        "input", "instructions", "max_output_tokens", "max_tool_calls", "background", "background_options",
        "previous_response_id", "conversation", "prompt", "context_management", "reasoning", "text", "include", "image",
        "truncation", "access_programs",
    },
    "embeddings": frozenset({"model", "user", "input", "messages", "dimensions", "encoding_format", *_OTHER_MODELS}),
}  # fmt: skip
"""Fields by route whose effect on the cost is known: bounded by the body's size, parsed here, or none.

`strict` rejects every other field. Before you add one, find out whether it can add tokens or fees.
"""
_SPELLINGS = frozenset().union(*MEMBERS.values())
_TOOL_FIELDS = frozenset({"type", "tools", "execution", "environment"})
_PART_FIELDS = frozenset({
    "type", "role", "content", "output", "audio", "text", "image_url", "url", "file", "file_id", "input_audio",
    "encrypted_content", "tools",
})  # fmt: skip


def parse_request(route: Route, body: JsonObject, size: int, path_model: str | None) -> ParsedRequest:
    """Parse an OpenAI request."""
    del path_model  # the name is in the body
    reject_case_variants(body, _SPELLINGS)
    reject_fields(body, _OTHER_MODELS)
    parsed = ParsedRequest(body=body, model=model_name(body), text_bytes=size, stream=boolean_field(body, "stream"))
    parsed.unknown_members = unknown_members(body, MEMBERS[route.name])
    parsed.service_tier = _service_tier(body)
    parsed.may_vary_tier = parsed.service_tier is None
    parsed.input_classes.add("cache_write_5m")
    if as_object(body.get("prompt_cache_options")).get("ttl") not in (None, "30m"):
        parsed.input_classes.add("cache_write_1h")
    # Of Claude, at OpenRouter and behind proxies.
    if any(as_object(each).get("ttl") not in (None, "5m") for each in find_values(body, "cache_control")):
        parsed.input_classes.add("cache_write_1h")
        parsed.marks_long_cache = True
    if route.name == "embeddings":
        _embeddings(parsed)
    elif route.name == "chat":
        _chat(parsed)
    else:
        _responses(parsed)
    return parsed


def response_facts(route: Route, parsed: ParsedRequest) -> ResponseFacts:
    """What a success response to `parsed` states, to be read."""
    return OpenAIResponse(route, parsed)


def _service_tier(body: JsonObject) -> str | None:
    tier = body.get("service_tier")
    if tier is not None and not (isinstance(tier, str) and len(tier) <= _MAX_TIER):
        raise BadRequest(
            "invalid_parameter",
            f"service_tier is {shorten(tier)}; accepted: a string of at most {_MAX_TIER} characters.",
            param="service_tier",
        )
    return priced_tier(tier)


def _embeddings(parsed: ParsedRequest) -> None:
    """Parse a string, an array of token ids, or an array of strings and such arrays: a batch of independent inputs."""
    parsed.max_output, parsed.input_classes = 0, {"input"}
    value = parsed.body.get("input")
    inputs = value if isinstance(value, list) and not _is_token_ids(value) else [value]
    parsed.inputs = max(1, len(inputs))
    # Some servers also embed chats and images.
    if parsed.body.get("messages") is not None or not all(
        isinstance(each, str) or _is_token_ids(each) for each in inputs
    ):
        parsed.unbounded_input = "input other than text or tokens"
        return
    parsed.text_bytes = sum(byte_size(each) for each in inputs)
    parsed.token_ids = sum(len(each) for each in inputs if isinstance(each, list))
    parsed.added_tokens = parsed.inputs * _INPUT_ALLOWANCE


def _is_token_ids(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(token) is int for token in value)


def _chat(parsed: ParsedRequest) -> None:
    body = parsed.body
    maxima = [value for name in MAXIMA if (value := integer_field(body, name, minimum=0)) is not None]
    parsed.max_output = max(maxima, default=None)
    parsed.may_ignore_maximum = 0 in maxima  # it warms the cache, and for Ollama it means no maximum
    parsed.choices = integer_field(body, "n", maximum=128) or 1
    # Rejected prediction tokens are billed as output, although they are not part of the response.
    parsed.extra_output = len(str(body.get("prediction") or "").encode(errors="surrogatepass"))
    for name in ("web_search_options", "plugins"):
        if name in body:
            parsed.hosted_feature = name
    if isinstance(modalities := body.get("modalities"), list) and "audio" in modalities:
        parsed.output_classes.add("output_audio")
    _tools(parsed, "functions", "tools")
    for message in objects(body.get("messages")):
        reject_case_variants(message, _PART_FIELDS)
        if message.get("audio") is not None:
            parsed.unbounded_input = "the audio of an earlier response"
        for_each_part([message], "content", lambda part: _part(parsed, part))
    if parsed.stream:
        options = as_object(body.get("stream_options"))
        reject_case_variants(options, ("include_usage",))
        parsed.usage_requested = boolean_field(options, "include_usage")
        parsed.overrides["stream_options"] = options | {"include_usage": True}


def _responses(parsed: ParsedRequest) -> None:
    body = parsed.body
    parsed.max_output = integer_field(body, "max_output_tokens", minimum=0)
    parsed.may_ignore_maximum = parsed.max_output == 0
    if boolean_field(body, "background"):
        raise BadRequest(
            "background_not_supported",
            "background is true; accepted: false, because the usage of a background response cannot be metered. Leave "
            "background out, and stream long responses.",
            param="background",
        )
    for name in ("previous_response_id", "conversation"):
        if body.get(name) is not None:
            parsed.unbounded_input = name
    for name in ("prompt", "context_management"):  # a stored prompt may include tools
        if body.get(name):
            parsed.hosted_feature = name
    reject_case_variants(as_object(body.get("reasoning")), ("mode",))
    if as_object(body.get("reasoning")).get("mode") not in (None, "standard"):
        parsed.hosted_feature = "a reasoning mode other than standard"
    _tools(parsed, "tools")
    for item in objects(body.get("input")):
        _item(parsed, item)


def _item(parsed: ParsedRequest, item: JsonObject) -> None:
    """Parse an input item. Without a type it is a message, or a reference to a stored item if it has no role."""
    reject_case_variants(item, _PART_FIELDS)
    if item.get("tools"):
        parsed.added_tokens += TOOLS_ALLOWANCE
    kind = item.get("type", "message" if "role" in item else "item_reference")
    if kind in _ACTION_ITEMS or (kind == "additional_tools" and not isinstance(item.get("tools"), list)):
        parsed.hosted_feature = f"the input item {brief(kind)}"
    elif kind not in _RESPONSE_ITEMS:
        parsed.unbounded_input = f"an input item of type {brief(kind)}"
    elif not all(_is_client_tool(tool) for tool in objects(item.get("tools"))):
        parsed.hosted_feature = f"a tool in the input item {brief(kind)}"
    elif kind == "reasoning" and not item.get("encrypted_content"):
        parsed.unbounded_input = "reasoning stored by the provider"
    for_each_part([item], "content", lambda part: _part(parsed, part))
    for_each_part([item], "output", lambda part: _part(parsed, part))


def _tools(parsed: ParsedRequest, *names: str) -> None:
    if any(parsed.body.get(name) for name in names):
        parsed.added_tokens += TOOLS_ALLOWANCE
    split_tools(parsed, objects(parsed.body.get("tools")), _is_client_tool)


def _is_client_tool(tool: JsonObject) -> bool:
    """Whether the client runs the tool, or all tools of a namespace."""
    reject_case_variants(tool, _TOOL_FIELDS)
    kind = tool.get("type")
    if kind is None:  # some servers take every tool for a function
        return isinstance(tool.get("function"), dict) or isinstance(tool.get("name"), str)
    if kind == "namespace":
        return all(_is_client_tool(inner) for inner in objects(tool.get("tools")))
    if kind == "tool_search":
        return tool.get("execution") == "client"
    if kind == "shell":
        environment = as_object(tool.get("environment"))
        reject_case_variants(environment, ("type",))
        return environment.get("type") == "local"
    return kind in _CLIENT_TOOLS


def _part(parsed: ParsedRequest, part: JsonObject) -> None:
    reject_case_variants(part, _PART_FIELDS)
    kind = part.get("type")
    if kind in ("image_url", "input_image"):
        parsed.images += 1
        parsed.input_classes.add("input_image")
        image = part.get("image_url")
        if isinstance(image, dict):
            reject_case_variants(image, ("url",))
        url = image.get("url") if isinstance(image, dict) else image
        if isinstance(url, str) and url[:5].lower() == "data:":
            if url[5:11].lower() == "image/":
                parsed.text_bytes -= byte_size(url)
            else:  # some servers accept documents and videos here
                parsed.unbounded_input = "an image part whose data is not an image"
        elif url is not None and not is_image_url(url):
            parsed.unbounded_input = "an image URL whose path does not end in .png, .jpg, .jpeg, .gif or .webp"
    elif kind == "input_audio":
        # A second of audio is 10 tokens and more than 10 bytes in any format, so its bytes bound its tokens.
        parsed.input_classes.add("input_audio")
    elif kind not in _TEXT_PARTS:
        parsed.unbounded_input = f"a content part of type {brief(kind)}"
